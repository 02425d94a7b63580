"""From names to embeddings: images are decoded, found and cut out ahead while the network computes.

Worker threads prepare images in the order of their names, a bounded number ahead; the caller's thread computes a batch
when there are enough crops, and hands it to whoever keeps it. Memory does not grow with the number of images, and no
bit of an embedding depends on which images share a batch, on the threads or on the order.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from refnet.bulk.prepared import Preparation, Prepared, prepare
from refnet.errors import NoAnswerError
from refnet.graph import Array
from refnet.network import Network

Done = tuple[Prepared, Array]  # an image and the embeddings (faces, D) of its faces


def embed_images(
    network: Network,
    names: Iterable[str],
    how: Preparation,
    keep: Callable[[list[Done]], None],
    *,
    batch: int = 32,
    workers: int = 2,
) -> None:
    """Embed the faces of all images, and give them to `keep`, batch by batch.

    Parameters
    ----------
    network : Network
    names : image files
    how : Preparation
        From a file to crops; called from several threads.
    keep : (list of (image, embeddings)) -> None
    batch : int
        Faces that are computed, and images that are kept, together; a photograph with more faces is a batch of its own.
    workers : int
        Threads that prepare.
    """
    waiting: list[Prepared] = []
    crops = 0
    for image in _prepared(names, how, ahead=batch + workers, workers=workers):
        waiting.append(image)
        crops += len(image.faces)
        if crops >= batch or len(waiting) >= batch:
            keep(_embedded(network, waiting))
            waiting, crops = [], 0
    if waiting:
        keep(_embedded(network, waiting))


def _prepared(names: Iterable[str], how: Preparation, *, ahead: int, workers: int) -> Iterator[Prepared]:
    """Images in the order of their names, a bounded number of them prepared ahead."""
    with ThreadPoolExecutor(workers, thread_name_prefix="prepare") as pool:
        pending: deque[Future[Prepared]] = deque()
        try:
            for name in names:
                pending.append(pool.submit(prepare, name, how))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _embedded(network: Network, images: list[Prepared]) -> list[Done]:
    """The embeddings of each image's faces, computed together; an image whose faces have no answer fails alone."""
    crops = [face.crop for image in images for face in image.faces]
    if not crops:
        return [(image, np.zeros((0, 0), np.float32)) for image in images]
    try:
        embeddings = iter(network.embeddings(network.contract.prepare(np.stack(crops))))
    except NoAnswerError as error:
        if len(images) > 1:
            return [done for image in images for done in _embedded(network, [image])]
        failed = replace(images[0], faces=(), reason=f"{images[0].name}: {error}")
        return [(failed, np.zeros((0, 0), np.float32))]
    done = []
    for image in images:
        rows = [next(embeddings) for _ in image.faces]
        done.append((image, np.stack(rows) if rows else np.zeros((0, 0), np.float32)))
    return done
