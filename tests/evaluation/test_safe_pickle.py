"""Pickles of verification sets are read; anything else in a pickle is refused before it runs."""

import os
import pickle
import pickletools
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refnet.errors import InputError
from refnet.evaluation.pairs import read_pairs
from refnet.evaluation.safe_pickle import ALLOWED, finished, read_safely

IMAGES = [b"\xff\xd8 one", b"\xff\xd8 two" * 100]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "set.bin"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_bytes_and_truth_values_of_every_protocol_are_read(path: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps((IMAGES, [True, False]), protocol))
    assert read_safely(path) == (IMAGES, [True, False])


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_uint8_arrays_of_every_protocol_are_read(path: Path, protocol: int) -> None:
    arrays = [np.frombuffer(image, np.uint8).copy() for image in IMAGES]
    path.write_bytes(pickle.dumps((arrays, [1, 0]), protocol))
    images, same = read_safely(path)
    assert [bytes(finished(image)) for image in images] == IMAGES
    assert same == [1, 0]


def test_text_of_python_2_is_bytes(path: Path) -> None:
    path.write_bytes(b"\x80\x02(]q\x00(U\x03abcq\x01U\x02\xff\xd8q\x02e]q\x03(\x88\x89etq\x04.")
    assert read_safely(path) == ([b"abc", b"\xff\xd8"], [True, False])


class Attack:
    """Pickles to a call."""

    def __init__(self, *call: Any):
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch attacked",), r"posix\.system"),
        (eval, ("1",), "builtins.eval|__builtin__.eval"),
        (subprocess.Popen, (["touch", "attacked"],), "Popen"),
        (np.load, ("x.npy",), r"numpy\.load"),
        (getattr, ("text", "encode"), "getattr"),
        (bytearray, (10**12,), "bytearray"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_call_of_anything_is_refused_by_its_name_and_not_made(
    path: Path, monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], arguments: Any, name: str, protocol: int
) -> None:
    monkeypatch.chdir(path.parent)
    path.write_bytes(pickle.dumps(([Attack(function, *arguments)], [True]), protocol))
    with pytest.raises(InputError, match=rf"the pickle is refused: it (asks for .*({name})|has the instruction)"):
        read_safely(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["set.bin"]


@pytest.mark.parametrize(
    ("content", "instruction"),
    [
        (b"\x80\x02}.", "EMPTY_DICT"),
        (b"\x80\x02G?\xf0\x00\x00\x00\x00\x00\x00.", "BINFLOAT"),
        (b"(ios\nsystem\n.", "INST"),
        (b"(cos\nsystem\no.", "OBJ"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"Pname\n.", "PERSID"),
        (b"\x80\x02c__builtin__\nobject\n)\x81.", "NEWOBJ"),
    ],
)
def test_instructions_that_make_other_things_are_refused(path: Path, content: bytes, instruction: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"the pickle is refused: it has the instruction {instruction}"):
        read_safely(path)


@pytest.mark.parametrize(
    ("dtype", "code"),
    [("float64", "f8"), ("int64", "i8"), ("bool", "b1"), ("object", "O8"), ("U3", "U3"), ("V8", "V8")],
)
def test_arrays_of_anything_but_bytes_are_refused_by_what_they_hold(path: Path, dtype: str, code: str) -> None:
    path.write_bytes(pickle.dumps(([np.empty(3, dtype)], [True]), 4))
    with pytest.raises(InputError, match=f"the pickle is refused: it holds an array of '{code}'; expected uint8"):
        read_safely(path)


def test_an_array_of_what_is_no_type_is_refused_without_writing_it_out(path: Path) -> None:
    path.write_bytes(b"cnumpy\ndtype\n(]" + b"2\x86" * 60 + b"tR.")  # written out, 2 ** 60 brackets
    with pytest.raises(InputError, match=r"it holds an array of tuple; expected uint8"):
        read_safely(path)


@pytest.mark.parametrize("content", [b"\x80\x02]r\x00\x0e\x27\x07.", b"]p120000000\n.", b"\x80\x02]r\xff\xff\xff\x7f."])
def test_a_few_bytes_make_no_room_for_gigabytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"refused: it remembers something as number [\d,]+, after \d instructions"):
        read_safely(path)


def test_what_is_remembered_may_be_numbered_from_one_and_with_gaps(path: Path) -> None:
    path.write_bytes(b"(lp1\nI01\nap3\n.")  # as Python 2's cPickle, and as pickles left smaller by an optimiser
    assert read_safely(path) == [True]


def test_no_text_is_encoded_more_often_than_it_is_there(path: Path) -> None:
    text = b"x" * 1000
    once = b"c_codecs\nencode\nq\x01X\xe8\x03\x00\x00" + text + b"q\x02U\x06latin1q\x03\x86R"
    path.write_bytes(b"\x80\x02](" + once + b"h\x01h\x02h\x03\x86R" * 1000 + b"e.")
    with pytest.raises(InputError, match="refused: it makes more bytes than it has"):
        read_safely(path)


def test_arrays_of_the_same_bytes_share_them(path: Path) -> None:
    kind = b"cnumpy\ndtype\n(U\x02u1tRq\x03"
    array = b"cnumpy.core.numeric\n_frombuffer\n(%s%sK\x03\x85U\x01CtR"
    content = b"\x96\x03\0\0\0\0\0\0\0abcq\x02"
    path.write_bytes(b"\x80\x05](" + array % (content, kind) + array % (b"h\x02", b"h\x03") + b"e.")
    first, second = read_safely(path)
    assert bytes(first) == b"abc"
    assert np.shares_memory(first, second)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"not a pickle", b"\x80\x04]", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x0fabc.", b"B\xff\xff\xff\x7fabc.", b"h\x07.",
        b"cnumpy\nndarray\n(tR.", b"cnumpy\ndtype\n(S'O8'\ntR.",
    ],
)  # fmt: skip
def test_what_is_damaged_is_refused_in_a_sentence(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        finished(read_safely(path)[0])


def test_lists_nested_as_deeply_as_one_likes_do_no_harm(path: Path) -> None:
    path.write_bytes(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".")
    with pytest.raises(InputError, match="not a verification set"):
        read_pairs(path)


SOUND = pickle.dumps((IMAGES, [np.frombuffer(b"abc", np.uint8), True]), 4)


@settings(max_examples=300)
@given(st.integers(0, len(SOUND) - 1), st.integers(0, 255), st.booleans())
def test_a_changed_byte_makes_nothing_but_plain_values_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, cut: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.bin"
    path.write_bytes(SOUND[:at] if cut else SOUND[:at] + bytes([byte]) + SOUND[at + 1 :])
    try:
        read_safely(path)
    except InputError:
        return


def test_the_allowed_instructions_exist() -> None:
    assert {opcode.name for opcode in pickletools.opcodes} >= ALLOWED


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.bin: no such file"):
        read_safely(tmp_path / "absent.bin")
