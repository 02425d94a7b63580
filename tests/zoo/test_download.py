"""One file over HTTP, from a server that misbehaves in every way that servers do."""

import gzip
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from refnet.errors import UsageError
from refnet.zoo.download import MirrorError, PassingError, receive, shown
from tests.zoo import server as s
from tests.zoo.fake_card import CONTENT
from tests.zoo.server import Server, direct, serving

__all__ = ["direct"]
pytestmark = pytest.mark.usefixtures("direct")
HALF = 150_000


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "part"


def get(server: Server, part: Path, path: str = "/m.onnx", **options: object) -> None:
    with requests.Session() as session:
        receive(session, server.url + path, part, **{"size_bytes": len(CONTENT), "timeout_seconds": 2.0, **options})  # type: ignore[arg-type]


def test_a_whole_file_comes_and_progress_is_told(server: Server, part: Path) -> None:
    told: list[int] = []

    def advance(have: int) -> None:
        told.append(have)
        assert part.stat().st_size == have  # what is told is on the disk, not in a buffer that a kill would take

    server.pause_seconds = 0.001  # small blocks
    get(server, part, advance=advance)
    assert part.read_bytes() == CONTENT
    assert told[0] == 0
    assert told[-1] == len(CONTENT)
    assert told == sorted(told)
    ((_, headers),) = server.requests
    assert headers["Accept-Encoding"] == "identity"
    assert "Range" not in headers


def test_what_is_complete_is_not_asked_for(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT)
    get(server, part)
    assert not server.requests


def test_a_part_is_gone_on_with(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT[:HALF])
    get(server, part)
    assert part.read_bytes() == CONTENT
    assert server.sent == len(CONTENT) - HALF
    assert server.requests[0][1]["Range"] == f"bytes={HALF}-"
    assert "If-Range" not in server.requests[0][1]


def test_a_broken_connection_leaves_what_came_and_the_etag(server: Server, part: Path) -> None:
    server.script = [s.dropping_after(HALF)]
    with pytest.raises(PassingError, match="the connection broke off"):
        get(server, part)
    assert part.read_bytes() == CONTENT[:HALF]
    get(server, part)
    assert part.read_bytes() == CONTENT
    assert server.requests[1][1]["If-Range"] == '"one"'
    assert server.sent == len(CONTENT)


def test_a_file_that_changed_on_the_server_is_begun_anew(server: Server, part: Path) -> None:
    server.script = [s.dropping_after(HALF)]
    with pytest.raises(PassingError):
        get(server, part)
    server.content, server.etag = bytes(reversed(CONTENT)), '"two"'
    get(server, part)
    assert part.read_bytes() == server.content


def test_an_etag_of_another_address_is_not_sent(server: Server, part: Path) -> None:
    server.script = [s.dropping_after(HALF)]
    with pytest.raises(PassingError):
        get(server, part)
    get(server, part, "/another/m.onnx")
    assert "If-Range" not in server.requests[1][1]


@pytest.mark.parametrize("etag", ['W/"weak"', None])
def test_a_weak_or_missing_etag_is_not_sent(server: Server, part: Path, etag: str | None) -> None:
    server.etag = etag
    server.script = [s.dropping_after(HALF)]
    with pytest.raises(PassingError):
        get(server, part)
    get(server, part)
    assert "If-Range" not in server.requests[1][1]
    assert part.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_begins_anew(server: Server, part: Path) -> None:
    part.write_bytes(b"x" * HALF)
    server.script = [s.ignoring_range]
    get(server, part)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "lie",
    [
        f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}",
        f"bytes {HALF - 1}-{len(CONTENT) - 1}/{len(CONTENT)}",
        f"bytes {HALF}-{len(CONTENT) - 2}/{len(CONTENT)}",
        f"bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT) + 1}",
        "lines 3-4/5",
        None,
    ],
)
def test_a_range_that_was_not_asked_for_is_not_appended(server: Server, part: Path, lie: str | None) -> None:
    part.write_bytes(CONTENT[:HALF])
    headers = {"Content_Range": lie} if lie else {}
    server.script = [s.sending(CONTENT[HALF:], 206, **headers)]
    get(server, part)
    assert part.read_bytes() == CONTENT
    assert "Range" not in server.requests[1][1]


def test_a_range_beyond_the_servers_file_is_no_loop(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT[:HALF])
    server.content = CONTENT[: HALF // 2]
    with pytest.raises(MirrorError, match=r"its file has 75,000 bytes; expected 300,002"):
        get(server, part)
    assert part.read_bytes() == CONTENT[:HALF]
    assert len(server.requests) == 2


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT + b"x")
    get(server, part)
    assert part.read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_a_file_of_another_size_is_refused_before_it_comes(server: Server, part: Path) -> None:
    server.content = CONTENT + b"more"
    with pytest.raises(MirrorError, match=r"its file has 300,006 bytes; expected 300,002"):
        get(server, part)
    assert not part.exists()


def test_a_server_that_sends_more_than_the_file_is_cut_off(server: Server, part: Path) -> None:
    server.script = [s.sending(CONTENT + bytes(50_000_000), length=False)]
    with pytest.raises(MirrorError, match=r"it sends more than the 300,002 bytes of the file; cut off"):
        get(server, part)
    assert part.stat().st_size <= len(CONTENT)
    assert server.sent < 20_000_000


def test_an_end_without_a_length_is_noticed(server: Server, part: Path) -> None:
    server.script = [s.ending_after(HALF)]
    with pytest.raises(PassingError, match=r"it ended after 150,000 of 300,002 bytes"):
        get(server, part)
    assert part.stat().st_size == HALF


