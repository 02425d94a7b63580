"""What one pair's similarity rests on, as charts and as maps over the first face.

Maps are pictures of the face in grey with colour on it: blue where a place makes the two faces alike, red where it makes
them differ. Pixels are repeated, not smoothed.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from refnet.audit.explain.occlusion import Occlusion
from refnet.audit.explain.picture import over_face
from refnet.audit.report.page.chart import BAD, LINE, MUTED, OURS, THEIRS, as_svg, drawing
from refnet.audit.report.page.text import visible
from refnet.graph import Array


def map_png(face: str, values: Array) -> tuple[str, float]:
    """A map over a face.

    Parameters
    ----------
    face : a crop as PNG in base64
    values : (H, W), above zero what makes alike

    Returns
    -------
    PNG in base64, and the size of value that has the full colour.
    """
    with Image.open(io.BytesIO(base64.b64decode(face))) as image:
        pixels = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    blended, scale = over_face(pixels, values)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(blended.transpose(1, 2, 0))).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii"), scale


def occlusion_values(covered: Mapping[str, Any], height: int, width: int) -> Array:
    """(H, W): by how much the similarity falls when a pixel is covered."""
    changes = np.array(covered["changes"], np.float64)
    tops, lefts = np.array(covered["tops_px"]), np.array(covered["lefts_px"])
    return -Occlusion(changes, tops, lefts, covered["square_px"], math.nan).per_pixel(height, width)


def robustness_chart(curves: Sequence[Mapping[str, Any]], threshold: float | None, name: str) -> str:
    """Similarity by the amount of each way of spoiling the first image: small charts with one scale of similarities."""
    columns = 3
    rows = -(-len(curves) // columns)
    with drawing(name, 720, 160 * rows) as figure:
        grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
        lowest = min(0.0, *(value for curve in curves for value in curve["similarities"]))
        for axes, curve in zip(grid.flat, curves, strict=False):
            axes.plot(curve["amounts"], curve["similarities"], "o-", color=OURS, markersize=3, linewidth=1.3)
            if threshold is not None:
                axes.axhline(threshold, color=BAD, linewidth=1, linestyle=(0, (4, 3)))
            axes.set_title(visible(curve["way"]))
            axes.set_xlabel(visible(curve["unit"]))
            axes.set_ylim(lowest, 1.02)
        for axes in list(grid.flat)[len(curves) :]:
            axes.set_axis_off()
        return as_svg(
            figure, name, "Similarity of the pair by how far the first image is spoilt, one chart for each way"
        )


def units_chart(units: Sequence[Mapping[str, Any]], name: str) -> str:
    """By how much the similarity changes when a residual unit is left out: a bar each, in the order of the network."""
    with drawing(name, 720, 190) as figure:
        axes = figure.subplots()
        changes = [unit["change"] for unit in units]
        colours = [OURS if change < 0 else THEIRS for change in changes]
        axes.bar(range(1, len(units) + 1), changes, color=colours, width=0.75)
        axes.axhline(0, color=LINE, linewidth=1)
        axes.set_xlim(0.2, len(units) + 0.8)
        axes.set_xlabel("residual unit, in the order of the network")
        axes.set_ylabel("change")
        axes.xaxis.grid(visible=False)
        axes.tick_params(axis="x", colors=MUTED)
        return as_svg(figure, name, "Change of the similarity when each residual unit is left out")
