"""Images come out RGB, upright and whole, or not at all."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet import InputError
from refnet.faces.image import find_images, read_crop, read_image


def _save(path: Path, mode: str = "RGB", size: tuple[int, int] = (4, 3), **options: object) -> Path:
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode).save(path, **options)
    return path


def test_pixels_are_rows_columns_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], dtype=np.uint8)).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").tolist() == [[[255, 0, 0], [0, 0, 255]]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_eight_bit_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    assert read_image(_save(tmp_path / "x.png", mode)).shape == (3, 4, 3)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees
    assert read_image(_save(tmp_path / "x.jpg", size=(8, 4), exif=exif)).shape == (8, 4, 3)


def test_a_crop_is_channels_first(tmp_path: Path) -> None:
    path = _save(tmp_path / "x.png", size=(112, 112))
    assert np.array_equal(read_crop(path, 112, 112).transpose(1, 2, 0), read_image(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an image that can be read: the file is empty"),
        (b"<html><body>404</body></html>", "looks like a web page: probably the answer to a failed download"),
        (b"\n<?xml version='1.0'?><svg/>", "looks like XML, such as an SVG drawing; render it first"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "looks like an SVG drawing"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n0 0 moveto\n", "a drawing \\(EPS\\)"),
        (b"%PDF-1.4", "looks like a PDF"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer; `git lfs pull` gets the file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "looks like heic of the HEIF family; convert it to JPEG or PNG"),
        (b"\xff\xd8\xff", "not an image|damaged"),
        (b"GIF89a\0\0\0\0\0\0\0", "damaged or unreadable|not an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "damaged or unreadable|not an image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff"])
def test_a_file_cut_off_is_refused_at_every_length(tmp_path: Path, suffix: str) -> None:
    whole = _save(tmp_path / f"whole.{suffix}", size=(40, 40)).read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    for share in (0.1, 0.5, 0.9):
        cut.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(InputError, match=str(cut)):
            read_image(cut)


def test_a_photograph_is_not_a_crop(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the image is 250 x 200 pixels; expected an aligned 112 x 112 face crop"):
        read_crop(_save(tmp_path / "photo.png", size=(250, 200)), 112, 112)


def test_folders_are_searched_at_any_depth_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    wanted = [_save(tmp_path / name) for name in ("a.png", "b/c.JPG", "d.bmp")]
    (tmp_path / "notes.txt").write_text("no image")
    assert find_images([tmp_path]) == wanted


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        find_images([tmp_path / "absent"])
    with pytest.raises(InputError, match="no images found in"):
        find_images([tmp_path])
    with pytest.raises(InputError, match="no images found in an empty list"):
        find_images([])