@pytest.mark.parametrize("after", [0, HALF])
def test_a_silent_server_is_left(server: Server, part: Path, after: int) -> None:
    server.script = [s.stalling(1.0, after)]
    with pytest.raises(PassingError, match="it stopped sending"):
        get(server, part, timeout_seconds=0.2)
    assert (part.stat().st_size if part.exists() else 0) == after


def test_a_server_that_never_answers_is_left(server: Server, part: Path) -> None:
    server.script = [lambda _: time.sleep(0.6)]
    with pytest.raises(PassingError, match=r"it does not answer within 0\.2 s"):
        get(server, part, timeout_seconds=0.2)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, MirrorError, "it answers 404 (not found)"),
        (401, MirrorError, "it answers 401 (unauthorized)"),
        (410, MirrorError, "it answers 410 (gone)"),
        (599, MirrorError, "it answers 599 (an error)"),
        (429, PassingError, "it answers 429 (too many requests)"),
        (500, PassingError, "it answers 500 (internal server error)"),
        (503, PassingError, "it answers 503 (service unavailable)"),
    ],
)
def test_errors_of_servers_pass_or_do_not(
    server: Server, part: Path, status: int, kind: type[Exception], words: str
) -> None:
    part.write_bytes(CONTENT[:HALF])
    server.script = [s.answering(status)]
    with pytest.raises(kind) as caught:
        get(server, part)
    assert str(caught.value) == words
    assert part.stat().st_size == HALF


@pytest.mark.parametrize(("told", "seconds"), [("7", 7.0), ("86400", 60.0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0)])
def test_a_server_may_ask_to_wait_but_not_for_a_day(server: Server, part: Path, told: str, seconds: float) -> None:
    server.script = [s.answering(503, Retry_After=told)]
    with pytest.raises(PassingError) as caught:
        get(server, part)
    assert caught.value.wait_seconds == seconds


def test_a_git_lfs_pointer_is_recognised(server: Server, part: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:f3a6\nsize 261036388\n"
    server.script = [s.sending(pointer)]
    with pytest.raises(
        MirrorError, match=rf"this is a Git LFS pointer of {len(pointer)} bytes, .* has 261036388 bytes"
    ):
        get(server, part)


@pytest.mark.parametrize("length", [True, False])
def test_a_login_page_is_recognised_and_does_not_cost_what_came(server: Server, part: Path, length: bool) -> None:
    part.write_bytes(CONTENT[:HALF])
    server.script = [s.sending(b"<!DOCTYPE html><html>Please log in</html>", length=length)]
    with pytest.raises(MirrorError, match="this is a web page"):
        get(server, part)
    assert part.read_bytes() == CONTENT[:HALF]


def test_a_compressed_answer_is_refused(server: Server, part: Path) -> None:
    server.script = [s.sending(gzip.compress(CONTENT), Content_Encoding="gzip")]
    with pytest.raises(MirrorError, match=r"it sends the file compressed \(gzip\), though asked not to"):
        get(server, part)


def test_redirects_are_followed_with_the_range(server: Server, part: Path) -> None:
    part.write_bytes(CONTENT[:HALF])
    server.script = [s.answering(302, Location="/elsewhere")]
    get(server, part)
    assert part.read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/m.onnx", "/elsewhere"]
    assert server.requests[1][1]["Range"] == f"bytes={HALF}-"


def test_redirects_in_a_circle_end(server: Server, part: Path) -> None:
    server.script = [s.answering(302, Location="/m.onnx")] * 100
    with pytest.raises(MirrorError, match="it redirects in a circle"):
        get(server, part)


def test_a_redirect_does_not_lead_to_a_local_file(server: Server, part: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    server.script = [s.answering(302, Location=f"file://{tmp_path / 'secret'}")]
    with pytest.raises(MirrorError, match="the address is of no use"):
        get(server, part)
    assert not part.exists()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/m.onnx", "m.onnx"])
def test_only_http_is_spoken(part: Path, url: str) -> None:
    with (
        requests.Session() as session,
        pytest.raises(MirrorError, match=r"this is no http or https address; .* `refnet models import`"),
    ):
        receive(session, url, part, size_bytes=1, timeout_seconds=1)


@pytest.mark.parametrize("url", ["http://", "http://[", "http://exa mple.org:x/"])
def test_an_address_that_is_none_is_said_to_be_none(part: Path, url: str) -> None:
    with requests.Session() as session, pytest.raises(MirrorError, match="the address is of no use"):
        receive(session, url, part, size_bytes=1, timeout_seconds=1)


def test_nobody_there_is_said_in_a_few_words(part: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/m.onnx"
        with requests.Session() as session, pytest.raises(PassingError) as caught:
            receive(session, url, part, size_bytes=1, timeout_seconds=1)
    assert str(caught.value) == "no connection: connection refused"


def test_a_full_disk_is_said_and_is_not_the_mirrors_fault(server: Server) -> None:
    server.etag = None  # it would be kept beside /dev/full
    with pytest.raises(UsageError, match="cannot write /dev/full: no space left on device"):
        get(server, Path("/dev/full"))


def test_a_part_that_cannot_be_made_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"cannot write .*: not a directory"):
        get(server, tmp_path / "file" / "part")


def test_passwords_and_keys_are_not_shown() -> None:
    assert shown("http://[") == "http://["
    assert shown("https://me:secret@example.org/a/b.onnx?sig=key") == "https://example.org/a/b.onnx"


def test_a_proxy_of_the_environment_is_used(server: Server, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    with requests.Session() as session:
        receive(session, "http://models.invalid/m.onnx", part, size_bytes=len(CONTENT), timeout_seconds=2)
    assert part.read_bytes() == CONTENT
    assert server.requests[0][0] == "http://models.invalid/m.onnx"
