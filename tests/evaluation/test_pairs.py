"""Pairs out of files, and what is refused of them."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refnet.errors import InputError, UsageError
from refnet.evaluation.pairs import check_crops, crops, read_pairs


def encoded(value: int, size: int = 112) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (value, 0, 255)).save(buffer, "PNG")
    return buffer.getvalue()


def binary(folder: Path, content: Any) -> Path:
    path = folder / "lfw.bin"
    path.write_bytes(pickle.dumps(content, 4))
    return path


def test_a_pickle_gives_two_images_a_pair(tmp_path: Path) -> None:
    pairs = read_pairs(binary(tmp_path, ([encoded(n) for n in range(4)], [True, False])))
    assert (pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist()) == ([0, 2], [1, 3], [True, False])
    found = np.concatenate([*crops(pairs, 112, 112, 3)])
    assert found.shape == (4, 3, 112, 112)
    assert found[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert (found[:, 2] == 255).all()


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


def test_other_files_and_a_needless_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the suffix is '\.zip'; expected \.bin, \.txt, \.csv"):
        read_pairs(tmp_path / "lfw.zip")
    with pytest.raises(UsageError, match="holds its images itself"):
        read_pairs(tmp_path / "lfw.bin", tmp_path)


def test_names_say_which_image_it_is_and_not_only_where_it_stands(tmp_path: Path) -> None:
    ones, others = ([encoded(shade) for shade in range(start, start + 4)] for start in (0, 4))
    names, same_names, other_names = (
        read_pairs(binary(tmp_path, (images, [True, False]))).images for images in (ones, ones, others)
    )
    assert names == same_names
    assert not {*names} & {*other_names}
    assert [name[:6] for name in names] == ["00000-", "00001-", "00002-", "00003-"]


def test_damaged_images_are_told_before_the_first_is_embedded(tmp_path: Path) -> None:
    sound, images = encoded(0), [b"nothing"] * 7 + [encoded(0, 96)]
    pairs = read_pairs(binary(tmp_path, ([*images, sound, sound], [True, False] * 2 + [True])))
    with pytest.raises(
        InputError, match=r"8 of 10 images of lfw\.bin cannot be used: .*image 0.*(; .*){4}; and 3 more"
    ):
        check_crops(pairs, 112, 112)
    check_crops(read_pairs(binary(tmp_path, ([sound] * 4, [True, False]))), 112, 112)
