"""`refnet models` from the outside: what is printed where, and with which exit status."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refnet.cli import main
from tests import localdata
from tests.interruptible import start
from tests.zoo import server as s
from tests.zoo.fake_card import CONTENT, NAME, card, known, model_file, parts
from tests.zoo.server import Server, direct, serving

__all__ = ["direct"]
pytestmark = pytest.mark.usefixtures("direct")
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:f3a6\nsize 300002\n"
OTHER = CONTENT[:-1] + b"!"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(CONTENT) as running:
        yield running


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of one's own, and two small models: one that refnet runs, one that it refuses."""
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path / "cache"))
    refused = card(model_file(OTHER, name="odd.onnx"), name="odd", aliases=(), refused="it is of cheese")
    with known(card(omz_name="small-onnx"), refused):
        yield tmp_path / "cache" / "models" / "small"


def words(text: str) -> str:
    """Without the line breaks that a narrow terminal makes."""
    return " ".join(text.split())


def test_fetch_prints_the_path_and_does_nothing_the_second_time(
    capsys: pytest.CaptureFixture[str], server: Server, cache: Path
) -> None:
    for _ in range(2):
        assert main(["models", "fetch", "small", "--mirror", server.url]) == 0
        printed = capsys.readouterr()
        assert printed.out == f"{cache / NAME}\n"
        assert printed.err == ""
    assert (cache / NAME).read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert main(["models", "path", "little"]) == 0
    assert capsys.readouterr().out == f"{cache / NAME}\n"


