"""`refnet compare`: how alike two faces are."""

from refnet.cli.console import out, print_json
from refnet.cli.deciding import CalibrationOption, MetricOption, ThresholdOption, given_threshold, threshold_for
from refnet.cli.options import (
    ALIGNED,
    CacheFlag,
    EngineOption,
    JsonFlag,
    MemoryOption,
    ModelOption,
    PhotographOptions,
    ThreadsOption,
    open_model,
)
from refnet.cli.sources import read_faces
from refnet.errors import InputError
from refnet.faces.similarity import angle_degrees, similarity


def compare(
    a: str,
    b: str,
    /,
    *,
    threshold: ThresholdOption = None,
    metric: MetricOption = None,
    calibration: CalibrationOption = None,
    photographs: PhotographOptions = ALIGNED,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
    json: JsonFlag = False,
) -> int:
    """Compare two faces by the cosine of the angle between their embeddings.

    Without a threshold the similarity is printed and nothing is decided. With one, a similarity of at least it (a
    distance of at most it) is a match, exit status 0, and anything else is none, exit status 1.

    Parameters
    ----------
    a, b
        Aligned face crops, photographs with --faces, or embeddings by name: FILE.npz#NAME (or .csv, .jsonl).
    """
    given = given_threshold(threshold, metric, calibration)
    faces = read_faces((a, b), lambda: open_model(model, engine, threads, memory, cache), photographs.how)
    if len(faces.names) != 2:
        raise InputError(f"{a} and {b} hold {len(faces.names)} embeddings; expected one each. Give FILE#NAME.")
    decided_by = threshold_for(given, calibration, faces.provenance)
    cosine = similarity(*faces.embeddings)
    match = None if decided_by is None else cosine >= decided_by.cosine
    if json:
        print_json(
            {
                "schema_version": 1,
                "a": a,
                "b": b,
                "similarity": cosine,
                "angle_degrees": angle_degrees(cosine),
                "threshold": None if decided_by is None else decided_by.to_json(),
                "match": match,
                "provenance": faces.provenance.to_json(),
            }
        )
        return 1 if match is False else 0
    verdict = ""
    if decided_by is not None:
        verdict = f" - {'match' if match else 'no match'} at {decided_by}; threshold {decided_by.origin}"
    out.print(f"similarity {cosine:.6f} (angle {angle_degrees(cosine):.2f} degrees){verdict}")
    return 1 if match is False else 0
