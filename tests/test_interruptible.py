"""Tests can interrupt the processes they start, in the background of a shell too."""

import ast
import signal
import subprocess
import sys
from pathlib import Path

from tests.interruptible import start

TESTS = Path(__file__).parent
SLEEPER = "import time\nprint('ready', flush=True)\ntime.sleep(60)"


def interrupted() -> int:
    """The status of a child that is interrupted."""
    with start([sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGINT)
        try:
            return running.wait(timeout=20)
        finally:
            running.kill()


def test_a_child_is_interrupted_where_the_signal_is_ignored_and_where_not():
    assert interrupted() == -signal.SIGINT
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert interrupted() == -signal.SIGINT
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_every_test_that_sends_the_signal_starts_its_children_so():
    sending = [path for path in sorted(TESTS.rglob("test_*.py")) if "SIGINT" in attributes(path)]
    assert len(sending) > 3
    assert [path for path in sending if "Popen" in attributes(path)] == []


def attributes(path: Path) -> set[str]:
    """Every name behind a dot that code uses; annotations in quotes are none."""
    return {node.attr for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)}