def test_fetch_as_json(capsys: pytest.CaptureFixture[str], server: Server, cache: Path) -> None:
    assert main(["models", "fetch", "small", "--mirror", server.url, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (row,) = result.pop("files")
    assert result == {"schema_version": 1, "failed": []}
    assert row == {
        "model": "small",
        "path": str(cache / NAME),
        "note": "the only one",
        "sha256": card().files[0].sha256,
        "how": "downloaded",
    }


def test_fetch_tells_programs_what_omz_downloader_tells_them(
    capsys: pytest.CaptureFixture[str], server: Server
) -> None:
    server.script = [s.dropping_after(1000)]
    assert main(["models", "fetch", "small", "--mirror", server.url, "--progress", "json", "--retries", "0"]) == 3
    assert main(["models", "fetch", "small", "--mirror", server.url, "--progress_format", "json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    end = next(i for i, event in enumerate(events) if event["$type"] == "model_download_end")
    assert events[end - 1] == {"$type": "model_file_download_end", "model": "small", "model_file": NAME, "successful": False}  # fmt: skip
    assert events[end] == {"$type": "model_download_end", "model": "small", "successful": False}
    assert events[end + 1 :] == [
        {"$type": "model_download_begin", "model": "small", "num_files": 1},
        {"$type": "model_file_download_begin", "model": "small", "model_file": NAME, "size": len(CONTENT)},
        {"$type": "model_file_download_progress", "model": "small", "model_file": NAME, "size": len(CONTENT)},
        {"$type": "model_file_download_end", "model": "small", "model_file": NAME, "successful": True},
        {"$type": "model_download_end", "model": "small", "successful": True},
    ]


def test_fetch_into_a_folder_lays_out_as_open_model_zoo_does(
    capsys: pytest.CaptureFixture[str], server: Server, cache: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "public" / "small-onnx" / NAME
    assert main(["models", "fetch", "small", "-o", str(tmp_path / "out"), "--mirror", server.url]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert target.read_bytes() == CONTENT
    assert not cache.exists()
    target.unlink()
    assert main(["models", "fetch", "small", "--cache-dir", str(tmp_path / "mine"), "--mirror", server.url]) == 0
    assert (tmp_path / "mine" / "models" / "small" / NAME).exists()
    arguments = ["--cache_dir", str(tmp_path / "mine"), "--output_dir", str(tmp_path / "out"), "--offline"]
    assert main(["models", "fetch", "small", *arguments]) == 0
    assert target.read_bytes() == CONTENT


def test_fetch_takes_patterns_lists_and_all_and_leaves_out_what_is_refused(
    capsys: pytest.CaptureFixture[str], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFNET_MIRRORS", server.url)
    (tmp_path / "models.lst").write_text("# mine\nlit* FP32\n")
    for arguments in (["s*,little"], ["--all"], ["--list", str(tmp_path / "models.lst")]):
        assert main(["models", "fetch", *arguments]) == 0
        printed = capsys.readouterr()
        assert printed.out.count(NAME) == 1
        assert ("odd is left out: it is of cheese" in printed.err) == (arguments == ["--all"])
    assert main(["models", "fetch", "o*"]) == 3
    assert "every model that matches is one that refnet refuses" in capsys.readouterr().err
    assert main(["models", "fetch", "odd"]) == 3
    assert "odd is known and refused: it is of cheese" in capsys.readouterr().err


def test_fetch_with_jobs_reports_each_failure_and_keeps_what_worked(
    capsys: pytest.CaptureFixture[str], server: Server, cache: Path
) -> None:
    absent = card(model_file(OTHER, name="absent.onnx"), name="absent", aliases=())
    with known(card(), absent):
        assert main(["models", "fetch", "*", "--mirror", server.url, "-j", "4", "--retries", "0"]) == 3
    printed = capsys.readouterr()
    assert printed.out == f"{cache / NAME}\n"
    assert "absent.onnx could not be fetched" in printed.err
    assert "what it sends is not the file" in words(printed.err)
    assert "1 of 2 models could not be fetched: absent" in printed.err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "say which models: names, --list FILE or --all, and one of these only"),
        (["small", "--all"], 2, "one of these only"),
        (["vgg*"], 2, "no model matches 'vgg*'; known are small, odd"),
        (["small", "--jobs", "0"], 2, "--jobs is 0"),
        (["small", "--retries", "-1"], 2, "--retries -1"),
        (["small", "--json", "--progress", "json"], 2, "both want stdout"),
        (["small", "--mirror", "nowhere"], 2, "the mirror 'nowhere' is no URL"),
        (["small", "--mirror", "file:///tmp"], 3, "this is no http or https address"),
        (["--list", "/absent.lst"], 4, "the list /absent.lst: no such file"),
        (["small", "--offline"], 3, "the network may not be used (--offline or $REFNET_OFFLINE)"),
        (["small"], 3, "its card names no mirror"),
    ],
)
def test_fetch_refuses_what_it_cannot_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert main(["models", "fetch", *arguments]) == status
    printed = capsys.readouterr()
    assert message in words(printed.err)
    assert printed.out == ""


def test_the_environment_takes_fetch_offline(
    capsys: pytest.CaptureFixture[str], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFNET_OFFLINE", "1")
    assert main(["models", "fetch", "small", "--mirror", server.url]) == 3
    assert not server.requests


def test_fetch_without_its_extra_is_status_5(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tenacity", None)
    monkeypatch.delitem(sys.modules, "refnet.zoo.mirrors", raising=False)
    assert main(["models", "fetch", "small"]) == 5
    assert "pip install 'refnet[fetch]'" in words(capsys.readouterr().err)


def test_verify_says_what_each_file_is(capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(CONTENT)
    (tmp_path / "renamed").write_bytes(OTHER)
    assert main(["models", "verify", "little", str(tmp_path / "renamed")]) == 0
    assert capsys.readouterr().out == (
        f"{cache / NAME}: right: small (the only one)\n{tmp_path / 'renamed'}: right: odd (the only one)\n"
    )


def test_verify_says_what_is_wrong_and_ends_with_3(
    capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path
) -> None:
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(OTHER)
    (tmp_path / NAME).write_bytes(CONTENT[:1000])
    (tmp_path / "pointer").write_bytes(POINTER)
    (tmp_path / "unknown").write_bytes(b"\x08\x03")
    files = [str(tmp_path / name) for name in (NAME, "pointer", "unknown", "absent")]
    assert main(["models", "verify", "small", *files, str(tmp_path), "odd", "--json"]) == 3
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["schema_version"] == 1
    problems = [row["problem"] for row in result["files"]]
    for problem, expected in zip(
        problems,
        [
            "it is odd (the only one), not small",
            "it is not small: it has 1,000 bytes; expected 300,002",
            "this is a Git LFS pointer of 71 bytes",
            "no card's file has its size and digest (2 bytes, sha256 ",
            "there is no such file, and no model of that name",
            "this is a folder",
            "it is not on this machine",
        ],
        strict=True,
    ):
        assert expected in problem
    assert not any(row["right"] for row in result["files"])
    assert "7 of 7 files are not what they should be" in printed.err
    assert main(["models", "verify"]) == 2


def test_import_finds_out_what_a_file_is_and_copies_it(
    capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "download (3)").write_bytes(CONTENT)
    for said in ("download (3) is small (the only one)", "small (the only one) is there already"):
        assert main(["models", "import", str(tmp_path / "download (3)"), "--as", "little"]) == 0
        printed = capsys.readouterr()
        assert printed.out == f"{cache / NAME}\n"
        assert said in words(printed.err)
    assert (cache / NAME).read_bytes() == CONTENT
    assert [path.name for path in cache.iterdir()] == [NAME]


def test_import_replaces_a_damaged_file(capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(b"damaged")
    (tmp_path / "x").write_bytes(CONTENT)
    assert main(["models", "import", str(tmp_path / "x"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema_version": 1, "model": "small", "note": "the only one", "path": str(cache / NAME),
    }  # fmt: skip
    assert (cache / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content", "arguments", "status", "message"),
    [
        (b"\x08\x03", [], 3, "is not imported: no card's file has its size and digest"),
        (POINTER, [], 3, "is not imported: this is a Git LFS pointer of 71 bytes"),
        (b"<html>", [], 3, "is not imported: this is a web page"),
        (CONTENT, ["--as", "odd"], 3, "is not imported: it is small (the only one), not odd"),
        (CONTENT[:9], ["--as", "small"], 3, "it is not small: it has 9 bytes; expected 300,002"),
        (CONTENT, ["--as", "vgg"], 2, "no model is called 'vgg'"),
        (OTHER, [], 3, "odd is known and refused: it is of cheese"),
        (None, [], 3, "is not imported: there is no such file"),
    ],
)
def test_import_takes_nothing_else(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: bytes | None,
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / "x.onnx").write_bytes(content)
    assert main(["models", "import", str(tmp_path / "x.onnx"), *arguments]) == status
    assert message in words(capsys.readouterr().err)
    assert not (tmp_path / "cache").exists()


def test_list_takes_patterns_and_says_what_is_refused(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(b"whatever: list does not read it")
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out == (
        f"small: A small model; none\n  {cache / NAME}\n"
        "odd: A small model; none\n  refused: it is of cheese\n  not on this machine\n"
    )
    assert main(["models", "list", "sm*,lit*", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["models"]
    assert (row["name"], row["file"], row["refused"]) == ("small", str(cache / NAME), None)
    assert main(["models", "list", "x*"]) == 2


def test_info_prints_the_card_and_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "info", "little"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "name         small, little" in lines
    assert f"  sha256     {card().files[0].sha256}" in lines
    assert "  sha384     not known" in lines
    assert main(["models", "info", "little", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema_version"] == 1
    assert result["card"]["files"][0]["sha384"] is None
    assert main(["models", "info", "vgg"]) == 2


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, where the real cards are known."""
    command = [sys.executable, "-c", "import sys; from refnet.cli import main; sys.exit(main(sys.argv[1:]))"]
    return subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def test_an_interrupt_ends_every_job_and_keeps_what_has_come(server: Server, tmp_path: Path) -> None:
    code = (
        "import sys; from refnet.cli import main; from tests.zoo.fake_card import *;"
        "cards = [card(name=name, aliases=()) for name in ('a', 'b')]\n"
        "with known(*cards): sys.exit(main(['models', 'fetch', '*', '-j', '2', '--progress', 'json', *sys.argv[1:]]))"
    )
    server.pause_seconds = 0.02
    command = [sys.executable, "-c", code, "--mirror", server.url]
    with start(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        models = tmp_path / "cache" / "models"
        end = time.monotonic() + 20
        while len([part for part in models.glob("*/.*.part") if part.stat().st_size > 20_000]) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=10)
    assert (running.returncode, err) == (130, "refnet: interrupted\n")
    assert [json.loads(line)["$type"] for line in out.splitlines()].count("model_download_end") == 2
    assert not list(models.glob(f"*/{NAME}"))
    assert len(list(models.glob("*/.*.part"))) == 2


def test_a_real_model_comes_through_the_real_command(tmp_path: Path) -> None:
    content = localdata.path("models/face_detection_yunet_2023mar.onnx").read_bytes()
    with serving(content) as server:
        server.script = [s.dropping_after(100_000), s.answering(503)]
        fetched = run("models", "fetch", "yunet", "--mirror", server.url, "--json")
    assert fetched.returncode == 0, fetched.stderr
    (row,) = json.loads(fetched.stdout)["files"]
    assert Path(row["path"]).read_bytes() == content
    assert server.sent == len(content)
    assert not parts(Path(row["path"]).parent)
    assert "trying again in" in fetched.stderr
    inspected = run("inspect", "yunet", "--no-layers")
    assert inspected.returncode == 0, inspected.stderr
    assert row["sha256"] in inspected.stdout


def test_info_of_the_real_card_tells_both_binaries_and_both_protocols() -> None:
    told = run("models", "info", "face-recognition-resnet100-arcface-onnx").stdout
    for text in (
        "24.2115 GFLOPs, 65.1320 MParams",
        "0.99767 accuracy on lfw, 6,000 pairs, protocol insightface",
        "0.9968 accuracy on lfw, 6,000 pairs, protocol omz",
        "arcfaceresnet100-8.onnx (2022, spatial = 1): 261,036,388 bytes",
        "arcfaceresnet100-8.onnx (2020, spatial = 0): 261,036,388 bytes",
        "f0a2e278b430372d308fef67c1aea308c2baf37f32e8908d9bfce035c26a3fb4",
    ):
        assert text in told
