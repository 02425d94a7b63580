"""What may become of a file on a bad disk or in bad hands: seeded, the same changes for the same number."""

import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence

MAGICS = (
    b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*", b"RIFF\0\0\0\0WEBP",
    b"\x80\x04", b"\x80\x02", b"\x93NUMPY", b"<?xml", b"{", b"[", b"SQLite format 3\0", b"PAR1", b"8BPS", b"\x59\xa6\x6a\x95",
    b"/* XPM */", b"\xb1\x68\xde\x3a", b"DDS ", b"icns", b"\0\0\1\0", b"\0\0\2\0", b"\0\0\0\x0cjP  ", b"\0\0\0 ftypavif", b"\x01\xda",
    b"\xd7\xcd\xc6\x9a", b"%!PS-Adobe", b"SIMPLE  =", b"\x0a\x05\x01\x08", b"P6\n", b"P7\n", b"FTEX", b"BLP2", b"qoif", b"#define x",
    b"\xef\xbb\xbf", b"\x1f\x8b",
)  # fmt: skip
EXTREMES = (
    "0", "-1", "1e999", "-1e999", "1e-400", "nan", "NaN", "Infinity", "null", "true", '""', "[]", "{}", "9" * 20, "9" * 5000, "0x10",
    "1_000", "٣", "2147483648", "18446744073709551616", "\x00", "\ud7ff", "\u202e", "[" * 100_000, '{"a":' * 50_000, "'", '"', ",",
    "\n", "\t", "\r", "..", "/dev/zero", "a" * 300,
)  # fmt: skip
Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after one to four changes; what stands in an archive or behind a checksum is changed there too."""
    seed = rng.choice(seeds)
    if seed[:2] == b"PK" and rng.random() < 0.6:
        return _inside_zip(rng, seed)
    content = _changed(rng, seed, seeds)
    return _with_sums(content) if seed[:4] == b"\x89PNG" and rng.random() < 0.6 else content


def _changed(rng: random.Random, seed: bytes, seeds: Sequence[bytes]) -> bytes:
    content = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        if content:
            rng.choice(CHANGES)(rng, content, seeds)
    return bytes(content[: 1 << 20])


def _flip(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    for _ in range(rng.randint(1, 8)):
        content[_place(rng, content)] ^= 1 << rng.randrange(8)


def _cut(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    del content[_place(rng, content) :]


def _drop(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, content)
    del content[at : at + rng.randint(1, 64)]


def _splice(rng: random.Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    at, start = _place(rng, content), rng.randrange(len(other) + 1)
    content[at : at + rng.randint(0, 256)] = other[start : start + rng.randint(1, 1024)]


def _repeat(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    at, size = _place(rng, content), rng.randint(1, 256)
    content[at:at] = content[at : at + size] * rng.choice((1, 2, 8, 200))


def _length(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A number where a length may stand."""
    form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
    most = (1 << 8 * struct.calcsize(form)) - 1
    number = rng.choice(
        (0, 1, 2, most, most >> 1, (most >> 1) + 1, most >> 3, len(content) & most, rng.randint(0, most))
    )
    field = struct.pack(form, number)
    at = _place(rng, content)
    content[at : at + len(field)] = field


def _magic(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    magic = rng.choice(MAGICS)
    content[: len(magic)] = magic


def _number(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    """A number or a word of a text, as something extreme."""
    found = list(re.finditer(rb"-?[0-9][0-9.eE+-]*|\"[^\"]*\"|[A-Za-z_]+", bytes(content[: 1 << 16])))
    if found:
        start, end = rng.choice(found).span()
        content[start:end] = rng.choice(EXTREMES).encode("utf-8")


def _bytes(rng: random.Random, content: bytearray, _: Sequence[bytes]) -> None:
    at = _place(rng, content)
    content[at : at + rng.randint(1, 32)] = rng.randbytes(rng.randint(1, 32))


CHANGES: tuple[Change, ...] = (_flip, _cut, _drop, _splice, _repeat, _length, _length, _magic, _number, _number, _bytes)


def _place(rng: random.Random, content: bytearray) -> int:
    """Somewhere, and more often near the beginning, where headers are."""
    return rng.randrange(min(len(content), rng.choice((16, 64, 512, len(content)))))


def _inside_zip(rng: random.Random, seed: bytes) -> bytes:
    """An archive whose own sums are right, with changed members."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(seed)) as archive, zipfile.ZipFile(written, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as target:  # fmt: skip
        names = archive.namelist()
        chosen = rng.choice(names)
        for name in names:
            content = archive.read(name)
            target.writestr(
                name, _changed(rng, content, [archive.read(other) for other in names]) if name == chosen else content
            )
    return written.getvalue()


def _with_sums(content: bytes) -> bytes:
    """A PNG with the sums of its chunks put right, as far as it has chunks."""
    fixed, at = bytearray(content), 8
    while at + 12 <= len(fixed):
        size = struct.unpack_from(">I", fixed, at)[0]
        if at + 12 + size > len(fixed):
            break
        struct.pack_into(">I", fixed, at + 8 + size, zlib.crc32(fixed[at + 4 : at + 8 + size]))
        at += 12 + size
    return bytes(fixed)
