"""The two files of an OpenVINO model change together, whatever fails and whenever the writer is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refnet.errors import ModelError, UsageError
from refnet.formats import openvino_writer
from refnet.formats.openvino_reader import read_openvino
from refnet.formats.openvino_writer import write_openvino
from refnet.graph import Graph, Node, Tensor

SHAPE = (1, 2, 3, 3)
Pair = dict[str, bytes]


def graph(value: float) -> Graph:
    """A model of one number."""
    ends = Tensor("data", "float32", SHAPE), Tensor("fc1", "float32", SHAPE)
    weight = {"w": np.array([value], np.float32)}
    return Graph("one", ends[:1], ends[1:], (Node("fc1", "Mul", ("data", "w"), "fc1"),), weight)


def files(folder: Path) -> Pair:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def old(tmp_path: Path) -> Pair:
    write_openvino(graph(1), tmp_path / "m.xml")
    return files(tmp_path)


@pytest.fixture
def new(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("new")
    write_openvino(graph(2), folder / "m.xml")
    return files(folder)


def test_a_pair_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path, old: Pair, new: Pair) -> None:
    assert sorted(old) == ["m.bin", "m.xml"]
    write_openvino(graph(2), tmp_path / "m.xml")
    assert files(tmp_path) == new != old


def act_at(step: int, act: Callable[[], None], patch: Callable[[Any, str, Any], None], *names: str) -> list[str]:
    """Do something before the step-th call of these functions of `os`; returns the list of calls, as it grows."""
    calls: list[str] = []

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            calls.append(name)
            if len(calls) == step:
                act()
            return call(*arguments, **options)

        return run

    for name in names:
        patch(os, name, counted(name, getattr(os, name)))
    return calls


def no_room() -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("there", [("m.bin", "m.xml"), (), ("m.bin",)])
def test_whichever_step_fails_there_is_the_old_pair_or_the_new_one(
    tmp_path: Path, old: Pair, new: Pair, there: tuple[str, ...]
) -> None:
    before = {name: old[name] for name in there}
    failed = 0
    for step in range(1, 100):
        for path in tmp_path.iterdir():
            path.unlink()
        for name, content in before.items():
            (tmp_path / name).write_bytes(content)
        with pytest.MonkeyPatch.context() as patch:
            calls = act_at(step, no_room, patch.setattr, "replace", "rename", "fsync")
            try:
                write_openvino(graph(2), tmp_path / "m.xml")
            except UsageError as error:
                failed += 1
                assert "no space left on device" in str(error)  # noqa: PT017
        assert files(tmp_path) in (before, new), step
        if len(calls) < step:
            break
    assert failed >= 8  # two files: two syncs each, one name each, the folder twice


KILLED = """
import os, signal, sys
from pathlib import Path
from refnet.formats.openvino_writer import write_openvino
from tests.formats.test_openvino_files import act_at, graph
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
act_at(int(sys.argv[2]), kill, setattr, "replace", "rename", "fsync", "unlink")
write_openvino(graph(2), Path(sys.argv[1]))
"""


def test_killed_at_any_step_no_reader_meets_a_mixture_and_the_next_writer_puts_back_what_was(
    tmp_path: Path, old: Pair, new: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise UsageError("nothing can be written")

    monkeypatch.setattr(openvino_writer, "_Writing", fail)
    path, killed = tmp_path / "m.xml", 0
    for step in range(1, 100):
        for name in old:
            (tmp_path / name).write_bytes(old[name])
        status = subprocess.run([sys.executable, "-c", KILLED, str(path), str(step)], check=False).returncode
        if status == 0:
            break
        assert status == -signal.SIGKILL
        killed += 1
        seen = files(tmp_path)
        assert not seen.keys() >= old.keys() or {name: seen[name] for name in old} in (old, new), step
        with pytest.raises(UsageError, match="nothing can be written"):
            write_openvino(graph(3), path)
        left = {name: content for name, content in files(tmp_path).items() if not name.endswith(".part")}
        assert left in (old, new), step
        for part in tmp_path.glob(".*.part"):
            part.unlink()
    assert killed >= 10


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, old: Pair, new: Pair) -> None:
    (tmp_path / "m.bin").write_bytes(new["m.bin"])
    with pytest.raises(ModelError, match=r"m\.xml: it was written with weights of .* the two files do not belong"):
        read_openvino(tmp_path / "m.xml")
