"""Write the figures of docs/gallery.md: how long search takes by the size of a gallery, and what an index misses.

    python tools/measure_gallery.py [--images N ...] [--indexed N]

The faces are made up: two images a person, 512 numbers each, at random around a direction of their own, so that two
images of a person have a similarity of about 0.67 and two people's one of about 0. A probe is another image of somebody in
the gallery. An index is built for galleries of up to N images only; 100,000 take minutes.
"""

import argparse
import platform
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from refnet.bench.machine import processor
from refnet.faces.embedding_file import EmbeddingSet
from refnet.faces.gallery import Candidate, Gallery, read_gallery, search, write_gallery
from refnet.faces.gallery.approximate import ApproximateIndex
from refnet.faces.gallery.entries import ordered
from refnet.graph import Array
from refnet.provenance import Provenance

PAGE = Path(__file__).parents[1] / "docs" / "gallery.md"
FROM = Provenance("made up", "00" * 32, "", "", "RGB", "", "")
DIMENSION, EACH, PROBES, COUNT = 512, 2, 64, 5
HEADS = (
    "images", "read and check the file", "exact: one probe", "exact: each of 64 probes",
    "index: build", "index: one probe", "index: finds the first", "index: finds the first five",
)  # fmt: skip


def main() -> None:
    """Measure and write the block."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--indexed", type=int, default=100_000)
    arguments = parser.parse_args()
    lines = ["| " + " | ".join(HEADS) + " |", "|---:" * len(HEADS) + "|"]
    for images in arguments.images:
        lines.append("| " + " | ".join(row(images, images <= arguments.indexed)) + " |")
        print(lines[-1], flush=True)
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "usearch"))
    lines += ["", f"({processor()}, Linux, Python {platform.python_version()}, {versions}; `tools/measure_gallery.py`)"]
    block = "\n".join(["<!-- figures -->", *lines, "<!-- /figures -->"])
    PAGE.write_text(re.sub(r"<!-- figures -->.*?<!-- /figures -->", lambda _: block, PAGE.read_text(), flags=re.S))


def row(images: int, indexed: bool) -> list[str]:
    """One size of gallery."""
    gallery, probes = made_up(images)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "g.npz"
        write_gallery(path, gallery)
        reading = seconds(lambda: read_gallery(path), 1)
    one = EmbeddingSet(probes.names[:1], probes.embeddings[:1], FROM)
    exact = search(gallery, probes, COUNT)
    cells = [
        f"{images:,}", f"{reading:.1f} s", milliseconds(seconds(lambda: search(gallery, one, COUNT), 9)),
        milliseconds(seconds(lambda: search(gallery, probes, COUNT), 3) / PROBES),
    ]  # fmt: skip
    if not indexed:
        return [*cells, *["-"] * 4]
    start = time.perf_counter()
    index = ApproximateIndex(gallery)
    building = time.perf_counter() - start
    found = index.search(probes, COUNT)
    searching = milliseconds(seconds(lambda: index.search(one, COUNT), 9))
    return [*cells, f"{building:.0f} s", searching, recall(found, exact, 1), recall(found, exact, COUNT)]


def made_up(images: int) -> tuple[Gallery, EmbeddingSet]:
    """A gallery, and other images of some of its people."""
    rng = np.random.default_rng(0)
    people = images // EACH
    centres = rng.normal(size=(people, DIMENSION)).astype(np.float32)

    def picture(of: Array) -> Array:
        return of + np.float32(0.7) * rng.normal(size=of.shape).astype(np.float32)

    rows = np.concatenate([picture(centres) for _ in range(EACH)])
    labels = [f"{i:07d}" for i in range(people)] * EACH
    probes = picture(centres[rng.integers(0, people, PROBES)])
    names = [str(i) for i in range(len(rows))]
    return ordered(labels, names, rows, FROM), EmbeddingSet(tuple(names[:PROBES]), probes, FROM)


def seconds(work: Callable[[], object], times: int) -> float:
    """The median of some runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def milliseconds(value: float) -> str:
    """Seconds in words."""
    return f"{value * 1e3:.1f} ms"


def recall(found: list[list[Candidate]], exact: list[list[Candidate]], count: int) -> str:
    """The share of the first identities that was found, as a fraction."""
    shares = [len(set(some[:count]) & set(right[:count])) / count for some, right in zip(found, exact, strict=True)]
    return f"{statistics.mean(shares):.3f}"


if __name__ == "__main__":
    main()
