"""The images that photo collections hold: each is decoded by the rule for it, or refused with a reason."""

import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from refnet import InputError
from refnet.faces.image import MAX_PIXELS, open_picture, read_image


def _bytes(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def _noise(height: int = 5, width: int = 7, seed: int = 1) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def _png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG of 8-bit RGB, written chunk by chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def test_paths_bytes_and_open_files_give_the_same_pixels(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    _noise().save(path)
    expected = np.asarray(_noise())
    with path.open("rb") as file:
        for source in (path, str(path), path.read_bytes(), file):
            assert np.array_equal(read_image(source), expected)


def test_bytes_that_are_no_image_are_called_by_their_name() -> None:
    with pytest.raises(InputError, match=r"^the image: not an image"):
        open_picture(b"no image")
    with pytest.raises(InputError, match=r"^row 7: not an image"):
        open_picture(b"no image", name="row 7")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is a folder"):
        read_image(tmp_path)


def test_the_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(_bytes(_noise(), "PNG"))
    assert np.array_equal(read_image(path), np.asarray(_noise()))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_divided_by_257(form: str) -> None:
    values = np.array([[0, 128, 129, 257, 385, 386, 65406, 65407, 65535]], np.uint16)
    expected = [0, 0, 1, 1, 1, 2, 254, 255, 255]  # 128.5 / 257 is one half
    pixels = read_image(_bytes(Image.fromarray(values), form))
    assert pixels[0].tolist() == [[value] * 3 for value in expected]


def test_sixteen_bit_colour_keeps_its_upper_bits() -> None:
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(2).integers(0, 65536, (4, 4, 3), dtype=np.uint16)
    for suffix in (".png", ".tiff"):
        encoded = cv2.imencode(suffix, values)[1].tobytes()
        assert np.array_equal(read_image(encoded), values[..., ::-1] >> 8)


def test_integers_beyond_sixteen_bits_and_floats_are_refused() -> None:
    with pytest.raises(InputError, match="grey values span 0 to 70000; expected 16 bits, 0 to 65535"):
        read_image(_bytes(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF"))
    with pytest.raises(InputError, match="floating point, whose white is not known"):
        read_image(_bytes(Image.fromarray(np.array([[0.0, 0.5]], np.float32)), "TIFF"))


def test_alpha_is_dropped_and_not_composited() -> None:
    pixels = np.array([[[10, 20, 30, 0], [40, 50, 60, 128]]], np.uint8)
    for form in ("PNG", "TIFF"):
        assert np.array_equal(read_image(_bytes(Image.fromarray(pixels), form)), pixels[..., :3])


def test_palettes_with_transparent_entries_become_their_colours() -> None:
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    for transparency in (1, b"\x00\x80"):
        encoded = _bytes(palette, "PNG", transparency=transparency)
        assert read_image(encoded)[0].tolist() == [[10, 20, 30], [40, 50, 60]]


def test_cmyk_becomes_rgb_and_inverted_inks_are_turned_first() -> None:
    inks = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    adobe = _bytes(inks, "JPEG")  # Pillow writes what Adobe writes: an APP14 mark and inverted inks
    assert b"Adobe" in adobe
    for encoded in (adobe, _bytes(inks, "TIFF")):
        assert abs(read_image(encoded)[8, 8].astype(int) - [0, 255, 255]).max() <= 2


def test_a_colour_profile_changes_no_pixel() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.array_equal(read_image(_bytes(_noise(), "PNG", icc_profile=profile)), np.asarray(_noise()))


@pytest.mark.parametrize("orientation", range(10))
def test_each_exif_orientation_comes_out_upright(orientation: int) -> None:
    """EXIF 2.32, tag 0x0112: where row 0 and column 0 of the stored pixels lie in what was seen."""
    seen = np.asarray(_noise())
    stored = {
        2: seen[:, ::-1],
        3: seen[::-1, ::-1],
        4: seen[::-1],
        5: seen.transpose(1, 0, 2),
        6: np.rot90(seen),
        7: seen.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(seen, -1),
    }.get(orientation, seen)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(read_image(_bytes(Image.fromarray(stored), "PNG", exif=exif)), seen)


def test_broken_exif_changes_nothing() -> None:
    encoded = _bytes(_noise(64, 64), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 9)
    assert read_image(encoded).shape == (64, 64, 3)


@pytest.mark.parametrize("form", ["GIF", "PNG", "TIFF", "WEBP", "MPO"])
def test_of_several_frames_the_first_is_taken_and_said(form: str) -> None:
    first, second = Image.new("RGB", (32, 32), (200, 0, 0)), Image.new("RGB", (32, 32), (0, 0, 200))
    picture = open_picture(_bytes(first, form, save_all=True, append_images=[second]), name="x")
    assert picture.notes == ("x: the file holds 2 frames; the first is taken",)
    assert abs(picture.pixels[16, 16].astype(int) - [200, 0, 0]).max() <= 3


def test_one_pixel_is_an_image() -> None:
    for form in ("PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG"):
        assert read_image(_bytes(Image.new("RGB", (1, 1)), form)).shape == (1, 1, 3)


def test_images_without_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="not an image that can be read"):
        read_image(_png(0, 5))


def test_more_pixels_than_the_limit_are_refused_without_decoding_or_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=r"16384 x 8193 pixels; the limit is 134 million. Scale it down first"):
            read_image(_png(16384, 8193))
        for width, height in ((100_000, 100_000), (2**31 - 1, 2**31 - 1)):
            with pytest.raises(InputError, match="more pixels than can be decoded safely"):
                read_image(_png(width, height))
        with pytest.raises(InputError, match="damaged"):  # within the limit, above Pillow's warning
            read_image(_png(12_000, 10_000))
    assert 16384 * 8193 > MAX_PIXELS >= 12_000 * 10_000


@given(seed=st.integers(0, 2**32 - 1), form=st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"]))
def test_damaged_bytes_are_decoded_to_the_size_or_refused(seed: int, form: str) -> None:
    """In a JPEG a changed byte can be another picture; whatever it is, no other error than InputError comes."""
    rng = np.random.default_rng(seed)
    encoded = bytearray(_bytes(_noise(48, 40), form))
    for place in rng.integers(0, len(encoded), rng.integers(1, 8)):
        encoded[place] = rng.integers(256)
    try:
        pixels = read_image(bytes(encoded))
    except InputError:
        return
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3


def test_the_checksums_of_a_png_are_looked_at() -> None:
    encoded = bytearray(_bytes(_noise(48, 40), "PNG"))
    encoded[200] ^= 1
    with pytest.raises(InputError, match="damaged or unreadable"):
        read_image(bytes(encoded))


def test_threads_decode_at_once() -> None:
    encoded = [_bytes(_noise(30, 30, seed), "PNG") for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for seed, pixels in enumerate(pool.map(read_image, encoded)):
            assert np.array_equal(pixels, np.asarray(_noise(30, 30, seed)))
