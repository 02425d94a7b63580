"""What the doctor is given to feed the network, out of files."""

import json
from pathlib import Path

import numpy as np
import pytest

from refnet.audit.doctor.alignment import ARCFACE
from refnet.audit.doctor.fed import read_fed, read_landmarks
from refnet.errors import InputError, UsageError
from refnet.zoo.samples import sample_crops, sample_paths
from tests.comparison import assert_within


def test_pictures_are_read_as_crops() -> None:
    images, names, origin = read_fed(sample_paths(), 112, 112)
    assert_within(images, sample_crops())
    assert (origin, names) == ("pictures", tuple(map(str, sample_paths())))
    assert read_fed([], 112, 112)[2] == "samples"


def test_an_array_is_read_as_it_is(tmp_path: Path) -> None:
    np.save(tmp_path / "fed.npy", sample_crops())
    images, names, origin = read_fed([tmp_path / "fed.npy"], 112, 112)
    assert_within(images, sample_crops())
    assert (origin, names) == ("array", ())


def test_an_array_and_pictures_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pictures, or one array"):
        read_fed([tmp_path / "fed.npy", *sample_paths()], 112, 112)


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY\x01\x00", b"text"])
def test_a_damaged_array_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "fed.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"fed.npy: (no such file|not an array)"):
        read_fed([path], 112, 112)


@pytest.mark.parametrize("form", ["list", "by name", "by path", "npy", "one face"])
def test_landmarks_are_read_in_every_form(tmp_path: Path, form: str) -> None:
    points = np.stack([ARCFACE, ARCFACE + 1])
    names = ["/faces/a.png", "/faces/b.png"]
    path = tmp_path / ("l.npy" if form == "npy" else "l.json")
    if form == "npy":
        np.save(path, points)
    elif form == "list":
        path.write_text(json.dumps(points.tolist()))
    elif form == "one face":
        path.write_text(json.dumps(points[0].tolist()))
        points, names = points[:1], names[:1]
    else:
        keys = names if form == "by path" else ["a.png", "b.png"]
        path.write_text(json.dumps(dict(zip(keys, points.tolist(), strict=True))))
    assert_within(read_landmarks(path, names, len(names)), points)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "it holds no landmarks for 'a.png'"),
        ("[[1, 2], [3]]", "not landmarks"),
        ("not json", "not landmarks"),
        ("[[1, 2]]", r"landmarks have shape \(1, 2\); expected finite numbers \(1, 5, 2\)"),
        ("[[1, 2], [1, 2], [1, 2], [1, 2], [1, NaN]]", "expected finite numbers"),
        (None, "no such file"),
    ],
)
def test_what_are_no_landmarks_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "l.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_landmarks(path, ["a.png"], 1)
