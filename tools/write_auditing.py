"""Run what docs/auditing.md shows, and write down what it printed.

    python tools/write_auditing.py

A block of the page that begins with `$ ` holds one command and its output; a block of Python that begins with a comment
`# NAME.py` is that file. They are run in the order of the page, in an empty folder. A test compares the page with this.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "auditing.md"
BLOCK = re.compile(
    r"```(?:\n\$ (?P<command>[^\n]*)\n(?P<output>.*?)|python\n# (?P<name>\w+\.py)\n(?P<code>.*?))```", re.DOTALL
)
SHELL = 'refnet() { "$PYTHON" -m refnet "$@"; }; python() { "$PYTHON" "$@"; };'
LONG, FIRST, LAST = 40, 5, 8  # lines: an output of more than the first keeps so many of its beginning and its end
FIRST_RUN = "compiling the fast engine's kernels"  # said once on a machine, and not part of the page


def main() -> None:
    """Write the page anew."""
    with tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(written(PAGE.read_text("utf-8"), Path(folder)), "utf-8")


def written(text: str, folder: Path) -> str:
    """The page's text with every output as it is now; files are made in `folder`."""
    return BLOCK.sub(lambda block: _block(block, folder), text)


def _block(block: re.Match[str], folder: Path) -> str:
    """One block, run."""
    if block["name"]:
        (folder / block["name"]).write_text(block["code"], "utf-8")
        return block[0]
    return f"```\n$ {block['command']}\n{_output(block['command'], folder)}```"


def _output(command: str, folder: Path) -> str:
    """What a command prints on both streams, and its exit status where that is not 0."""
    done = subprocess.run(
        ["sh", "-c", f"{SHELL} {command}"],
        cwd=folder,
        env=os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith(FIRST_RUN)]
    if len(lines) > LONG:
        lines = [*lines[:FIRST], f"... {len(lines) - FIRST - LAST} lines ...", *lines[-LAST:]]
    status = [f"(exit status {done.returncode})"] if done.returncode else []
    return "".join(f"{line}\n" for line in (*lines, *status))


if __name__ == "__main__":
    main()
