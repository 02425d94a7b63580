"""How commands end where streams cannot be written and names are hostile: in a sentence, with the status that is told."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image
from rich.table import Table

from refnet.cli import main
from refnet.cli.console import out, printable, visible
from refnet.zoo.samples import sample_paths

CROP = str(sample_paths()[0])
HOSTILE = "[link=http://evil]z[/link][/]:smile:\x1b[31m\x9b\n\u202eevil\u2066\u200b\ufe0f\u3164"
SHOWN = r"[link=http://evil]z[/link][/]:smile:\x1b[31m\x9b\n\u202eevil\u2066\u200b\ufe0f\u3164"


def refnet(redirections: str, *arguments: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command in a shell, with redirections."""
    script = f'{before} "$0" -m refnet "$@" {redirections}'
    return subprocess.run(
        ["bash", "-c", script, sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["models", "list"], ["models", "list", "--json"]])
@pytest.mark.parametrize(("redirection", "why"), [(">/dev/full", "no space left"), (">&-", "bad file descriptor")])
def test_what_stdout_cannot_take_is_one_sentence_and_status_2(arguments: list[str], redirection: str, why: str) -> None:
    ended = refnet(redirection, *arguments)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"refnet: cannot write stdout: {why}")
    assert ended.stderr.count("\n") == 1


def test_a_command_that_computes_ends_as_well(narrow_path: Path) -> None:
    ended = refnet(">/dev/full", "embed", CROP, "-m", str(narrow_path), "--engine", "reference")
    assert ended.returncode == 2
    assert "refnet: cannot write stdout: no space left on device\n" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_limit_on_the_size_of_files_is_status_2(tmp_path: Path) -> None:
    for buffered in ("", "PYTHONUNBUFFERED=1"):
        ended = refnet(f">{tmp_path / 'out'}", "models", "list", "--json", before=f"ulimit -f 1; {buffered}")
        assert (ended.returncode, ended.stderr) == (2, "refnet: cannot write stdout: file too large\n")


@pytest.mark.parametrize("redirections", ["2>/dev/full", ">/dev/full 2>/dev/full"])
def test_where_nothing_can_be_said_the_status_is_2(redirections: str) -> None:
    ended = refnet(redirections, "inspect", "nowhere.onnx")
    assert (ended.returncode, ended.stderr) == (2, "")


def test_a_reader_that_has_gone_is_no_failure() -> None:
    for arguments in (["models", "list"], ["models", "list", "--json"], ["--help"]):
        ended = refnet("| true; exit ${PIPESTATUS[0]}", *arguments)
        assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "there is not enough memory"),
        (RecursionError(), "nested too deep"),
        (PermissionError(13, "Permission denied", "a\nb"), r"a\nb: permission denied"),
    ],
)
def test_what_no_command_expects_is_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr("refnet.cli.app", fail)
    assert main([]) == 2
    assert said in capsys.readouterr().err


def test_names_are_text_in_messages_tables_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    assert visible(HOSTILE) == SHOWN
    assert printable("\\x1b") != printable("\x1b")
    assert main(["inspect", f"{HOSTILE.replace('/', '')}.onnx"]) == 3
    assert f"refnet: {SHOWN.replace('/', '')}.onnx: there is no such file" in capsys.readouterr().err
    assert main([f"--{HOSTILE}"]) == 2
    assert SHOWN in capsys.readouterr().err
    table = Table("name", box=None)
    table.add_row(HOSTILE)
    out.print(table)
    out.print(HOSTILE)
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == ["name", SHOWN, SHOWN]
    logging.getLogger("refnet.some").warning("kept in %s", HOSTILE)
    assert capsys.readouterr().err == f"kept in {SHOWN}\n"


