"""From names to embeddings: order, batches, threads, bounded memory, what is wrong with an image."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from refnet import Network
from refnet.bulk.prepared import Found, FoundFace
from refnet.bulk.run import Done, embed_images
from refnet.errors import InputError
from refnet.graph import Graph
from refnet.zoo.samples import sample_crops


@pytest.fixture(scope="module")
def network(narrow: Graph) -> Network:
    return Network(narrow, threads=1)


def faces(name: str) -> Found:
    """As many faces as the name says, each of its own pixels."""
    if name.startswith("bad"):
        raise InputError(f"{name}: no face")
    crop = sample_crops()[0]
    return Found(tuple(FoundFace(np.roll(crop, 3 * int(name) + k, axis=2)) for k in range(int(name) % 3)))


def embedded(network: Network, names: list[str], **how: int) -> list[Done]:
    done: list[Done] = []
    embed_images(network, names, faces, done.extend, **how)
    return done


NAMES = [str(n) for n in range(11)]


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
@pytest.mark.parametrize("workers", [1, 3])
def test_embeddings_do_not_depend_on_batches_or_threads(network: Network, batch: int, workers: int) -> None:
    done = embedded(network, NAMES, batch=batch, workers=workers)
    assert [image.name for image, _ in done] == NAMES
    for image, rows in done:
        expected = [network(face.crop[np.newaxis])[0] for face in image.faces]
        assert len(rows) == len(expected) == int(image.name) % 3
        assert all(np.array_equal(row, wanted) for row, wanted in zip(rows, expected, strict=True))


def test_what_is_wrong_with_an_image_is_told_and_the_others_go_on(network: Network) -> None:
    done = embedded(network, ["1", "bad", "2"])
    assert [(image.reason, len(rows)) for image, rows in done] == [("", 1), ("bad: no face", 0), ("", 2)]


def test_no_more_is_prepared_than_a_batch_and_the_workers_ahead(network: Network) -> None:
    kept, most = 0, 0

    def names() -> Iterator[str]:
        nonlocal most
        for n in range(60):
            most = max(most, n - kept)
            yield "1" if n % 2 else "bad"

    def keep(batch: list[Done]) -> None:
        nonlocal kept
        kept += len(batch)

    embed_images(network, names(), faces, keep, batch=4, workers=2)
    assert kept == 60
    assert most <= 4 + (4 + 2) + 1


def test_a_failure_that_is_not_the_images_ends_the_run_and_its_threads(network: Network) -> None:
    def broken(name: str) -> Found:
        raise ZeroDivisionError(name)

    with pytest.raises(ZeroDivisionError):
        embed_images(network, NAMES, broken, list)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prepare")]
