"""`refnet explore`: the terminal's side of it."""

import os
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

import pytest

from refnet.cli import main
from refnet.zoo.samples import sample_paths
from tests.interruptible import start


def test_it_prints_its_address_serves_and_ends_in_order_with_ctrl_c(narrow_path):
    command = [sys.executable, "-m", "refnet", "explore", str(narrow_path), "--engine", "reference"]
    command += ["--no-browser", "--port", "0", "--image", str(sample_paths()[1])]
    with start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            with urlopen(address) as page:
                assert b"refnet explore" in page.read()
            with urlopen(f"{address}api/network") as facts:
                assert b'"title":"sample_b.png"' in facts.read()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0
    assert out == ""
    assert "synthetic weights" in err
    assert "serving on this machine only; stop with Ctrl-C" in err
    assert "Traceback" not in err


def test_only_the_loopback_address_listens():
    from refnet.web.serve import address, open_port

    with open_port(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert address(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_a_port_in_use_is_one_sentence(narrow_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["explore", str(narrow_path), "--no-browser", "--port", str(port)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"refnet: port {port} cannot be opened (address already in use); give another, such as --port {port + 1}, "
        "or --port 0 for any that is free\n"
    )


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_does_not_exist_is_refused(narrow_path, capsys, port):
    assert main(["explore", str(narrow_path), "--no-browser", "--port", port]) == 2
    assert f"port {port} does not exist; expected 1 to 65535" in capsys.readouterr().err


def test_without_the_extra_the_line_that_installs_it_is_said(narrow_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["explore", str(narrow_path), "--no-browser"]) == 5
    assert 'uvicorn, which is not installed; install it: pip install "refnet[explore]"' in capsys.readouterr().err


def test_a_photograph_that_cannot_be_read_ends_it_before_it_serves(narrow_path, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    command = ["explore", str(narrow_path), "--no-browser", "--port", "0", "--engine", "reference"]
    assert main([*command, "--image", str(broken)]) == 4
    assert "broken.jpg: not an image that can be read" in capsys.readouterr().err


def test_a_detector_that_is_named_must_be_there(narrow_path, tmp_path, capsys):
    absent = os.fspath(tmp_path / "absent.onnx")
    command = ["explore", str(narrow_path), "--no-browser", "--port", "0", "--engine", "reference"]
    assert main([*command, "--detector", absent]) == 3
    assert "absent.onnx" in capsys.readouterr().err
