"""Photographs through the commands: found, aligned, embedded, compared, searched, with a trained network."""

import json
from pathlib import Path

import numpy as np
import pytest

from refnet.cli import main
from tests import localdata

PEOPLE = ("Aaron_Peirsol", "Abdullah_Gul", "Rob_Lowe")


@pytest.fixture
def options() -> list[str]:
    detector = localdata.path("models/face_detection_yunet_2023mar.onnx")
    return ["--detector", str(detector), "-m", str(localdata.path("models/mobilefacenet-arcface-mxnet.onnx"))]


def test_every_face_of_a_folder_of_photographs_has_a_row(options: list[str], tmp_path: Path) -> None:
    photos, output = localdata.path("photos"), tmp_path / "faces.npz"
    assert main(["embed", str(photos), "--faces", "all", *options, "-o", str(output)]) == 0
    with np.load(output) as file:
        names, boxes, scores = file["names"].tolist(), file["boxes"], file["scores"]
        provenance = json.loads(str(file["provenance"]))
    assert sum("group.jpg#" in name for name in names) == 6
    assert len(names) == 12
    assert (boxes[:, 2] > boxes[:, 0]).all()
    assert (scores > 0.6).all()
    assert "landmarks by YuNet" in provenance["pipeline"]


def test_a_photograph_of_many_is_refused_where_one_face_is_meant(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = localdata.path("photos/group.jpg")
    assert main(["embed", str(group), "--faces", "single", *options, "-o", str(tmp_path / "o.npz")]) == 4
    assert "6 faces were found; expected a single one" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_photographs_of_one_person_match_and_of_two_do_not(options: list[str]) -> None:
    photos = localdata.path("photos")
    one, other, stranger = photos / "Rob_Lowe_0001.jpg", photos / "Rob_Lowe_0002.jpg", photos / "Aaron_Peirsol_0001.jpg"
    threshold = ["--faces", "largest", "--threshold", "0.35", *options]
    assert main(["compare", str(one), str(other), *threshold]) == 0
    assert main(["compare", str(one), str(stranger), *threshold]) == 1


def test_a_gallery_of_photographs_knows_who_is_on_another(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, gallery = localdata.path("photos"), tmp_path / "known.npz"
    for n, person in enumerate(PEOPLE):
        first = sorted(photos.glob(f"{person}_*.jpg"))[0]
        where = ["-o", str(gallery)] if n == 0 else [str(gallery)]
        command = ["gallery", "build", str(first), *where] if n == 0 else ["gallery", "add", *where, str(first)]
        assert main([*command, "--label", person, "--faces", "largest", *options]) == 0
    probes = [str(sorted(photos.glob(f"{person}_*.jpg"))[1]) for person in PEOPLE]
    capsys.readouterr()
    search = [
        "gallery",
        "search",
        str(gallery),
        *probes,
        "--faces",
        "largest",
        "--threshold",
        "0.35",
        "--json",
        *options,
    ]
    assert main(search) == 0
    found = json.loads(capsys.readouterr().out)["probes"]
    assert [probe["label"] for probe in found] == [*PEOPLE]
    strangers = [
        "gallery",
        "search",
        str(gallery),
        str(photos / "group.jpg"),
        "--faces",
        "all",
        "--threshold",
        "0.35",
        *options,
    ]
    assert main(strangers) == 1
    assert capsys.readouterr().out.count("unknown") >= 6


def test_every_face_under_one_label_is_refused(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = localdata.path("photos/group.jpg")
    assert (
        main(
            ["gallery", "build", str(group), "-o", str(tmp_path / "g.npz"), "--label", "x", "--faces", "all", *options]
        )
        == 2
    )
    assert "use largest or single" in capsys.readouterr().err
