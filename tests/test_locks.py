"""What `make` installs is pinned, hashed and built by nothing that is not."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").iterdir())
HASHED = re.compile(r"[a-z0-9._-]+==[^ ]+( ; [^\\]+)?( --hash=sha256:[0-9a-f]{64})+")
FROM_A_LOCK = re.compile(r"--require-hashes --only-binary :all: -r requirements/[a-z]+\.lock")
THE_PROJECT = "--no-deps --no-build-isolation -e ."


def unlocked(makefile: str) -> list[str]:
    """The commands of a Makefile that install what is not in a lock, or build with what is not."""
    variables = dict(re.findall(r"^([A-Z]+) [:?]?= (.*)$", makefile, re.MULTILINE))
    text = re.sub(r"\$\(([A-Z]+)\)", lambda found: variables.get(found[1], found[0]), makefile)
    found = []
    for command in re.findall(r"^\t@?(.*)$", text.replace("\\\n", " "), re.MULTILINE):
        for one in re.split(r"&&|\|\||;", command):
            if re.search(r"\b(pip3?|pipx|uv|easy_install|conda)\b.*\b(install|sync|run|add)\b|\buvx\b", one):
                _, _, options = one.partition(" install ")
                options = re.sub(r"(-q|--disable-pip-version-check|--python [^ ]+) ", "", options).strip()
                if not (FROM_A_LOCK.fullmatch(options) or options == THE_PROJECT):
                    found.append(one.strip())
    return found


def test_make_installs_from_locks_alone():
    makefile = (ROOT / "Makefile").read_text()
    assert makefile.count("pip install") == 5
    assert unlocked(makefile) == []


@pytest.mark.parametrize(
    "command",
    [
        "pip install 'uv>=0.8'",
        "python -m pip install uv==0.13.9",
        "uv pip install --no-deps -e .",
        "uv pip install -r requirements/demo.lock",
        "uv pip install --require-hashes -r requirements/demo.lock",
        "uv sync",
        "uvx ruff",
        "true && uv pip install $(LOCKED) ruff",
    ],
)
def test_each_way_to_install_something_else_is_found(command):
    makefile = f"LOCKED := --require-hashes --only-binary :all:\nall:\n\t@{command}\n\tuv --version"
    assert len(unlocked(makefile)) == 1


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_line_of_a_lock_is_a_version_with_hashes(path):
    text = re.sub(r"^ *#.*\n", "", path.read_text(), flags=re.MULTILINE)
    lines = re.sub(r" *\\\n *", " ", text).splitlines()
    assert len(lines) > 5
    assert [line for line in lines if not HASHED.fullmatch(line)] == []


def test_the_projects_builder_is_in_the_lock_that_is_installed_first():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tools = (ROOT / "requirements" / "tools.lock").read_text()
    assert set(project["build-system"]["requires"]) <= set(project["dependency-groups"]["tools"])
    assert {line.split("==")[0] for line in tools.splitlines() if "==" in line} >= {"hatchling", "uv"}
