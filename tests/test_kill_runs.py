"""A few of the kills that `tools/kill_runs.py` makes by the hundred."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[1] / "tools" / "kill_runs.py"


def test_commands_that_are_killed_leave_nothing_half_and_lose_nothing() -> None:
    command = [sys.executable, str(TOOL), "4", "0", "embed npz", "embed data set", "convert", "models make"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 kills in" in done.stdout
    assert done.stdout.endswith(": 0 files half written, lost, different or left behind\n")
