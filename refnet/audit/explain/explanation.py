"""Everything that is asked about the similarity of two faces, as numbers: for files, and for pictures."""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np

from refnet.audit.explain.occlusion import GREY, SQUARE_PX, STRIDE_PX, Occlusion, occlusion
from refnet.audit.explain.robustness import Curve, robustness
from refnet.audit.explain.sensitivity import MOST_POINTS, Attribution, integrated_gradients, similarity_by_pixels
from refnet.audit.explain.units import WithoutUnit, unit_contributions
from refnet.faces.similarity import similarity
from refnet.graph import Array
from refnet.network import Network
from refnet.npz import write_array

Part = Literal["occlusion", "gradient", "integrated", "units", "robustness"]
PARTS: tuple[Part, ...] = ("occlusion", "gradient", "integrated", "units", "robustness")


@dataclass(frozen=True)
class Explanation:
    """The parts that were asked for; the others are None.

    Attributes
    ----------
    pixels, others : (3, H, W) uint8, RGB
        The images that were compared.
    similarity : float
        From the engine of the network.
    gradient : (3, H, W) float64
        Of the similarity, for each step of a pixel's 0..255, in the float64 network.
    """

    pixels: Array
    others: Array
    similarity: float
    occlusion: Occlusion | None = None
    gradient: Array | None = None
    integrated: Attribution | None = None
    units: Sequence[WithoutUnit] | None = None
    robustness: Sequence[Curve] | None = None


def explain(
    network: Network,
    pixels: Array,
    others: Array,
    parts: Sequence[Part] = PARTS,
    *,
    square_px: int = SQUARE_PX,
    stride_px: int = STRIDE_PX,
    most_points: int = MOST_POINTS,
    threads: int | None = None,
    on_step: Callable[[], object] = lambda: None,
) -> Explanation:
    """Ask why the first image is as like the second as it is.

    Parameters
    ----------
    network : Network
        Its engine runs occlusion, units and robustness; gradients are always of the float64 network.
    pixels, others : (3, H, W) uint8, RGB
    parts : what to compute
    square_px, stride_px : of `occlusion`
    most_points : of `integrated_gradients`
    threads : of the fast engine, for the networks without a unit
    on_step : called now and then
    """
    first, second = network.embeddings(network.contract.prepare(np.stack([pixels, others])))

    def step(_: int = 1) -> None:
        on_step()

    return Explanation(
        pixels,
        others,
        similarity(first, second),
        occlusion(network, pixels, second, square_px=square_px, stride_px=stride_px, on_step=step)
        if "occlusion" in parts
        else None,
        similarity_by_pixels(network, pixels, second).gradient if "gradient" in parts else None,
        integrated_gradients(network, pixels, second, np.full(pixels.shape, GREY), step, most_points)
        if "integrated" in parts
        else None,
        unit_contributions(network, pixels, others, threads=threads, on_step=step) if "units" in parts else None,
        robustness(network, pixels, second, step) if "robustness" in parts else None,
    )


def as_json(explanation: Explanation, threshold: float | None) -> dict[str, Any]:
    """The explanation without its maps; absent parts are null."""
    covered, integrated = explanation.occlusion, explanation.integrated
    result: dict[str, Any] = {
        "schema_version": 1,
        "similarity": explanation.similarity,
        "threshold": threshold,
        "occlusion": None,
        "integrated": None,
        "units": None,
        "robustness": None,
    }
    if covered is not None:
        i, j = np.unravel_index(np.argmin(covered.changes), covered.changes.shape)
        result["occlusion"] = {
            "square_px": covered.square_px,
            "largest_loss": float(covered.changes.min()),
            "top_px": int(covered.tops[i]),
            "left_px": int(covered.lefts[j]),
            "squares": covered.changes.size,
            "squares_below_threshold": None
            if threshold is None
            else int((covered.changes + covered.whole < threshold).sum()),
        }
    if integrated is not None:
        result["integrated"] = {
            "baseline_similarity": integrated.start,
            "similarity": integrated.end,
            "sum": float(integrated.contributions.sum()),
            "relative_error": integrated.error,
            "complete": integrated.complete,
            "points": integrated.points,
        }
    if explanation.units is not None:
        result["units"] = [
            {"name": unit.name, "similarity": unit.similarity, "change": unit.similarity - explanation.similarity}
            for unit in explanation.units
        ]
    if explanation.robustness is not None:
        result["robustness"] = [
            {
                "way": curve.way,
                "unit": curve.unit,
                "amounts": list(curve.amounts),
                "similarities": list(curve.similarities),
                "below_threshold_at": None if threshold is None else curve.lost_at(threshold),
            }
            for curve in explanation.robustness
        ]
    return result


def write_maps(explanation: Explanation, file: BinaryIO) -> None:
    """The images and every map, as arrays of an .npz."""
    arrays = {"a": explanation.pixels, "b": explanation.others}
    if explanation.occlusion is not None:
        covered = explanation.occlusion
        arrays |= {"occlusion": covered.changes, "occlusion_tops": covered.tops, "occlusion_lefts": covered.lefts}
    if explanation.gradient is not None:
        arrays["gradient"] = explanation.gradient
    if explanation.integrated is not None:
        arrays["integrated_gradients"] = explanation.integrated.contributions
    held = io.BytesIO()  # an archive needs to seek
    with zipfile.ZipFile(held, "w") as archive:
        for name, array in arrays.items():
            write_array(archive, name, array)
    file.write(held.getvalue())
