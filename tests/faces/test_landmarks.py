"""Landmarks from files: found by path, refused where they cannot be meant."""

import json
from pathlib import Path

import numpy as np
import pytest

from refnet import InputError
from refnet.faces.landmarks import COLUMNS, photograph_key, read_landmarks

FACE = [[30.5, 51], [65, 51], [48, 72], [34, 92], [62, 92.25]]
HEADER = ",".join(COLUMNS)
ROW = "30.5,51,65,51,48,72,34,92,62,92.25"


def _written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_header_is_the_one_in_the_page() -> None:
    assert HEADER == (
        "path,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,"
        "left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y"
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.json", {"a.jpg": FACE, "sub/b.jpg": [FACE, FACE]}),
        ("x.CSV", f"{HEADER}\na.jpg,{ROW}\nsub/b.jpg,{ROW}\n\nsub/b.jpg,{ROW}\n"),
        ("x.csv", f"\ufeff{HEADER}\r\na.jpg,{ROW}\r\n./sub/../sub/b.jpg,{ROW}\r\nsub/b.jpg,{ROW}\r\n"),
    ],
)
def test_both_forms_say_the_same(tmp_path: Path, name: str, content: object) -> None:
    sidecar = read_landmarks(_written(tmp_path, name, content))
    assert {key: len(faces) for key, faces in sidecar.items()} == {
        str(tmp_path / "a.jpg"): 1,
        str(tmp_path / "sub" / "b.jpg"): 2,
    }
    face = sidecar[photograph_key(tmp_path / "a.jpg")][0]
    assert np.array_equal(face.landmarks, FACE)
    assert (face.box, face.score) == (None, None)


def test_relative_paths_start_at_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    _written(tmp_path / "photos", "x.json", {"a.jpg": FACE})
    monkeypatch.chdir(tmp_path)
    assert photograph_key("photos/a.jpg") in read_landmarks(Path("photos/x.json"))


def test_a_turned_face_is_no_mirrored_one(tmp_path: Path) -> None:
    upside_down = (100 - np.array(FACE)).tolist()
    assert read_landmarks(_written(tmp_path, "x.json", {"a.jpg": upside_down}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", {"a.jpg": [FACE[1], FACE[0], FACE[2], FACE[4], FACE[3]]}, "a.jpg: seen from .* eye is on the right"),
        ("x.json", {"a.jpg": FACE[:4]}, r"a.jpg: expected five points \[x, y\]: left eye, right eye, nose"),
        ("x.json", {"a.jpg": [[1, 2], [3]]}, "expected five points"),
        ("x.json", {"a.jpg": []}, "expected five points"),
        ("x.json", {"a.jpg": "text"}, "expected five points"),
        ("x.json", {"a.jpg": [["1", "2"]] * 5}, "expected five points"),
        ("x.json", '{"a.jpg": [[NaN, 1], [2, 1], [3, 1], [4, 1], [5, 1]]}', "hold NaN"),
        ("x.json", [FACE], "holds a list; expected an object, path to landmarks"),
        ("x.json", "{", "x.json: not JSON"),
        ("x.csv", "", "the header is ; expected path,left_eye_x"),
        ("x.csv", f"path,x\na.jpg,{ROW}", "the header is path,x; expected path,left_eye_x"),
        ("x.csv", f"{HEADER}\na.jpg,1,2", "line 2 has 3 fields; expected 11"),
        ("x.csv", f"{HEADER}\na.jpg,{ROW.replace('51', 'x')}", "line 2 holds something else than numbers"),
        ("x.txt", "", "landmarks are read from .json and .csv files"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_landmarks(_written(tmp_path, name, content))


def test_files_that_are_no_text_or_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x.json: no such file"):
        read_landmarks(tmp_path / "x.json")
    (tmp_path / "y.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="the landmarks cannot be read"):
        read_landmarks(tmp_path / "y.csv")
