"""Every module that a tool imports is there; the tools themselves take minutes, and are run by hand."""

import ast
import importlib.util
from pathlib import Path

import pytest

TOOLS = sorted((Path(__file__).parents[1] / "tools").glob("*.py"))


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.name)
def test_what_a_tool_imports_is_there(path, monkeypatch):
    monkeypatch.syspath_prepend(path.parent)
    tree = ast.parse(path.read_text("utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert [name for name in names if importlib.util.find_spec(name) is None] == []
