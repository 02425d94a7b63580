"""`refnet evaluate`: accuracy on labelled pairs, by the published protocols and with intervals."""

import csv
import io
import math
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.table import Table

from refnet import zoo
from refnet.cli.console import out, print_json, progress, say
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
from refnet.evaluation.embedded import PairEmbeddings, embed_pairs, load_embeddings, save_embeddings
from refnet.evaluation.evaluate import Evaluation
from refnet.evaluation.evaluate import evaluate as evaluate_pairs
from refnet.evaluation.pairs import PairSet, read_pairs
from refnet.evaluation.rates import Roc, tar_at_far
from refnet.faces.calibration import Calibration, write_calibration
from refnet.files import replacing


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
    far: float = 1e-2,
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
        Use the embeddings in this file instead of computing them.
    save_embeddings_to
        FILE.npz to keep the embeddings in.
    roc
        FILE.csv to write every operating point to.
    calibrate
        FILE.json to write the threshold to that gives the false accept rate --far; `refnet compare` reads it.
    far
        The false accept rate to calibrate at, a fraction.
    resamples
        Of the intervals.
    seed
        Of the resampling.
    """
    if resamples < 1:
        raise UsageError(f"--resamples is {resamples}; expected at least 1")
    found = read_pairs(pairs, images)
    if embeddings is not None:
        if model is not None or save_embeddings_to is not None:
            raise UsageError(
                "--embeddings uses no model and computes nothing to save; leave out --model and --save-embeddings"
            )
        embedded = load_embeddings(embeddings, found)
    else:
        network = open_model(model, engine, threads, memory, cache)
        with progress("embedding", len(found.images)) as advance:
            embedded = embed_pairs(network, found, mirror=protocol != "omz", advance=advance)
        if save_embeddings_to is not None:
            save_embeddings(save_embeddings_to, found, embedded)
    card = zoo.card_of(embedded.provenance.model_sha256)
    result = evaluate_pairs(found, embedded, protocol=protocol, card=card, resamples=resamples, seed=seed)
    if roc is not None:
        _write_roc(roc, result.curve)
    if calibrate is not None:
        _calibrate(calibrate, far, found, embedded, result)
    if json:
        print_json({"schema_version": 1, **result.to_json(), "provenance": embedded.provenance.to_json()})
    else:
        _print(result, embedded)
        if card is None:
            note = embedded.provenance.model_note or "its digest is that of no card"
            say(f"no published figure is compared with: {note}")
    return 0


def _print(result: Evaluation, embedded: PairEmbeddings) -> None:
    summary = result.summary
    origin = embedded.provenance
    out.print(f"{result.pairs}: {summary.genuine:,} genuine and {summary.impostor:,} impostor pairs", markup=False)
    out.print(f"{origin.model}, sha256 {origin.model_sha256[:16]}..., {origin.engine} engine", markup=False)
    table = Table("figure", "value", "95 %", "protocol", box=None, pad_edge=False)
    face, zoo_result = result.insightface, result.omz
    if face:
        how = "InsightFace: mirror images added, squared distance, 10 folds, threshold searched"
        table.add_row(
            "accuracy",
            f"{face.accuracy:.5f} +- {face.accuracy_std:.5f}",
            "",
            f"{how}; {face.correct} of {result.count} right",
        )
        if face.val is None:
            table.add_row("VAL at FAR 0.001", "not defined", "", "InsightFace: a fold has pairs of one kind only")
        else:
            table.add_row(
                "VAL at FAR 0.001",
                f"{face.val:.5f} +- {face.val_std:.5f}",
                "",
                f"InsightFace; FAR found {face.far:.5f}",
            )
        table.add_row("XNorm", f"{face.xnorm:.6f}", "", "InsightFace: mean length of the sums")
    if zoo_result:
        how = "Open Model Zoo: no mirror images, half cosine distance, 10 subsets, median threshold"
        table.add_row(
            "accuracy", f"{zoo_result.accuracy:.5f}", "", f"{how}; {zoo_result.correct} of {result.count} right"
        )
    drawn = f"{summary.similarity}; {summary.resamples} resamples of {summary.resampled}, seed {summary.seed}"
    table.add_row("AUC", f"{summary.auc:.6f}", _interval(summary.auc_interval), drawn)
    table.add_row("EER", f"{summary.eer:.5f}", _interval(summary.eer_interval), drawn)
    for point, interval in zip(summary.points, summary.point_intervals, strict=True):
        few = "" if point.target * summary.impostor >= 30 else "; fewer than 30 false accepts: a wide guess"
        what = f"FAR found {point.far:.5f} at similarity {point.threshold:.4f}{few}"
        table.add_row(f"TAR at FAR {point.target:g}", f"{point.tar:.5f}", _interval(interval), what)
    for target in summary.refused:
        table.add_row(
            f"TAR at FAR {target:g}",
            "refused",
            "",
            f"needs {math.ceil(1 / target):,} impostor pairs; there are {summary.impostor:,}",
        )
    for group in summary.groups:
        what = f"at similarity {summary.group_threshold:.4f}, as for all; {group.genuine} genuine, {group.impostor} impostor pairs"
        rates = (("TAR", group.tar, group.tar_interval), ("FAR", group.far, group.far_interval))
        for name, rate, interval in rates:
            table.add_row(f"{name}, {group.group}", "-" if rate is None else f"{rate:.5f}", _interval(interval), what)
    for figure in result.published:
        significance = figure.why_not or f"p = {figure.p_value:.3g}, exact binomial test of {result.count} pairs"
        table.add_row(
            "published",
            f"{figure.value:.5f}",
            f"{figure.difference:+.5f}",
            f"{figure.protocol}; {significance}; {figure.source}",
        )
    out.print(table)


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:.5f} to {high:.5f}" if math.isfinite(low) else "-"


def _write_roc(path: Path, curve: Roc) -> None:
    """Every operating point: threshold, far, tar."""
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["similarity", "far", "tar"])
        table.writerows(zip(curve.thresholds.tolist(), curve.far.tolist(), curve.tar.tolist(), strict=True))
        text.detach()


def _calibrate(path: Path, far: float, pairs: PairSet, embedded: PairEmbeddings, result: Evaluation) -> None:
    """A threshold for single images: `compare` adds no mirror images, so neither is one added here."""
    if not embedded.provenance.model_sha256:
        raise InputError("the embeddings do not say which model they come from; a threshold holds for one model only")
    plain = evaluate_pairs(pairs, embedded, protocol="omz", resamples=1)
    impostors = result.summary.impostor
    point = tar_at_far(plain.curve, far, impostors)
    if not math.isfinite(point.threshold) or point.far * impostors < 1:
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
