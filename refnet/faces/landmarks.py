"""Landmarks from elsewhere: a JSON or CSV file beside the photographs says where the faces are.

JSON, one object; a photograph with several faces has a list of them::

    {"anna.jpg": [[30.1, 51.2], [65.0, 51.0], [48.3, 72.1], [33.9, 92.0], [62.2, 92.4]],
     "team/both.jpg": [[[30, 51], ...], [[130, 49], ...]]}

CSV, with this header; a photograph with several faces has several rows::

    path,left_eye_x,left_eye_y,right_eye_x,right_eye_y,nose_x,nose_y,left_mouth_x,left_mouth_y,right_mouth_x,right_mouth_y

Left is the image's left. Places are in pixels of the upright photograph; the centre of its first pixel is (0, 0). A
relative path starts at the folder of the file.
"""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from refnet.errors import InputError
from refnet.faces.align import LANDMARKS
from refnet.faces.face import Face
from refnet.graph import Array
from refnet.opening import read_text, reading

COLUMNS = (
    "path",
    *(f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth") for axis in "xy"),
)
Sidecar = dict[str, list[Face]]  # absolute path to faces


def read_landmarks(path: Path) -> Sidecar:
    """Read a file of landmarks.

    Parameters
    ----------
    path : FILE.json or FILE.csv

    Raises
    ------
    InputError
        If the file is missing or of another form, or a face has landmarks in a mirrored order: they would be aligned
        upside down.
    """
    with reading(path, InputError, "the landmarks cannot be read"):
        text = read_text(path, "utf-8-sig")
        suffix = path.suffix.lower()
        if suffix not in (".json", ".csv"):
            raise InputError(f"{path}: landmarks are read from .json and .csv files")
        entries = _of_json(path, text) if suffix == ".json" else _of_csv(path, text)
        sidecar: Sidecar = {}
        for name, points in entries:
            place = photograph_key(path.parent / name)
            sidecar.setdefault(place, []).append(Face(_checked(f"{path}: {name}", points)))
        return sidecar


def photograph_key(path: str | Path) -> str:
    """What a photograph is called in a sidecar: its absolute path."""
    return os.path.abspath(path)  # noqa: PTH100 - links are not followed: the name is what the file was written with


def _of_json(path: Path, text: str) -> list[tuple[str, Any]]:
    """Names and points of a JSON file."""
    try:
        table = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    if not isinstance(table, dict):
        raise InputError(f"{path}: the file holds a {type(table).__name__}; expected an object, path to landmarks")
    entries = []
    for name, value in table.items():
        several = isinstance(value, list) and value and isinstance(value[0], list) and len(value[0]) == len(LANDMARKS)
        entries += [(name, points) for points in (value if several else [value])]
    return entries


def _of_csv(path: Path, text: str) -> list[tuple[str, Any]]:
    """Names and points of a CSV file."""
    rows = csv.reader(text.splitlines())
    header = next(rows, [])
    if tuple(header) != COLUMNS:
        raise InputError(f"{path}: the header is {','.join(header)}; expected {','.join(COLUMNS)}")
    entries = []
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != len(COLUMNS):
            raise InputError(f"{path}: line {number} has {len(row)} fields; expected {len(COLUMNS)}")
        try:
            values = [float(field) for field in row[1:]]
        except ValueError:
            raise InputError(f"{path}: line {number} holds something else than numbers: {','.join(row[1:])}") from None
        entries.append((row[0], [values[i : i + 2] for i in range(0, len(values), 2)]))
    return entries


def _checked(where: str, points: Any) -> Array:
    """Landmarks that can be those of a face, in the right order."""
    try:
        array = np.asarray(points)
    except ValueError:  # rows of different lengths
        array = np.empty(0)
    if array.shape != (len(LANDMARKS), 2) or array.dtype.kind not in "if":
        raise InputError(f"{where}: expected five points [x, y]: {', '.join(LANDMARKS)}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{where}: landmarks hold NaN or infinite values; expected pixels")
    across, down = array[1] - array[0], (array[3] + array[4]) / 2 - (array[0] + array[1]) / 2
    if across[0] * down[1] - across[1] * down[0] <= 0:
        raise InputError(
            f"{where}: seen from the eyes to the mouth, the first eye is on the right; expected {', '.join(LANDMARKS)}, "
            "where left is the image's left"
        )
    return array
