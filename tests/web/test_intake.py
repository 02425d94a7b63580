"""Uploads: those that are too long, too many at once, or abandoned."""

import http.client
import logging
import socket
import time
from urllib.parse import urlsplit

import pytest

from refnet.web import intake
from refnet.zoo.samples import sample_paths
from tests.web.server import ask, served

PORTRAIT = sample_paths()[0].read_bytes()


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch):
    monkeypatch.setattr(intake, "BODY_BYTES", 2**20)
    monkeypatch.setattr(intake, "UPLOADS_BYTES", 3 * 2**19)


@pytest.fixture
def here(explorer):
    with served(explorer) as address:
        yield address


def half_sent(address, bytes_sent, declared=2**20):
    """A connection whose upload has begun."""
    netloc = urlsplit(address).netloc
    connection = socket.create_connection(netloc.split(":"))
    head = f"POST /api/faces?name=x HTTP/1.1\r\nHost: {netloc}\r\nContent-Length: {declared}\r\n\r\n"
    connection.sendall(head.encode() + bytes(bytes_sent))
    return connection


def upload(address, body=PORTRAIT):
    return ask(address, "/api/faces", {"name": "x"}, method="POST", body=body)


def test_a_body_is_refused_that_is_declared_or_found_too_long(here):
    assert upload(here, bytes(2**20 + 1)).json["error"].startswith("the file has more than 1 MB")
    netloc = urlsplit(here).netloc
    connection = http.client.HTTPConnection(netloc, timeout=20)
    chunks = (bytes(2**16) for _ in range(17))  # in chunks, its length is not declared
    connection.request(
        "POST", "/api/faces?name=x", chunks, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 413
    connection.close()
    assert upload(here).status == 201


def test_a_body_of_exactly_the_limit_is_decoded(here):
    assert upload(here, bytes(2**20)).status == 422


def test_uploads_hold_no_more_than_their_share_together(here):
    with half_sent(here, 3 * 2**18), half_sent(here, 3 * 2**18):
        time.sleep(1)  # the server has read them
        refused = upload(here)
    assert refused.status == 503
    assert refused.json["error"] == "too many images are being uploaded at once; try again in a moment"
    time.sleep(1)  # and has seen them leave
    assert upload(here).status == 201


def test_what_is_declared_too_long_is_not_held(here):
    with half_sent(here, 2**20, declared=2**40), half_sent(here, 2**20, declared=2**40):
        time.sleep(1)
        assert upload(here).status == 201


def test_an_abandoned_upload_is_no_error(here, caplog):
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    half_sent(here, 2**19).close()
    half_sent(here, 0).close()
    half_sent(here, 2**20, declared=2**40).close()
    for _ in range(3):
        assert upload(here).status == 201
        time.sleep(0.1)
    logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert caplog.records == []
