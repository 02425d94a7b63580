"""A real HTTP server in a thread that misbehaves as it is told to, one behaviour a request."""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the server's script says; when that is at its end, properly."""

    server: "Server"
    timeout = 5

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        behaviour = self.server.script.pop(0) if self.server.script else properly
        with contextlib.suppress(ConnectionError):  # the client left: that is what some tests are about
            behaviour(self)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass

    def head(self, status: int, **headers: object) -> None:
        """Send the head of an answer; underscores in names are hyphens."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, content: bytes) -> None:
        """Send bytes, and count them."""
        for start in range(0, len(content), 4096):
            block = content[start : start + 4096]
            self.wfile.write(block)
            self.server.sent += len(block)
            if self.server.pause_seconds:
                time.sleep(self.server.pause_seconds)

    @property
    def start(self) -> int:
        """The first byte that is asked for."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(asked[1]) if asked else 0


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, content: bytes):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.etag: str | None = '"one"'
        self.script: list[Behaviour] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.sent = 0
        self.pause_seconds = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[Server]:
    """Run a server while the block runs."""
    server = Server(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def properly(handler: Handler) -> None:
    """The whole, or the rest that is asked for, as RFC 9110 says."""
    server, start = handler.server, handler.start
    etag = {"ETag": server.etag} if server.etag else {}
    unchanged = handler.headers.get("If-Range") in (None, server.etag)
    if start and unchanged:
        total = len(server.content)
        if start >= total:
            handler.head(416, Content_Range=f"bytes */{total}", Content_Length=0)
            return
        handler.head(206, Content_Range=f"bytes {start}-{total - 1}/{total}", Content_Length=total - start, **etag)
        handler.body(server.content[start:])
    else:
        handler.head(200, Content_Length=len(server.content), **etag)
        handler.body(server.content)


def ignoring_range(handler: Handler) -> None:
    handler.head(200, Content_Length=len(handler.server.content))
    handler.body(handler.server.content)


def dropping_after(count: int) -> Behaviour:
    """Promise everything, send `count` bytes of it, hang up."""

    def behave(handler: Handler) -> None:
        content, start = handler.server.content, handler.start
        if start:
            handler.head(
                206,
                Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}",
                Content_Length=len(content) - start,
            )
        else:
            handler.head(
                200, Content_Length=len(content), **({"ETag": handler.server.etag} if handler.server.etag else {})
            )
        handler.body(content[start : start + count])

    return behave


def ending_after(count: int) -> Behaviour:
    """Promise no length, send `count` bytes, end as if that were all."""

    def behave(handler: Handler) -> None:
        handler.head(200)
        handler.body(handler.server.content[:count])

    return behave


def answering(status: int, **headers: object) -> Behaviour:
    def behave(handler: Handler) -> None:
        handler.head(status, Content_Length=0, **headers)

    return behave


def sending(content: bytes, status: int = 200, *, length: bool = True, **headers: object) -> Behaviour:
    def behave(handler: Handler) -> None:
        handler.head(status, **({"Content_Length": len(content)} if length else {}), **headers)
        handler.body(content)

    return behave


def stalling(seconds: float, after: int = 0) -> Behaviour:
    """Send `after` bytes, then nothing for so long."""

    def behave(handler: Handler) -> None:
        handler.head(200, Content_Length=len(handler.server.content))
        handler.body(handler.server.content[:after])
        time.sleep(seconds)

    return behave


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine's between a test and its server, and no setting of the user's."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("REFNET_MIRRORS", "REFNET_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
