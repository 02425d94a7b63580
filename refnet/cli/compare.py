"""`refnet compare`: how alike two faces are."""

from pathlib import Path

import numpy as np

from refnet.cli.console import out, print_json
from refnet.cli.embed import crop_size
from refnet.cli.options import CacheFlag, EngineOption, JsonFlag, MemoryOption, ModelOption, ThreadsOption, open_model
from refnet.errors import UsageError
from refnet.faces.image import read_crop
from refnet.faces.similarity import angle_degrees, similarity
from refnet.provenance import provenance


def compare(
    a: Path,
    b: Path,
    /,
    *,
    threshold: float | None = None,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
    json: JsonFlag = False,
) -> int:
    """Compare two aligned face crops by the cosine of the angle between their embeddings.

    Without a threshold the similarity is printed and nothing is decided.

    Parameters
    ----------
    a, b
        Aligned face crops.
    threshold
        A cosine, -1 to 1; a similarity of at least this is a match (exit status 0), below it none (1).
    """
    if threshold is not None and not -1 <= threshold <= 1:
        raise UsageError(f"--threshold is {threshold:g}; expected a cosine, -1 to 1")
    network = open_model(model, engine, threads, memory, cache)
    height, width = crop_size(network)
    crops = np.stack([read_crop(path, height, width) for path in (a, b)])
    first, second = network(network.contract.prepare(crops))
    cosine = similarity(first, second)
    match = None if threshold is None else cosine >= threshold
    if json:
        print_json(
            {
                "schema_version": 1,
                "a": str(a),
                "b": str(b),
                "similarity": cosine,
                "angle_degrees": angle_degrees(cosine),
                "threshold": threshold,
                "match": match,
                "provenance": provenance(network).to_json(),
            }
        )
    else:
        verdict = "" if match is None else (" - match" if match else " - no match") + f" at {threshold:g}"
        out.print(f"similarity {cosine:.6f} (angle {angle_degrees(cosine):.2f} degrees){verdict}", markup=False)
    return 1 if match is False else 0
