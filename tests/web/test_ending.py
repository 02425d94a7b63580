"""The explorer ends within two seconds of Ctrl-C, in silence, whatever its clients hold."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.interruptible import start

# Pictures of faces are computed for a minute.
PROGRAM = (
    "import sys, time; from refnet.cli import main; from refnet.web.explorer import Explorer\n"
    "Explorer.picture = lambda *_: time.sleep(60)\n"
    "sys.exit(main(sys.argv[1:]))"
)


def nothing(_: str) -> bytes:
    return b""


def half_a_request(netloc: str) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: {netloc}".encode()


def half_an_upload(netloc: str) -> bytes:
    return f"POST /api/faces HTTP/1.1\r\nHost: {netloc}\r\nContent-Length: 1000\r\n\r\nhalf".encode()


def half_a_chunk(netloc: str) -> bytes:
    return f"POST /api/faces HTTP/1.1\r\nHost: {netloc}\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf".encode()


def kept_alive(netloc: str) -> bytes:
    return f"GET /api/network HTTP/1.1\r\nHost: {netloc}\r\n\r\n".encode()


def more_than_is_read(netloc: str) -> bytes:
    return f"GET /main.js HTTP/1.1\r\nHost: {netloc}\r\n\r\n".encode() * 500


def a_long_computation(netloc: str) -> bytes:
    return f"GET /api/face.png?face=first HTTP/1.1\r\nHost: {netloc}\r\n\r\n".encode()


HOLDINGS = (nothing, half_a_request, half_an_upload, half_a_chunk, kept_alive, more_than_is_read, a_long_computation)


@pytest.mark.parametrize(
    ("holdings", "interrupts"),
    [((half_an_upload,), 1), ((a_long_computation,), 3), (HOLDINGS * 3, 1), (HOLDINGS, 5)],
    ids=["one upload", "one computation", "everything", "everything, and Ctrl-C again and again"],
)
def test_it_ends_in_two_seconds(narrow_path, holdings, interrupts):
    command = [sys.executable, "-c", PROGRAM, "explore", str(narrow_path)]
    command += ["--engine", "reference", "--no-browser", "--port", "0"]
    with ExitStack() as stack:
        process = stack.enter_context(start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        stack.callback(process.kill)
        address = process.stdout.readline().strip()
        netloc = urlsplit(address).netloc
        for holding in holdings:
            connection = stack.enter_context(socket.create_connection(netloc.split(":")))
            connection.setblocking(False)  # what is not taken is not sent
            connection.send(holding(netloc))
        abandoned = socket.create_connection(netloc.split(":"))
        abandoned.sendall(half_an_upload(netloc))
        abandoned.close()
        with urlopen(address) as page:
            assert page.status == 200
        time.sleep(0.5)  # the server has read what was sent
        begun = time.monotonic()
        for _ in range(interrupts):
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        process.wait(timeout=20)
        seconds = time.monotonic() - begun
        _, err = process.communicate()
    assert process.returncode == 0, err
    assert err.splitlines()[-1] == "serving on this machine only; stop with Ctrl-C"
    assert seconds < 2, err
