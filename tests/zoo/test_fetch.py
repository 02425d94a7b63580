"""From a card to a verified file: mirrors, tries, locks, kills, full disks."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refnet.errors import MissingExtraError, ModelError, UnsupportedModelError, UsageError
from refnet.zoo.cards import Card
from refnet.zoo.fetch import Fetched, How, fetch, mirrors_from_environment, offline_from_environment
from tests.interruptible import start
from tests.zoo import server as s
from tests.zoo.fake_card import CONTENT, NAME, card, model_file, parts
from tests.zoo.server import Server, direct, serving

__all__ = ["direct"]
pytestmark = pytest.mark.usefixtures("direct")
HALF = 150_000
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def other() -> Iterator[Server]:
    with serving(CONTENT) as running:
        yield running


def how(*servers: Server, retries: int = 2, **options: object) -> How:
    mirrors = tuple(server.url for server in servers)
    return How(**{"mirrors": mirrors, "retries": retries, "timeout_seconds": 2.0, "backoff_seconds": 0.01, **options})  # type: ignore[arg-type]


def get(folder: Path, how: How, of: Card | None = None, told: list[str] | None = None) -> Fetched:
    return fetch(of or card(), NAME, folder, how, tell=(told if told is not None else []).append)


def test_a_file_is_fetched_once_and_then_there(server: Server, tmp_path: Path) -> None:
    first = get(tmp_path / "new" / "folder", how(server))
    assert (first.how, first.path.read_bytes()) == ("downloaded", CONTENT)
    assert get(tmp_path / "new" / "folder", how(server)).how == "there"
    assert len(server.requests) == 1
    assert not parts(tmp_path / "new" / "folder")


def test_a_right_file_elsewhere_is_copied(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(CONTENT)
    fetched = fetch(card(), NAME, tmp_path / "out", how(server), elsewhere=(tmp_path / "absent", tmp_path / "cache"))
    assert (fetched.how, fetched.path.read_bytes()) == ("copied", CONTENT)
    assert not server.requests


def test_the_cards_own_mirrors_are_used_in_order(server: Server, other: Server, tmp_path: Path) -> None:
    server.script = [s.answering(404)]
    own = card(model_file(mirrors=(f"{server.url}/a/x", f"{other.url}/b/y")))
    told: list[str] = []
    assert get(tmp_path, How(), own, told).how == "downloaded"
    assert [path for path, _ in server.requests + other.requests] == ["/a/x", "/b/y"]
    assert told == [f"{server.url}/a/x: it answers 404 (not found)"]


@pytest.mark.parametrize(
    ("mirror", "asked"),
    [("", f"/{NAME}"), ("/", f"/{NAME}"), ("/models", f"/models/{NAME}"), (f"/x/{NAME}?key=1", f"/x/{NAME}?key=1")],
)
def test_a_mirror_is_the_file_or_its_folder(server: Server, tmp_path: Path, mirror: str, asked: str) -> None:
    get(tmp_path, How(mirrors=(server.url + mirror,)))
    assert server.requests[0][0] == asked


def test_what_passes_is_tried_again_and_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.script = [s.answering(503), s.dropping_after(100_000), s.dropping_after(100_000)]
    told: list[str] = []
    get(tmp_path, how(server, retries=3), told=told)
    assert server.sent == len(CONTENT)
    assert len(server.requests) == 4
    assert "it answers 503 (service unavailable); trying again in" in told[0]


def test_the_next_mirror_goes_on_with_what_the_first_gave(server: Server, other: Server, tmp_path: Path) -> None:
    server.script = [s.dropping_after(HALF), s.answering(500)]
    get(tmp_path, how(server, other, retries=1))
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert other.sent == len(CONTENT) - HALF


def test_a_line_that_breaks_often_gets_there_while_it_brings_something(tmp_path: Path) -> None:
    content = b"\x08\x03" + bytes(range(250)) * 12_000
    with serving(content) as server:
        server.script = [s.dropping_after(1_100_000)] * 2
        get(tmp_path, how(server, retries=0), card(model_file(content)))
    assert (tmp_path / NAME).read_bytes() == content


def test_a_server_that_asks_to_wait_is_waited_for(server: Server, tmp_path: Path) -> None:
    server.script = [s.answering(503, Retry_After="1")]
    start = time.monotonic()
    get(tmp_path, how(server))
    assert time.monotonic() - start >= 1


def test_when_nobody_gives_it_every_reason_is_told(server: Server, other: Server, tmp_path: Path) -> None:
    server.script = [s.dropping_after(HALF), s.answering(500)]
    other.script = [s.answering(404)]
    with pytest.raises(ModelError) as caught:
        get(tmp_path, how(server, other, retries=1))
    assert str(caught.value) == (
        f"{NAME} could not be fetched: "
        f"{server.url}/{NAME}: it answers 500 (internal server error); "
        f"{other.url}/{NAME}: it answers 404 (not found). "
        "150,000 bytes are kept for the next time. Give another address with --mirror or $REFNET_MIRRORS, or get the "
        "file from https://example.org/small and `refnet models import FILE`."
    )
    assert not (tmp_path / NAME).exists()
    assert [part.stat().st_size for part in parts(tmp_path)] == [HALF]


def test_wrong_bytes_of_the_right_size_never_get_the_name(server: Server, other: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(ModelError, match=r"what it sends is not the file: its sha256 is \w{64}; expected \w{64}"):
        get(tmp_path, how(server))
    assert not (tmp_path / NAME).exists()
    assert not parts(tmp_path)
    assert len(server.requests) == 1
    get(tmp_path, how(server, other))
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_part_that_was_wrong_costs_one_more_try_and_no_mirror(server: Server, tmp_path: Path) -> None:
    server.etag = None
    server.script = [s.dropping_after(HALF)]
    with pytest.raises(ModelError):
        get(tmp_path, how(server, retries=0))
    (part,) = parts(tmp_path)
    part.write_bytes(b"?" * HALF)
    told: list[str] = []
    get(tmp_path, how(server), told=told)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert "what was begun before and is complete now is not the file; beginning anew" in told[0]


def test_either_of_two_binaries_of_one_name_will_do(server: Server, tmp_path: Path) -> None:
    newer = CONTENT[:-1] + b"!"
    server.content = newer
    both = card(model_file(note="older"), model_file(newer, note="newer"))
    assert get(tmp_path, how(server), both).file.note == "newer"
    assert get(tmp_path, how(server), both).how == "there"


def test_all_known_digests_are_checked(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="what it sends is not the file"):
        get(tmp_path, how(server), card(model_file(sha384="0" * 96)))


def test_a_file_without_a_known_digest_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"the digest of {NAME} is not known, so nothing could tell .* not fetched"):
        get(tmp_path, how(server), card(model_file(sha256="")))
    assert not server.requests


def test_a_model_that_refnet_refuses_is_not_fetched(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="small is known and refused: it is of cheese"):
        get(tmp_path, how(server), card(refused="it is of cheese"))
    assert not server.requests


def test_offline_says_which_file_belongs_where(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        get(tmp_path, how(server, offline=True))
    for words in (str(tmp_path / NAME), "300,002 bytes and sha256", "`refnet models import FILE`", "$REFNET_OFFLINE"):
        assert words in str(caught.value)
    assert not server.requests
    (tmp_path / NAME).write_bytes(CONTENT)
    assert get(tmp_path, how(server, offline=True)).how == "there"


def test_a_wrong_file_is_replaced_when_the_right_one_is_here(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"damaged")
    server.script = [s.answering(404)]
    with pytest.raises(ModelError):
        get(tmp_path, how(server))
    assert (tmp_path / NAME).read_bytes() == b"damaged"
    told: list[str] = []
    get(tmp_path, how(server), told=told)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert "is not small (it has 7 bytes; expected 300,002); the right file will take its place" in told[0]


def test_a_mirror_that_is_no_url_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the mirror 'example.org' is no URL"):
        get(tmp_path, How(mirrors=("example.org",)))


def test_a_local_file_is_not_a_mirror(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    with pytest.raises(ModelError, match=r"this is no http or https address; .* `refnet models import`"):
        get(tmp_path / "out", How(mirrors=(f"file://{tmp_path}",)))


def test_missing_libraries_are_named_with_the_line_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    monkeypatch.delitem(sys.modules, "refnet.zoo.mirrors", raising=False)
    with pytest.raises(MissingExtraError, match=r"requests, which is not installed; .*pip install 'refnet\[fetch\]'"):
        get(tmp_path, How())


def test_a_disk_that_is_too_small_is_said_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("refnet.zoo.mirrors.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UsageError, match="has 1,000 bytes free, and 300,002 more are needed; make room"):
        get(tmp_path, how(server))
    assert not server.requests


def test_a_disk_that_fills_keeps_what_has_come(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(response: object, url: str, part: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.script = [s.dropping_after(HALF)]
    with pytest.raises(ModelError):
        get(tmp_path, how(server, retries=0))
    monkeypatch.setattr("refnet.zoo.download._note_etag", fill)
    with pytest.raises(UsageError, match=r"cannot write .*: no space left on device; what has come is kept"):
        get(tmp_path, how(server))
    assert [part.stat().st_size for part in parts(tmp_path)] == [HALF]


def test_a_folder_that_cannot_be_made_or_written_is_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"cannot make the folder .*/file/in: not a directory"):
        get(tmp_path / "file" / "in", how(server))

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("filelock.FileLock.acquire", read_only)
    with pytest.raises(UsageError, match=rf"cannot write in {tmp_path}: read-only file system"):
        get(tmp_path, how(server))


def test_the_environment_gives_mirrors_and_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirrors_from_environment() == ()
    monkeypatch.setenv("REFNET_MIRRORS", " https://a/x\thttps://b/y,z ")
    assert mirrors_from_environment() == ("https://a/x", "https://b/y,z")
    for value, meant in {"": False, "0": False, "no": False, "False": False, "1": True, "yes": True}.items():
        monkeypatch.setenv("REFNET_OFFLINE", value)
        assert offline_from_environment() is meant


def process(server: Server, folder: Path) -> "subprocess.Popen[str]":
    """Another process that fetches the same."""
    code = (
        "from tests.zoo.test_fetch import get; from refnet.zoo.fetch import How; from pathlib import Path; told = [];"
        f"print(get(Path({str(folder)!r}), How(mirrors=({server.url!r},)), told=told).how, *told)"
    )
    return start([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(condition: object) -> None:
    """Until it holds; ten seconds at most."""
    end = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def test_two_processes_at_once_download_once(server: Server, tmp_path: Path) -> None:
    server.pause_seconds = 0.01  # about a second for the whole file
    first, second = process(server, tmp_path), process(server, tmp_path)
    printed = [running.communicate(timeout=20) for running in (first, second)]
    assert sorted(out.split()[0] for out, _ in printed) == ["downloaded", "there"], printed
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert not parts(tmp_path)


def test_after_a_kill_only_the_rest_is_fetched(server: Server, tmp_path: Path) -> None:
    server.pause_seconds = 0.005
    running = process(server, tmp_path)
    wait_for(lambda: any(part.stat().st_size > 50_000 for part in parts(tmp_path)))
    running.kill()
    running.communicate()
    assert not (tmp_path / NAME).exists()
    (part,) = parts(tmp_path)
    have = part.stat().st_size
    assert part.read_bytes() == CONTENT[:have]
    time.sleep(0.1)  # the server notices that its client is gone
    server.sent, server.pause_seconds = 0, 0.0
    assert get(tmp_path, how(server)).how == "downloaded"
    assert server.sent == len(CONTENT) - have
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_an_interrupt_keeps_what_has_come(server: Server, tmp_path: Path) -> None:
    server.pause_seconds = 0.005
    running = process(server, tmp_path)
    wait_for(lambda: any(part.stat().st_size > 50_000 for part in parts(tmp_path)))
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=10)
    assert running.returncode != 0
    assert not (tmp_path / NAME).exists()
    assert parts(tmp_path)[0].stat().st_size > 50_000
