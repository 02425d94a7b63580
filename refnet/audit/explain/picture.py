"""The explanation for the eye: maps over the first face, and the curves, on one sheet.

Blue is what makes the two faces alike, red what makes them differ: covering a blue place makes them less alike. Each
map has its own scale, which is written below it. Drawn by Pillow; pixels are repeated, not smoothed.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from refnet.audit.explain.explanation import Explanation
from refnet.audit.explain.robustness import Curve
from refnet.graph import Array

_SIDE, _GAP, _TEXT, _COLUMNS = 280, 12, 34, 5
_ALIKE, _UNLIKE = np.array([40, 110, 255.0]), np.array([255, 60, 30.0])
_GROUND, _INK, _LINE, _THRESHOLD = "#202020", "#ffffff", "#00c8ff", "#ffb000"
_ROUGHEST = 0.99  # the quantile of a map's sizes that has the full colour, so that one pixel does not hide the rest

Tile = tuple[Image.Image, str]


def explanation_picture(explanation: Explanation, threshold: float | None = None) -> Image.Image:
    """Draw an explanation.

    Parameters
    ----------
    threshold : float, optional
        A similarity, drawn into the curves.

    Returns
    -------
    PIL.Image.Image, RGB
    """
    face, other = explanation.pixels, explanation.others
    tiles: list[Tile] = [
        (_shown(face), f"A: similarity to B {explanation.similarity:.4f}"),
        (_shown(other), "B"),
    ]
    if explanation.occlusion is not None:
        covered = explanation.occlusion
        values = -covered.per_pixel(*face.shape[1:])
        tiles.append(_map(face, values, f"occlusion, {covered.square_px} px"))
    if explanation.gradient is not None:
        values = np.abs(explanation.gradient).sum(axis=0)
        tiles.append(_map(face, values, "gradient, size"))
    if explanation.integrated is not None:
        values = explanation.integrated.contributions.sum(axis=0)
        tiles.append(_map(face, values, f"integrated, off by {explanation.integrated.error:.2%}"))
    for curve in explanation.robustness or ():
        tiles.append(_curve(curve, threshold))
    if explanation.units:
        changes = [unit.similarity - explanation.similarity for unit in explanation.units]
        tiles.append((_bars(changes), f"{len(changes)} units left out, {min(changes):+.3f} .. {max(changes):+.3f}"))
    return _sheet(tiles)


def _sheet(tiles: Sequence[Tile]) -> Image.Image:
    """The tiles in rows, each with its words below."""
    rows = -(-len(tiles) // _COLUMNS)
    columns = min(len(tiles), _COLUMNS)
    sheet = Image.new("RGB", (columns * (_SIDE + _GAP) + _GAP, rows * (_SIDE + _TEXT) + _GAP), _GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for n, (tile, words) in enumerate(tiles):
        left, top = _GAP + n % _COLUMNS * (_SIDE + _GAP), _GAP + n // _COLUMNS * (_SIDE + _TEXT)
        sheet.paste(tile, (left, top))
        draw.text((left, top + _SIDE + 4), words, fill=_INK, font=font)
    return sheet


def _shown(pixels: Array) -> Image.Image:
    """A crop as a tile."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return image.resize((_SIDE, _SIDE), Image.Resampling.NEAREST)


def _map(pixels: Array, values: Array, words: str) -> Tile:
    """A map as a tile."""
    blended, scale = over_face(pixels, values)
    return _shown(blended), f"{words}; full colour {scale:.2g}"


def over_face(pixels: Array, values: Array) -> tuple[Array, float]:
    """Values in colour over a grey face: above zero blue, below red.

    Parameters
    ----------
    pixels : (3, H, W) uint8
    values : (H, W) float64

    Returns
    -------
    (3, H, W) uint8, and the size of value that has the full colour.
    """
    scale = float(np.quantile(np.abs(values), _ROUGHEST)) or 1.0
    strength = np.clip(np.abs(values) / scale, 0, 1)[..., np.newaxis]
    grey = 0.5 * pixels.mean(axis=0)[..., np.newaxis]
    colour = np.where(values[..., np.newaxis] > 0, _ALIKE, _UNLIKE)
    blended = np.rint((1 - strength) * grey + strength * colour).astype(np.uint8)
    return blended.transpose(2, 0, 1), scale


def _curve(curve: Curve, threshold: float | None) -> Tile:
    """Similarity from 0 at the bottom to 1 at the top, over equally spaced amounts."""
    tile = Image.new("RGB", (_SIDE, _SIDE), "#000000")
    draw, font = ImageDraw.Draw(tile), ImageFont.load_default(11)
    low, high, margin = 0.0, 1.0, 22
    room = _SIDE - 2 * margin

    def down(value: float) -> float:
        return margin + room * (high - min(max(value, low), high))

    count = len(curve.amounts)
    points = [(margin + room * n / (count - 1), down(value)) for n, value in enumerate(curve.similarities)]
    if threshold is not None:
        draw.line([(margin, down(threshold)), (margin + room, down(threshold))], fill=_THRESHOLD)
    draw.line(points, fill=_LINE, width=2)
    for (x, y), amount in zip(points, curve.amounts, strict=True):
        below = threshold is not None and y > down(threshold)
        draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=_THRESHOLD if below else _LINE)
        draw.text((x, _SIDE - 8), f"{amount:g}", fill=_INK, font=font, anchor="mm")
    draw.text((4, 4), "1", fill=_INK, font=font)
    draw.text((4, _SIDE - margin - 12), "0", fill=_INK, font=font)
    return tile, f"{curve.way}: {curve.unit}"


def _bars(changes: Sequence[float]) -> Image.Image:
    """A bar for each unit, up where the similarity grows."""
    tile = Image.new("RGB", (_SIDE, _SIDE), "#000000")
    draw = ImageDraw.Draw(tile)
    middle, largest = _SIDE / 2, max(map(abs, changes)) or 1.0
    width = _SIDE / len(changes)
    draw.line([(0, middle), (_SIDE, middle)], fill=_INK)
    for n, change in enumerate(changes):
        end = middle - change / largest * (middle - 8)
        top, bottom = sorted((end, middle))
        draw.rectangle([n * width + 1, top, (n + 1) * width - 1, bottom], fill=_LINE if change < 0 else _THRESHOLD)
    return tile
