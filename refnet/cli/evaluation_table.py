"""What `refnet evaluate` prints of a result, and the file of its curve."""

import csv
import io
import math
from pathlib import Path

from rich.table import Table

from refnet.cli.console import out
from refnet.evaluation.embedded import PairEmbeddings
from refnet.evaluation.evaluate import Evaluation
from refnet.evaluation.rates import Roc
from refnet.files import replacing


def print_evaluation(result: Evaluation, embedded: PairEmbeddings) -> None:
    """One line a figure, each with its protocol."""
    summary = result.summary
    origin = embedded.provenance
    out.print(f"{result.pairs}: {summary.genuine:,} genuine and {summary.impostor:,} impostor pairs")
    out.print(f"{origin.model}, sha256 {origin.model_sha256[:16]}..., {origin.engine} engine")
    table = Table("figure", "value", "95 %", "protocol", box=None, pad_edge=False)
    face, zoo_result = result.insightface, result.omz
    if face:
        how = "InsightFace: mirror images added, squared distance, 10 folds, threshold searched"
        table.add_row(
            "accuracy",
            f"{face.accuracy:.5f} +- {face.accuracy_std:.5f}",
            "",
            f"{how}; {_right(face.correct, result, 'insightface')}",
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
            "accuracy", f"{zoo_result.accuracy:.5f}", "", f"{how}; {_right(zoo_result.correct, result, 'omz')}"
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
        shared = summary.group_point
        at = "" if shared is None else f"at similarity {shared.threshold:.4f}, where FAR is {shared.far:g} over all; "
        what = f"{at}{group.genuine} genuine, {group.impostor} impostor pairs"
        rates = (("TAR", group.tar, group.tar_interval), ("FAR", group.far, group.far_interval))
        for name, rate, interval in rates:
            table.add_row(f"{name}, {group.group}", "-" if rate is None else f"{rate:.5f}", _interval(interval), what)
    for figure in result.published:
        significance = figure.why_not
        if figure.p_value is not None:
            beyond = "beyond chance" if figure.p_value < 0.05 else "within chance"
            significance = f"{beyond}: p = {figure.p_value:.3g}, exact binomial test of {result.count:,} pairs"
        table.add_row(
            "published",
            f"{figure.value:.5f}",
            f"{figure.difference:+.5f}",
            f"{figure.protocol}; {significance}; {figure.source}",
        )
    out.print(table)


def _right(correct: int, result: Evaluation, protocol: str) -> str:
    unmixed = "; NOT comparable: unmixed folds" if protocol in result.cautions else ""
    return f"{correct:,} of {result.count:,} right{unmixed}"


def _interval(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{low:.5f} to {high:.5f}" if math.isfinite(low) else "-"


def write_roc(path: Path, curve: Roc) -> None:
    """Every operating point: threshold, far, tar."""
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["similarity", "far", "tar"])
        table.writerows(zip(curve.thresholds.tolist(), curve.far.tolist(), curve.tar.tolist(), strict=True))
        text.detach()
