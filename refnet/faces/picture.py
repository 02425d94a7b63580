"""A picture of an alignment: what was found in the photograph, and how it fits the template, for the eye.

On the left the face in the photograph, turned and scaled as the crop but with more around it: the frame of the crop and
the landmarks. On the right the crop: the template as crosses, the landmarks as discs, the residual of each in pixels.
Drawn by Pillow; the crop's own pixels are repeated, not smoothed.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from refnet.errors import InputError
from refnet.faces.align import Alignment, apply, template, warp
from refnet.graph import Array

_PIXEL = 4  # picture pixels to one of a crop of 112
_SIDE = 112 * _PIXEL
_AROUND = 2.0  # what is shown of the photograph, in widths of the crop
_FOUND, _MEANT, _FRAME = "#ffb000", "#00c8ff", "#ffffff"
_GAP, _TEXT = 12, 18


def alignment_picture(image: Array, alignment: Alignment) -> Image.Image:
    """Draw an alignment.

    Parameters
    ----------
    image : (H, W, 3) uint8, RGB
        The photograph that was aligned.

    Returns
    -------
    PIL.Image.Image, RGB
    """
    size = len(alignment.crop)
    target, moved = template(size), apply(alignment.matrix, alignment.landmarks)
    if not np.isfinite(moved).all():
        raise InputError("the alignment holds values that are not finite")
    picture = Image.new("RGB", (2 * _SIDE + 3 * _GAP, _SIDE + 2 * _GAP + 3 * _TEXT), "#202020")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    left, right = (_GAP, _GAP), (2 * _GAP + _SIDE, _GAP)

    wide = _SIDE / (size * _AROUND)
    margin = (_AROUND - 1) / 2 * _SIDE / _AROUND
    around = np.array([[wide, 0, margin], [0, wide, margin]])  # crop to the left side
    turned = np.concatenate([alignment.matrix[:, :2] * wide, apply(around, alignment.matrix[:, 2:].T).T], axis=1)
    picture.paste(Image.fromarray(warp(image, turned, _SIDE)), left)
    frame = (apply(around, np.array([[-0.5, -0.5], [size - 0.5, size - 0.5]])) + left).ravel().tolist()
    draw.rectangle(frame, outline=_FRAME)
    for x, y in (apply(around, moved) + left).tolist():
        _disc(draw, x, y)

    picture.paste(Image.fromarray(alignment.crop).resize((_SIDE, _SIDE), Image.Resampling.NEAREST), right)
    near = np.array([[_SIDE / size, 0, _SIDE / size / 2], [0, _SIDE / size, _SIDE / size / 2]])  # centres of pixels
    places = zip(apply(near, target) + right, apply(near, moved) + right, alignment.residuals, strict=True)
    for (tx, ty), (x, y), residual in places:
        draw.line([(tx - 7, ty), (tx + 7, ty)], fill=_MEANT, width=2)
        draw.line([(tx, ty - 7), (tx, ty + 7)], fill=_MEANT, width=2)
        draw.line([(tx, ty), (x, y)], fill=_FOUND, width=1)
        _disc(draw, x, y)
        draw.text((x + 8, y + 4), f"{residual:.2f}", fill=_FRAME, font=font, stroke_width=2, stroke_fill="#000000")

    lines = (
        f"{size} x {size} pixels; face turned by {alignment.angle_degrees:z.1f} degrees, scaled by {alignment.scale:.3f}",
        f"residual {alignment.rms:.2f} pixels of the crop (root mean square); outside the photograph {alignment.outside:.0%}",
        "disc: landmark; cross: template; frame: what is cut out",
    )
    for number, line in enumerate(lines):
        draw.text((_GAP, _SIDE + 2 * _GAP + number * _TEXT - 4), line, fill=_FRAME, font=font)
    return picture


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float) -> None:
    """A landmark."""
    draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill=_FOUND, outline="#000000")