def test_hostile_names_of_nodes_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["[/]", "[link=http://evil]z[/link]", "[bold red]x[/bold red]"]
    weight = onnx.numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], names[0], kernel_shape=[1, 1])]
    nodes += [helper.make_node("Relu", ["a"], ["b"], names[1]), helper.make_node("Flatten", ["b"], ["y"], names[2])]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])
    graph = helper.make_graph(nodes, "hostile", [image], [output], [weight])
    path = tmp_path / "hostile.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in names)


IRREGULAR = [
    (["inspect", "p.onnx"], 3),
    (["inspect", "loop"], 3),
    (["embed", "p.png"], 4),
    (["embed", "loop.png"], 4),
    (["embed", "--list", "p.txt"], 4),
    (["embed", "--list", "/dev/zero"], 4),
    (["gallery", "list", "p.npz"], 4),
    (["gallery", "list", "/dev/zero"], 4),
    (["compare", "p.jsonl#a", "p.csv#b"], 4),
    (["evaluate", "p.txt"], 4),
    (["doctor", "p.onnx"], 3),
    (["models", "verify", "p.onnx"], 3),
    (["models", "fetch", "--list", "p.txt"], 4),
]


@pytest.mark.parametrize(("arguments", "status"), IRREGULAR, ids=lambda value: str(value))
def test_pipes_and_devices_are_refused_and_never_waited_for(
    arguments: list[str], status: int, tmp_path: Path, narrow_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REFNET_MODEL", str(narrow_path))
    for suffix in ("onnx", "png", "npz", "txt", "csv", "jsonl"):
        os.mkfifo(f"p.{suffix}")
    Path("loop").symlink_to("loop")
    Path("loop.png").symlink_to("loop.png")
    assert main(arguments) == status
    said = "".join(capsys.readouterr())
    assert "not a regular file" in said or "symbolic links" in said


def test_what_is_no_picture_in_a_folder_fails_alone(
    tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    Image.new("RGB", (112, 112)).save(folder / "crop.png")
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "pipe.png")
    (folder / os.fsdecode(b"\xff.jpg")).write_bytes(b"no picture")
    output = tmp_path / "out.npz"
    assert main(["embed", str(folder), "-m", str(narrow_path), "--engine", "reference", "-o", str(output)]) == 1
    said = capsys.readouterr().err
    assert "3 of 4 images have no embedding" in said
    assert "pipe.png: cannot be read (not a regular file)" in said
    assert "loop.png: cannot be read (too many levels of symbolic links)" in said
    assert r"\udcff.jpg: not an image that can be read" in said
    with np.load(output) as written:
        assert written["names"].tolist() == [str(folder / "crop.png")]


def test_external_data_is_a_regular_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weight = onnx.numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 4, 4])
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[1, 1])
    model = helper.make_model(
        helper.make_graph([node], "g", [image], [output], [weight]), opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )  # fmt: skip
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    weights = tmp_path / "weights"
    for make in (lambda: os.mkfifo(weights), weights.mkdir, lambda: weights.symlink_to("weights")):
        if weights.is_dir():
            weights.rmdir()
        else:
            weights.unlink()
        make()
        assert main(["inspect", str(path)]) == 3
        assert "which cannot be read" in capsys.readouterr().err


def test_what_is_no_list_is_refused_after_its_first_line(narrow_path: Path) -> None:
    ended = refnet("</dev/zero", "embed", "-", "-m", str(narrow_path), "--engine", "reference")
    assert ended.returncode == 4
    assert "the list has a line of 65,536 bytes or more" in ended.stderr


@pytest.mark.parametrize("name", [b"a\0b.png", b"a\0/*.png", b"x" * 300 + b".png"])
def test_a_name_in_a_list_that_no_file_can_have_is_an_unreadable_input(
    name: bytes, tmp_path: Path, narrow_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tmp_path / "list"
    names.write_bytes(name + b"\n")
    assert main(["embed", "--list", str(names), "-m", str(narrow_path), "--engine", "reference"]) == 4
    assert "no such file or folder" in capsys.readouterr().err
