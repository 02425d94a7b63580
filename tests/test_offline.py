"""While other runtimes are used, no name is asked for, and nothing is written but the output and refnet's cache."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refnet.cache_folder import cache_folder
from refnet.formats.onnx_writer import write_model
from refnet.formats.openvino_writer import write_openvino
from tests.audit.doctor.patients import small

ROOT = Path(__file__).parents[1]
SECONDS = 30.0  # what reports in the background does so after some seconds
NAMESPACE = ("unshare", "--map-root-user", "--net", "--mount")
# os.read, for sys.stdin.read holds a lock that a forked child, such as one that reports, would wait for.
STAY = "import os, sys\n{}\nos.read(0, 1)\n"
CONTROL = STAY.format("import socket\ntry: socket.getaddrinfo('name.invalid', 80)\nexcept OSError: pass")
COMMAND = STAY.format("from refnet.cli import main\nassert main(sys.argv[1:]) == 0")


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    attempt = [*NAMESPACE, "mount", "--bind", "/etc/hosts", "/etc/hosts"]
    if not shutil.which("unshare") or subprocess.run(attempt, capture_output=True).returncode:
        pytest.skip("network and mount namespaces are not permitted here, or unshare is not installed")


def run(programs: list[list[str]], folder: Path, seconds: float, **environment: str) -> set[str]:
    """Run Python programs offline, in a folder; the names that were asked for."""
    command = [*NAMESPACE, sys.executable, str(ROOT / "tests" / "offline.py"), str(seconds), str(folder / "names")]
    own = {name: text for name, text in os.environ.items() if not name.startswith(("XDG_", "MPL", "ORT_"))}
    for name in ("CI", "TF_BUILD", "JENKINS_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        own.pop(name, None)  # each of them keeps a runtime from asking for a name
    done = subprocess.run(
        command,
        input=json.dumps([[sys.executable, *program] for program in programs]),
        cwd=folder,
        env={**own, "PYTHONPATH": str(ROOT), "REFNET_CACHE_DIR": str(cache_folder("").resolve()), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set((folder / "names").read_text().splitlines())


def test_a_name_that_is_asked_for_is_noted(tmp_path):
    assert run([["-c", CONTROL]], tmp_path, 0.0) == {"name.invalid"}


def test_long_runs_ask_for_no_name_and_write_nothing_unasked(tmp_path):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")
    pytest.importorskip("openvino", reason="openvino is not installed (extra openvino)")
    home, temporary, work = (tmp_path / name for name in ("home", "temporary", "work"))
    for folder in (home, temporary, work):
        folder.mkdir()
    model, ir, images = (str(tmp_path / name) for name in ("small.onnx", "small.xml", "images.npy"))
    write_model(small(), Path(model), like="mxnet", spatial=1)
    write_openvino(small(), Path(ir))
    np.save(images, np.zeros((1, 3, 112, 112), np.float32))
    commands = [
        ["audit", model, "-o", "report.html"],
        ["audit", ir, "-o", "ir.html"],
        ["validate", model],
        ["validate", ir],
        ["bench", model, "--batch", "1", "--threads", "1", "--rounds", "2"],
    ]
    workers = [
        ["-m", "refnet.bench.worker", runtime, model, "1", "1", images, str(tmp_path / f"{runtime}.npy")]
        for runtime in ("onnxruntime", "openvino")
    ]
    programs = [["-c", COMMAND, *command] for command in commands] + workers
    assert run(programs, work, SECONDS, HOME=str(home), TMPDIR=str(temporary)) == set()
    assert list(home.rglob("*")) == []
    assert list(temporary.rglob("*")) == []
    assert {path.name for path in work.iterdir()} == {"names", "report.html", "report.json", "ir.html", "ir.json"}
