"""The explorer, served in a thread as it is for a person, and asked by plain HTTP."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from refnet.web.app import make_app
from refnet.web.explorer import Explorer
from refnet.web.serve import address, open_port, server


@contextmanager
def served(explorer: Explorer) -> Iterator[str]:
    """Serve until the end; the address, without the last slash."""
    with open_port(0) as listener:
        running = server(make_app(explorer))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        try:
            yield address(listener).removesuffix("/")
        finally:
            running.should_exit = True
            thread.join()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    address: str,
    path: str,
    query: Mapping[str, object] | None = None,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request, its path and headers as they are."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        connection.request(method, path + (f"?{urlencode(query)}" if query else ""), body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()
