"""One file over HTTP: begun, broken off, taken up again (RFC 9110, sections 13.1.5 and 14). Knows nothing of models.

A server is not believed. What it sends is measured against the size that is expected while it comes; whether the bytes
are the right ones is for the caller to find out from their digest.
"""

import http.client
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3

from refnet.errors import UsageError
from refnet.formats.disguises import disguise
from refnet.opening import read_text

_BLOCK_BYTES = 1 << 16
_START_BYTES = 1024
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_WAIT_SECONDS = 60.0  # that a server may ask for
_CONNECT_SECONDS = 10.0


class PassingError(Exception):
    """What may be over in a moment: a broken connection, a busy server. `wait_seconds` is what the server asks for."""

    def __init__(self, reason: str, wait_seconds: float = 0.0):
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class MirrorError(Exception):
    """An address that does not give the file; asking again would not help."""


def receive(
    session: requests.Session,
    url: str,
    part: Path,
    *,
    size_bytes: int,
    timeout_seconds: float,
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Bring the file at `part` to `size_bytes`, going on where it ends.

    A part is gone on with only by an answer that says it begins where the part ends (206 and a fitting Content-Range);
    the same server is also told which version the part is of (If-Range), where it gave a strong ETag. After any other
    answer the file is begun anew.

    Parameters
    ----------
    url : str
        Of http or https; so must be what it redirects to.
    part : Path
        What has come so far; made if it is not there, kept whatever happens, gone only where it cannot be right.
    timeout_seconds : float
        How long the server may take to answer, and to send the next byte.
    advance : (bytes) -> None
        Told how much is there, whenever that changes.

    Raises
    ------
    PassingError, MirrorError
        As they say.
    UsageError
        If the file cannot be written.
    """
    if url.partition("://")[0].lower() not in ("http", "https"):
        raise MirrorError("this is no http or https address; a file that you have is for `refnet models import`")
    have = _size(part)
    if have > size_bytes:
        forget(part)
        have = 0
    if have == size_bytes:
        advance(have)
        return
    if have:
        with _get(session, url, timeout_seconds, _range(part, url, have)) as response:
            if response.status_code == http.client.PARTIAL_CONTENT and _goes_on(response, have, size_bytes):
                _write(response, url, part, have, size_bytes, advance)
                return
            if response.status_code == http.client.OK:
                _write(response, url, part, 0, size_bytes, advance)
                return
    # Nothing is there; or the answer was 416, or a range that nobody asked for.
    with _get(session, url, timeout_seconds, {}) as response:
        if response.status_code != http.client.OK:
            raise MirrorError(f"it answers {response.status_code} to a request for the whole file")
        _write(response, url, part, 0, size_bytes, advance)


def shown(url: str) -> str:
    """A URL as it may be printed: without a password, without a query (which may hold a key)."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL: nothing to hide
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def forget(part: Path) -> None:
    """Delete a part, and what is known of it."""
    part.unlink(missing_ok=True)
    _etag_path(part).unlink(missing_ok=True)


def _get(session: requests.Session, url: str, timeout_seconds: float, headers: dict[str, str]) -> requests.Response:
    """The answer's head; errors of network and server as our two kinds."""
    try:
        response = session.get(
            url,
            headers={"Accept-Encoding": "identity", **headers},
            stream=True,
            timeout=(min(timeout_seconds, _CONNECT_SECONDS), timeout_seconds),
        )
    except requests.exceptions.TooManyRedirects as error:
        raise MirrorError("it redirects in a circle") from error
    except requests.exceptions.SSLError as error:
        raise MirrorError(f"its certificate is not accepted: {_reason(error)}") from error
    except requests.exceptions.Timeout as error:
        raise PassingError(f"it does not answer within {timeout_seconds:g} s") from error
    except requests.exceptions.ConnectionError as error:
        raise PassingError(f"no connection: {_reason(error)}") from error
    except (requests.exceptions.RequestException, ValueError) as error:  # no address, or it leads out of http
        raise MirrorError(f"the address is of no use: {_reason(error)}") from error
    status = response.status_code
    if status >= 400 and status != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        response.close()
        name = http.client.responses.get(status, "an error").lower()
        if status in _PASSING:
            raise PassingError(f"it answers {status} ({name})", _retry_after(response))
        raise MirrorError(f"it answers {status} ({name})")
    return response


def _write(
    response: requests.Response, url: str, part: Path, have: int, size_bytes: int, advance: Callable[[int], None]
) -> None:
    """Write an answer's body to `part` from byte `have` on, never more than the file has.

    What is there stays until the first bytes show that this may be the file: not a page that asks to log in.
    """
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise MirrorError(f"it sends the file compressed ({encoding}), though asked not to")
    told = response.headers.get("Content-Length", "")
    length = int(told) if told.isdecimal() else size_bytes - have
    block = _next_block(response)
    if have == 0 and block and (found := disguise(block[:_START_BYTES], length)):
        raise MirrorError(found)
    if length != size_bytes - have:
        raise MirrorError(f"its file has {have + length:,} bytes; expected {size_bytes:,}")
    try:
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            _note_etag(response, url, part)
            advance(have)
            while block:
                if have + len(block) > size_bytes:
                    raise MirrorError(f"it sends more than the {size_bytes:,} bytes of the file; cut off")
                file.write(block)
                file.flush()
                have += len(block)
                advance(have)
                block = _next_block(response)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot write {part}: {reason}; what has come is kept for the next time") from error
    if have < size_bytes:
        raise PassingError(f"it ended after {have:,} of {size_bytes:,} bytes")


def _next_block(response: requests.Response) -> bytes:
    """What has come by now, at least a byte; empty at the end."""
    try:
        block: bytes = response.raw.read1(_BLOCK_BYTES, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError as error:
        raise PassingError("it stopped sending") from error
    except urllib3.exceptions.HTTPError as error:
        raise PassingError(f"the connection broke off: {_reason(error)}") from error
    return block


def _range(part: Path, url: str, have: int) -> dict[str, str]:
    """Headers that ask for the rest."""
    headers = {"Range": f"bytes={have}-"}
    try:
        known = json.loads(read_text(_etag_path(part)))
        if known["url"] == url:
            headers["If-Range"] = str(known["etag"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # nothing is known of this part
        pass
    return headers


def _goes_on(response: requests.Response, have: int, size_bytes: int) -> bool:
    """Whether a 206 brings exactly what is missing."""
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if told is None:
        return False
    return (int(told[1]), int(told[2])) == (have, size_bytes - 1) and told[3] in ("*", str(size_bytes))


def _note_etag(response: requests.Response, url: str, part: Path) -> None:
    """Remember a strong ETag beside the part; only such a one may stand in If-Range."""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        _etag_path(part).write_text(json.dumps({"url": url, "etag": etag}), "utf-8")
    else:
        _etag_path(part).unlink(missing_ok=True)


def _etag_path(part: Path) -> Path:
    """Where a part's ETag is kept."""
    return part.with_name(part.name + ".etag")


def _size(part: Path) -> int:
    """How much is there."""
    try:
        return part.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _retry_after(response: requests.Response) -> float:
    """Seconds that the server asks to wait; its dates are not read."""
    told = response.headers.get("Retry-After", "")
    return min(float(told), _LONGEST_WAIT_SECONDS) if told.isdecimal() else 0.0


def _reason(error: BaseException) -> str:
    """What lies at the bottom of a chain of errors: libraries wrap them several times."""
    while below := error.__cause__ or error.__context__:
        error = below
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return words[:1].lower() + words[1:]
