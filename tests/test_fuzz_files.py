"""Damaged files of every kind end in a result or in an error of refnet's own; tools/fuzz_files.py tries many more."""

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[1] / "tools" / "fuzz_files.py"


def test_a_seeded_share_of_damaged_files_makes_no_finding(tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    command = [sys.executable, str(TOOL), "--inputs", "800", "--seed", "1", "--summary", str(summary)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(summary.read_text())
    assert found["findings"] == []
    assert len(found["kinds"]) > 60
    assert sum(count.get("refused", 0) for count in found["kinds"].values()) > 400
