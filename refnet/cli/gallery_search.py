"""`refnet gallery search`: the identities of a gallery most alike a face."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from refnet.cli.console import print_data, print_json, printable, say
from refnet.cli.deciding import CalibrationOption, MetricOption, ThresholdOption, given_threshold, threshold_for
from refnet.cli.gallery import GalleryFile
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
from refnet.errors import UsageError
from refnet.faces.gallery import Candidate, Gallery, read_gallery
from refnet.faces.gallery import search as search_gallery
from refnet.faces.gallery.approximate import ApproximateIndex, kept_index
from refnet.faces.gallery.assignment import assign_once, nearest
from refnet.faces.thresholds import Threshold


def search(
    gallery: GalleryFile,
    probes: Annotated[list[str], Parameter(name="PROBE")],
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-k"])] = 5,
    threshold: ThresholdOption = None,
    metric: MetricOption = None,
    calibration: CalibrationOption = None,
    assign: Literal["nearest", "hungarian"] = "nearest",
    approximate: Annotated[bool, Parameter(negative="")] = False,
    photographs: PhotographOptions = ALIGNED,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
    json: JsonFlag = False,
) -> int:
    """Rank the identities of a gallery by their similarity to faces.

    Without a threshold nothing is decided. With one, a face whose best identity is not alike enough is unknown; exit
    status 1 if any is.

    Parameters
    ----------
    gallery
        Gallery to search.
    probes
        Aligned face crops, photographs with --faces, folders of them, FILE.npz#NAME, or files of embeddings.
    count
        Identities to show for each face.
    assign
        nearest: each face by itself. hungarian: the faces are those of one photograph, and nobody is there twice.
    approximate
        Look at a part of the gallery only (usearch); for millions of images, see docs/gallery.md.
    """
    given = given_threshold(threshold, metric, calibration)
    if assign == "hungarian" and given is None and calibration is None:
        raise UsageError("--assign hungarian decides who is who; give it a --threshold or a --calibration")
    known = read_gallery(gallery)
    decided_by = threshold_for(given, calibration, known.provenance)
    faces = read_faces(probes, lambda: open_model(model, engine, threads, memory, cache), photographs.how)
    wanted = max(count, len(faces.names)) if assign == "hungarian" else count
    rankings = _index(known).search(faces, wanted) if approximate else search_gallery(known, faces, wanted)
    decide = assign_once if assign == "hungarian" else nearest
    chosen = None if decided_by is None else decide(rankings, decided_by)
    shown = [ranking[:count] for ranking in rankings]
    if json:
        found = _found(faces.names, shown, chosen)
        print_json(
            {
                "schema_version": 1,
                "gallery": str(gallery),
                "threshold": None if decided_by is None else decided_by.to_json(),
                "assign": assign,
                "exact": not approximate,
                "probes": found,
                "provenance": known.provenance.to_json(),
            }
        )
    else:
        _print_found(faces.names, shown, chosen, decided_by)
    return 1 if chosen is not None and None in chosen else 0


def _index(gallery: Gallery) -> ApproximateIndex:
    """The gallery's index."""
    return kept_index(
        gallery, lambda: say(f"building the index of {len(gallery):,} images; it is kept for the next search")
    )


def _found(
    names: Sequence[str], rankings: Sequence[Sequence[Candidate]], chosen: Sequence[Candidate | None] | None
) -> list[dict[str, Any]]:
    """One object a face, for JSON."""
    found = []
    for i, (name, ranking) in enumerate(zip(names, rankings, strict=True)):
        best = None if chosen is None else chosen[i]
        found.append(
            {
                "probe": name,
                "match": None if chosen is None else best is not None,
                "label": None if best is None else best.label,
                "candidates": [{"label": c.label, "similarity": c.similarity, "image": c.name} for c in ranking],
            }
        )
    return found


def _print_found(
    names: Sequence[str],
    rankings: Sequence[Sequence[Candidate]],
    chosen: Sequence[Candidate | None] | None,
    threshold: Threshold | None,
) -> None:
    """A line a face, and under it a line a candidate: similarity, label, image."""
    for i, (name, ranking) in enumerate(zip(names, rankings, strict=True)):
        best = None if chosen is None else chosen[i]
        verdict = "" if chosen is None else f": {'unknown' if best is None else printable(best.label)} at {threshold}"
        print_data(printable(name) + verdict)
        for candidate in ranking:
            print_data(f"  {candidate.similarity:9.6f}\t{printable(candidate.label)}\t{printable(candidate.name)}")
    if threshold is not None:
        say(f"threshold {threshold.origin}")
