"""Pairs out of files, and what is refused of them."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refnet.errors import InputError, UsageError
from refnet.evaluation.pairs import crops, read_pairs


def encoded(value: int, size: int = 112) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (value, 0, 255)).save(buffer, "PNG")
    return buffer.getvalue()


def binary(folder: Path, content: Any) -> Path:
    path = folder / "lfw.bin"
    path.write_bytes(pickle.dumps(content, 4))
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    for name, number in (("Ann", 1), ("Ann", 2), ("Bob_B", 1), ("Bob_B", 3)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{name}_{number:04d}.png").write_bytes(encoded(number))
    return tmp_path


def test_a_pickle_gives_two_images_a_pair(tmp_path: Path) -> None:
    pairs = read_pairs(binary(tmp_path, ([encoded(n) for n in range(4)], [True, False])))
    assert (pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist()) == ([0, 2], [1, 3], [True, False])
    found = np.concatenate([*crops(pairs, 112, 112, 3)])
    assert found.shape == (4, 3, 112, 112)
    assert found[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert (found[:, 2] == 255).all()


@pytest.mark.parametrize("header", ["1\t1\n", "", "10 300\n"])
def test_lfws_table_names_images_by_person_and_number(people: Path, header: str) -> None:
    (people / "pairs.txt").write_text(f"{header}Ann\t1\t2\nAnn\t2\tBob_B\t3\n")
    pairs = read_pairs(people / "pairs.txt")
    assert pairs.same.tolist() == [True, False]
    assert [Path(pairs.images[n]).name for n in (pairs.second[1], pairs.first[1])] == ["Bob_B_0003.png", "Ann_0002.png"]
    assert pairs.people is not None
    assert [pairs.people[n] for n in (pairs.first[1], pairs.second[1])] == ["Ann", "Bob_B"]
    assert len(pairs.images) == 3


def test_a_table_may_tell_groups(people: Path) -> None:
    (people / "p.csv").write_text(
        "a,b,same,group\nAnn/Ann_0001.png,Ann/Ann_0002.png,1,x\nAnn/Ann_0001.png,Bob_B/Bob_B_0001.png,FALSE,y\n"
    )
    pairs = read_pairs(people / "p.csv")
    assert pairs.groups == ("x", "y")
    assert pairs.people is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2, 3], r"not a verification set; expected a pair \(images, same\)"),
        (([b"x"], "yes"), "expected a list of images and a list of truth values"),
        (([b"x"] * 3, [True, False]), "3 images for 2 pairs; expected two a pair"),
        (([], []), "0 images for 0 pairs"),
        (([b"x", 5, b"x", b"x"], [True, False]), "image 1 is a int; expected the bytes of an image file"),
        (([b"x"] * 4, [True, True]), "all 2 pairs are of one person; accuracy needs pairs of both kinds"),
        (([b"x"] * 4, [0, 0]), "all 2 pairs are of different persons"),
        (([b"x"] * 4, [0, 7]), "a list of truth values"),
    ],
)
def test_pickles_of_another_form_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_pairs(binary(tmp_path, content))


def test_an_image_that_cannot_be_decoded_or_has_another_size_is_named_by_its_number(tmp_path: Path) -> None:
    pairs = read_pairs(binary(tmp_path, ([encoded(0), b"nothing", encoded(0, 96), encoded(0)], [True, False])))
    with pytest.raises(InputError, match=r"lfw\.bin: image 1 \(pair 0\): .*not an image"):
        pairs.crop(1, 112, 112)
    with pytest.raises(InputError, match=r"image 2 \(pair 1\): .*96 x 96 pixels; expected an aligned 112 x 112"):
        pairs.crop(2, 112, 112)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", "Ann 1 2\nAnn 1\n", "pair 2 has 2 fields; expected `name n m` or `name n other m`"),
        ("p.txt", "Ann 1 x\nAnn 1 Bob_B 1\n", "Ann has the number 'x'; expected a whole number"),
        (
            "p.txt",
            "Ann 1 2\nAnn 1 Bob_B 2\n",
            r"names images that are not there: .*Bob_B_0002\.jpg\. Give their folder with --images",
        ),
        ("p.txt", "Ann 1 2\nAnn 2 1\nAnn 1 Bob_B 1\n", "a pair occurs twice"),
        ("p.txt", "Ann 1 1\nAnn 1 Bob_B 1\n", "or is an image with itself"),
        ("p.csv", "x,y\n1,2\n", r"columns are \['x', 'y'\]; expected a, b, same"),
        ("p.csv", "a,b,same\nAnn/Ann_0001.png,Ann/Ann_0002.png,maybe\n", "same='maybe'; same is 1 or 0"),
        ("p.csv", "a,b,same\n", "there is no pair in it"),
    ],
)
def test_tables_of_another_form_are_refused(people: Path, name: str, text: str, message: str) -> None:
    (people / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_pairs(people / name)


def test_all_that_is_missing_is_named_up_to_a_bound(people: Path) -> None:
    (people / "p.txt").write_text("".join(f"Cid {n} {n + 1}\n" for n in range(1, 20)))
    with pytest.raises(InputError, match=r"Cid_0005\.jpg and 15 more\. Give"):
        read_pairs(people / "p.txt")


def test_other_files_and_a_needless_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the suffix is '\.zip'; expected \.bin, \.txt, \.csv"):
        read_pairs(tmp_path / "lfw.zip")
    with pytest.raises(UsageError, match="holds its images itself"):
        read_pairs(tmp_path / "lfw.bin", tmp_path)
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it is no text"):
        read_pairs(tmp_path / "p.txt")
