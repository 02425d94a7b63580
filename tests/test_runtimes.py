"""Other runtimes are imported and started in one place, which switches off what they would report."""

import ast
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from refnet.runtimes import RUNTIMES, import_runtime, silence

ROOT = Path(__file__).parents[1]
GATE = ROOT / "refnet" / "runtimes.py"
FILES = [path for part in ("refnet", "tools", "docs/lessons") for path in sorted((ROOT / part).rglob("*.py"))]
BY_ENVIRONMENT = {"onnxruntime", "torch", "ncnn"}  # silenced in children too by what they inherit


def runtime(module: object) -> str | None:
    """The runtime that a module belongs to, if it is one's."""
    top = module.split(".")[0] if isinstance(module, str) else ""
    return top if top in RUNTIMES else None


def imported(tree: ast.AST) -> Iterator[str]:
    """The runtimes that code imports without the gate, or starts as programs."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=module, level=0):
                found = [module]
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=value), *_]):
                found = [value] if called in ("import_module", "__import__", "run_module", "importorskip") else []
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                words = [element.value if isinstance(element, ast.Constant) else None for element in elements]
                found = [word for before, word in itertools.pairwise(words) if before == "-m"]
            case _:
                found = []
        yield from filter(None, map(runtime, found))


def imported_by_texts(tree: ast.AST) -> Iterator[str]:
    """The runtimes that code in strings imports: programs for children."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for statement in node.value.replace(";", "\n").splitlines():
                try:
                    yield from imported(ast.parse(statement.strip()))
                except (SyntaxError, ValueError):  # no code
                    continue


def outside_the_gate(code: str) -> set[str]:
    """The runtimes that a file reaches past the gate."""
    tree = ast.parse(code)
    silenced = BY_ENVIRONMENT if "silence()" in code else set()
    return set(imported(tree)) | set(imported_by_texts(tree)) - silenced


def test_nothing_imports_a_runtime_but_through_the_gate():
    found = {path: outside_the_gate(path.read_text(encoding="utf-8")) for path in FILES if path != GATE}
    assert len(found) > 300
    assert not {path: names for path, names in found.items() if names}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import onnxruntime as ort", {"onnxruntime"}),
        ("def f():\n    from torch.nn import functional", {"torch"}),
        ("import importlib\nimportlib.import_module('openvino.runtime')", {"openvino"}),
        ("command = [python, '-m', 'MNN.tools.mnnconvert']", {"MNN"}),
        ("CHILD = '''\nimport sys; import numpy, onnxruntime\n'''", {"onnxruntime"}),
        ("silence()\nCHILD = 'import onnxruntime'", set()),
        ("silence()\nimport onnxruntime", {"onnxruntime"}),
        ("silence()\nCHILD = 'import openvino'", {"openvino"}),
        ("import refnet.compat.onnxruntime as onnxruntime", set()),
        ("onnxruntime = import_runtime('onnxruntime')", set()),
    ],
)
def test_the_search_finds_each_way_past_the_gate(code, found):
    assert outside_the_gate(code) == found


def fresh(code: str) -> str:
    """What a process prints that was not silenced by this one."""
    environment = {"PATH": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_opt_outs_stand_before_the_import():
    code = (
        "import importlib, os, sys\n"
        "class Seen:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Seen())\n"
        "from refnet.runtimes import import_runtime\n"
        "try: import_runtime('onnxruntime')\n"
        "except ImportError: pass\n"
    )
    assert fresh(code) == "1"


def test_openvino_takes_its_own_stand_in_for_telemetry():
    pytest.importorskip("openvino", reason="openvino is not installed (extra openvino)")
    code = (
        "from refnet.runtimes import import_runtime; import_runtime('openvino')\n"
        "from openvino.tools import ovc; print(type(ovc.telemetry).__module__)"
    )
    assert fresh(code) == "openvino.tools.ovc.telemetry_stub"


def test_a_reporter_that_was_imported_before_is_taken_away(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino_telemetry", sys)
    silence()
    with pytest.raises(ImportError):
        __import__("openvino_telemetry")


def test_a_runtimes_program_is_started_silenced(tmp_path):
    """A package that imports its reporter as MNN's converter does, and installs one where that is absent."""
    tools = tmp_path / "MNN" / "tools"
    (tools / "utils").mkdir(parents=True)
    (tools / "utils" / "log.py").write_text("print('reporting')")
    (tools / "mnnconvert.py").write_text(
        "import sys\ntry:\n    from MNN.tools.utils.log import mnn_logger\nexcept ImportError:\n    print(sys.argv[1:], __name__)\n"
    )
    command = [sys.executable, "-m", "refnet.runtimes", "MNN.tools.mnnconvert", "-f", "ONNX"]
    environment = {"PATH": "", "PYTHONPATH": f"{ROOT}:{tmp_path}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "['-f', 'ONNX'] __main__\n"


def test_a_runtime_that_is_absent_is_an_import_error():
    with pytest.raises(ImportError, match="no_such_runtime"):
        import_runtime("no_such_runtime")
