"""The explanation for the eye: both faces, the maps over the first, the curves and the units, on one sheet.

Blue is what makes the two faces alike, red what makes them differ; the two are told apart by colour-blind people too
(ColorBrewer, RdBu). Each map has its own scale, drawn beside it. Needs matplotlib.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from refnet.audit.explain.explanation import Explanation
from refnet.audit.explain.labels import drawable, shortened
from refnet.audit.explain.robustness import Curve, spoilt
from refnet.audit.explain.units import WithoutUnit
from refnet.errors import MissingExtraError
from refnet.graph import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
_ALIKE, _UNLIKE, _SIZE = "#2166ac", "#b2182b", "#542788"
_INK, _FAINT = "#202020", "#8a8a8a"
_WIDTH, _FACES, _CURVES, _UNITS, _WORDS = 13.0, 3.1, 2.6, 2.1, 0.55  # inches: of the sheet, of a row of each, of a line
_STRONGEST = 0.99  # the quantile of a map's sizes that has the full colour, so that one pixel does not hide the rest
_NAMED_UNITS = 3
_IN_A_ROW = 4
_LINE = 180  # characters of the smallest size on the width of the sheet
_SLOTS_HIGH = 3.0  # a curve is as high as so many of the images below it
_STYLE: Any = {"font.size": 9, "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _FAINT, "xtick.color": _INK,
          "ytick.color": _INK, "axes.titlesize": 10, "axes.titlelocation": "left", "text.parse_math": False}  # fmt: skip


def require_matplotlib() -> None:
    """Refuse, before any work is done for a picture, if nothing can draw it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            'the picture is drawn by matplotlib, which is not installed; run: pip install "refnet[report]"'
        ) from error


def write_picture(
    file: BinaryIO,
    explanation: Explanation,
    threshold: float | None = None,
    *,
    a: str = "",
    b: str = "",
    words: str = "",
) -> None:
    """Draw an explanation as PNG; arguments as in `explanation_picture`."""
    require_matplotlib()
    from matplotlib import style

    with style.context("default"):  # whatever the user's own is
        sheet = explanation_picture(explanation, threshold, a=a, b=b, words=words)
        sheet.savefig(file, format="png", metadata={"Software": None})


def explanation_picture(
    explanation: Explanation, threshold: float | None = None, *, a: str = "", b: str = "", words: str = ""
) -> "Figure":
    """Draw an explanation.

    Parameters
    ----------
    explanation : Explanation
        The parts that are None are left out.
    threshold : float, optional
        A similarity, drawn into the curves.
    a, b : str
        Names of the images.
    words : str
        A line for the foot of the sheet: which model it is of.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        rows = [_FACES]
        curves = explanation.robustness or ()
        if curves:
            rows.append(_CURVES * -(-len(curves) // _IN_A_ROW))
        if explanation.units:
            rows.append(_UNITS)
        sheet = Figure(figsize=(_WIDTH, sum(rows) + _WORDS), dpi=DPI, layout="constrained", facecolor="white")
        parts = iter(np.ravel(sheet.subfigures(len(rows), height_ratios=rows, squeeze=False)))
        faces = next(parts)
        faces.suptitle(_key(bool(curves) and threshold is not None), x=0.005, ha="left", size=9)
        _faces(faces, explanation, a, b)
        if curves:
            _curves(next(parts), explanation.pixels, curves, threshold)
        if explanation.units:
            _units(next(parts), explanation.units, explanation.similarity)
        sheet.suptitle(_verdict(explanation.similarity, threshold), x=0.005, ha="left", size=13, weight="bold")
        if words:
            sheet.supxlabel(shortened(drawable(words), _LINE), x=0.005, ha="left", size=8, color=_FAINT)
    return sheet


def _verdict(similarity: float, threshold: float | None) -> str:
    """The first line."""
    if threshold is None:
        return f"Similarity {similarity:.4f}"
    return (
        f"Similarity {similarity:.4f}, {'at least' if similarity >= threshold else 'below'} the threshold {threshold:g}"
    )


def _key(decided: bool) -> str:
    """What the colours and marks mean."""
    colours = "Blue: makes A like B. Red: makes them differ. Each map has its own scale."
    return colours + (" Dashed: the threshold; hollow squares lie below it." if decided else "")


def _faces(part: Any, explanation: Explanation, a: str, b: str) -> None:
    """Both faces, and the maps that there are."""
    face, other = explanation.pixels, explanation.others
    drawn = [explanation.occlusion, explanation.integrated, explanation.gradient]
    places = iter(part.subplots(1, 2 + sum(found is not None for found in drawn)))
    for letter, name, pixels in (("A", a, face), ("B", b, other)):
        place = next(places)
        place.imshow(pixels.transpose(1, 2, 0))
        _titled(place, f"{letter}  {shortened(drawable(name))}")
    if explanation.occlusion is not None:
        _occlusion(next(places), explanation)
    if explanation.integrated is not None:
        found = explanation.integrated
        place = next(places)
        _map(place, face, found.contributions.sum(axis=0), "what each pixel adds to it")
        _titled(place, "Integrated gradients", f"sum {found.contributions.sum():+.4f}, off by {found.error:.2%}")
    if explanation.gradient is not None:
        place = next(places)
        _map(place, face, np.abs(explanation.gradient).sum(axis=0), "change for one step of a pixel", signed=False)
        _titled(place, "Gradient, its size")


def _occlusion(place: "Axes", explanation: Explanation) -> None:
    """What covering each place takes; the square that takes most is outlined."""
    covered = explanation.occlusion
    assert covered is not None
    from matplotlib.patches import Rectangle

    i, j = np.unravel_index(np.argmin(covered.changes), covered.changes.shape)
    _map(place, explanation.pixels, -covered.per_pixel(*explanation.pixels.shape[1:]), "lost where covered")
    corner = (covered.lefts[j] - 0.5, covered.tops[i] - 0.5)
    place.add_patch(Rectangle(corner, covered.square_px, covered.square_px, fill=False, edgecolor=_INK, linewidth=1.2))
    _titled(place, "Occlusion", f"outlined: {covered.changes.min():+.4f}")


def _titled(place: "Axes", words: str, below: str = "") -> None:
    """An image without ticks, its words above and below."""
    place.set_title(words)
    place.set_xlabel(below, loc="left")
    place.set_xticks([])
    place.set_yticks([])


def _map(place: "Axes", pixels: Array, values: Array, words: str, *, signed: bool = True) -> None:
    """Values in colour over a face, and their scale."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    above = _ALIKE if signed else _SIZE
    blended, scale = over_face(pixels, values, above)
    place.imshow(blended.transpose(1, 2, 0))
    colours = LinearSegmentedColormap.from_list("", [_UNLIKE, "white", above] if signed else ["white", above])
    bar = place.figure.colorbar(
        ScalarMappable(Normalize(-scale if signed else 0, scale), colours),
        ax=place,
        fraction=0.05,
        pad=0.02,
        extend="both" if signed else "max",
        format="%.2g",
    )
    bar.set_label(words, size=8)
    bar.set_ticks([-scale, 0, scale] if signed else [0, scale])
    bar.ax.tick_params(labelsize=8)


