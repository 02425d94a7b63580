"""`refnet evaluate`: accuracy on labelled pairs, by the published protocols and with intervals."""

import math
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from refnet import zoo
from refnet.cli.console import print_json, progress, say
from refnet.cli.evaluation_table import print_evaluation, write_roc
from refnet.cli.options import (
    CacheFlag,
    EngineOption,
    JsonFlag,
    MemoryOption,
    ModelOption,
    ThreadsOption,
    open_model,
)
from refnet.errors import InputError, UsageError
from refnet.evaluation.embedded import PairEmbeddings, check_saved, embed_pairs, load_embeddings, save_embeddings
from refnet.evaluation.evaluate import Evaluation
from refnet.evaluation.evaluate import evaluate as evaluate_pairs
from refnet.evaluation.folds import check_count
from refnet.evaluation.pairs import PairSet, read_pairs
from refnet.evaluation.rates import check_supported, tar_at_far
from refnet.faces.calibration import Calibration, check_calibration, write_calibration
from refnet.files import check_place, sha256
from refnet.zoo.cards import Card

CALIBRATED_FAR = 1e-2


def evaluate(
    pairs: Path,
    /,
    *,
    images: Path | None = None,
    protocol: Literal["insightface", "omz", "all"] = "all",
    embeddings: Path | None = None,
    save_embeddings_to: Annotated[Path | None, Parameter(name="--save-embeddings")] = None,
    roc: Path | None = None,
    calibrate: Path | None = None,
    far: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
    json: JsonFlag = False,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
) -> int:
    """Tell how well a model separates persons, on pairs of aligned crops.

    Parameters
    ----------
    pairs
        FILE.bin as InsightFace publishes them (lfw.bin), or a table of image names: LFW's pairs.txt, or FILE.csv with the
        columns a, b, same and, it may be, group.
    images
        Folder of the images that a table names. Default: the table's own.
    protocol
        insightface: mirror images added, threshold searched in ten folds. omz: none, median threshold. Default: both.
    embeddings
        Use the embeddings in this file instead of computing them. With --model, they must come from that model.
    save_embeddings_to
        FILE.npz to keep the embeddings in.
    roc
        FILE.csv to write every operating point to.
    calibrate
        FILE.json to write the threshold to that gives the false accept rate --far; `refnet compare` reads it.
    far
        The false accept rate to calibrate at, a fraction. Default: 0.01.
    resamples
        Of the intervals.
    seed
        Of the resampling.
    """
    if resamples < 1:
        raise UsageError(f"--resamples is {resamples}; expected at least 1")
    if embeddings is not None and save_embeddings_to is not None:
        raise UsageError("--embeddings computes nothing to save; leave out --save-embeddings")
    if far is not None and calibrate is None:
        raise UsageError("--far is the rate to calibrate at; give --calibrate FILE.json too")
    far = CALIBRATED_FAR if far is None else far
    found = read_pairs(pairs, images)
    check_count(len(found.same))
    if save_embeddings_to is not None:
        check_saved(save_embeddings_to)
    if roc is not None:
        check_place(roc)
    if calibrate is not None:
        check_calibration(calibrate)
        check_supported(far, int((~found.same).sum()))
    if embeddings is not None:
        embedded = load_embeddings(embeddings, found, sha256(zoo.resolve(model)) if model else None)
    else:
        network = open_model(model, engine, threads, memory, cache)
        with progress("embedding", len(found.images)) as advance:
            embedded = embed_pairs(network, found, mirror=protocol != "omz", advance=advance)
        if save_embeddings_to is not None:
            save_embeddings(save_embeddings_to, found, embedded)
    card = zoo.card_of(embedded.provenance.model_sha256)
    result = evaluate_pairs(found, embedded, protocol=protocol, card=card, resamples=resamples, seed=seed)
    if roc is not None:
        write_roc(roc, result.curve)
    if calibrate is not None:
        _calibrate(calibrate, far, found, embedded, result)
    if json:
        print_json({"schema_version": 1, **result.to_json(), "provenance": embedded.provenance.to_json()})
    else:
        print_evaluation(result, embedded)
    for caution in result.cautions.values():
        say(caution)
    if not result.published:
        say(f"no published figure is compared with: {_why_none(result, embedded, card)}")
    return 0


def _why_none(result: Evaluation, embedded: PairEmbeddings, card: Card | None) -> str:
    if card is None:
        return embedded.provenance.model_note or "the model's digest is that of no card"
    known = ", ".join(sorted({f"{figure.dataset} ({figure.protocol})" for figure in card.figures}))
    return f"{result.pairs} is by its name none of those that {card.name} has figures for: {known}"


def _calibrate(path: Path, far: float, pairs: PairSet, embedded: PairEmbeddings, result: Evaluation) -> None:
    """A threshold for single images: `compare` adds no mirror images, so neither is one added here."""
    if not embedded.provenance.model_sha256:
        raise InputError("the embeddings do not say which model they come from; a threshold holds for one model only")
    plain = evaluate_pairs(pairs, embedded, protocol="omz", resamples=1)
    impostors = result.summary.impostor
    point = tar_at_far(plain.curve, far, impostors)
    if not math.isfinite(point.threshold) or point.far == 0:
        raise InputError(
            f"no threshold has a false accept rate of at most {far:g} and lets a pair through; give a larger --far"
        )
    calibration = Calibration(
        "cosine", min(1.0, max(-1.0, point.threshold)), point.far, impostors,
        embedded.provenance.model_sha256, embedded.provenance.pipeline,
    )  # fmt: skip
    write_calibration(path, calibration)
    say(
        f"{path}: similarity {point.threshold:.4f} lets {point.far:.5f} of {impostors:,} impostor pairs through, and {point.tar:.5f} of the genuine"
    )