def over_face(pixels: Array, values: Array, above: str = _ALIKE) -> tuple[Array, float]:
    """Values in colour over a pale grey face: above zero blue, below red; what is near zero lets the face through.

    Parameters
    ----------
    pixels : (3, H, W) uint8
    values : (H, W) float64
    above : colour of what is above zero, #rrggbb

    Returns
    -------
    (3, H, W) uint8, and the size of value that has the full colour.
    """
    scale = float(np.quantile(np.abs(values), _STRONGEST)) or 1.0
    strength = np.clip(np.abs(values) / scale, 0, 1)
    face = (255 + pixels.mean(axis=0)) / 2
    over, under = (np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)[:, None, None] for colour in (above, _UNLIKE))
    blended = (1 - strength) * face + strength * np.where(values > 0, over, under)
    return np.rint(blended).astype(np.uint8), scale


def _curves(part: Any, pixels: Array, curves: Sequence[Curve], threshold: float | None) -> None:
    """The curves on one scale, the spoilt image below each point."""
    slots = max(len(curve.amounts) for curve in curves)
    lowest = min(0.0, *(value for curve in curves for value in curve.similarities), threshold or 0.0)
    rows = -(-len(curves) // _IN_A_ROW)
    grid = part.add_gridspec(2 * rows, _IN_A_ROW, height_ratios=[_SLOTS_HIGH, 1] * rows, hspace=0)
    for n, curve in enumerate(curves):
        row, column = divmod(n, _IN_A_ROW)
        place, strip = (part.add_subplot(grid[2 * row + below, column]) for below in (0, 1))
        _curve(place, curve, threshold)
        _strip(strip, spoilt(pixels, curve.way, curve.amounts))
        place.set_xlim(-0.5, slots - 0.5)
        strip.set_xlim(-0.5, slots - 0.5)
        place.set_ylim(lowest - 0.05, 1.05)
        if column == 0:
            place.set_ylabel("similarity to B")
        else:
            place.tick_params(labelleft=False)


def _curve(place: "Axes", curve: Curve, threshold: float | None) -> None:
    """Similarity over equally spaced amounts; hollow squares lie below the threshold."""
    values, at = np.array(curve.similarities), np.arange(len(curve.amounts))
    below = np.zeros(len(at), bool) if threshold is None else values < threshold
    if threshold is not None:
        place.axhline(threshold, color=_INK, linestyle="--", linewidth=1)
    place.plot(at, values, color=_ALIKE, linewidth=1.5)
    place.plot(at[~below], values[~below], "o", color=_ALIKE)
    place.plot(at[below], values[below], "s", markerfacecolor="white", markeredgecolor=_UNLIKE, markeredgewidth=1.5)
    place.set_xticks(at, [f"{amount:g}" for amount in curve.amounts])
    place.set_title(f"{curve.way}: {curve.unit}")
    place.spines[["top", "right"]].set_visible(False)


def _strip(place: "Axes", images: Array) -> None:
    """Images side by side, one for each point of a curve above."""
    for n, image in enumerate(images):
        place.imshow(image.transpose(1, 2, 0), extent=(n - 0.47, n + 0.47, 0.03, 0.97))
    place.set_ylim(0, 1)
    place.set_anchor("N")
    place.set(xticks=[], yticks=[])
    place.set_axis_off()


def _units(part: Any, units: Sequence[WithoutUnit], similarity: float) -> None:
    """A bar for each unit."""
    changes = np.array([unit.similarity - similarity for unit in units])
    place = part.subplots()
    at = np.arange(1, len(units) + 1)
    place.bar(at, changes, color=np.where(changes < 0, _ALIKE, _UNLIKE))
    place.axhline(0, color=_INK, linewidth=0.8)
    most = np.argsort(-np.abs(changes), kind="stable")[:_NAMED_UNITS]
    named = ", ".join(f"{n + 1} {shortened(drawable(units[n].name))} {changes[n]:+.3f}" for n in most)
    place.set_title(f"Units: similarity without one, less similarity with all; most: {named}")
    place.set_xlim(0.25, len(units) + 0.75)
    place.xaxis.get_major_locator().set_params(integer=True)
    place.set_xlabel("residual unit, in the order of the network")
    place.set_ylabel("change")
    place.spines[["top", "right", "bottom"]].set_visible(False)
