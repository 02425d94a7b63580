"""Draw the two sample portraits that demo, tests and the synthetic model use.

    python tools/draw_samples.py

They are drawings, 112 x 112, with eyes, nose and mouth where the ArcFace template expects them (left eye 38.3, 51.7;
right eye 73.5, 51.5; nose 56.0, 71.7; mouth 41.5, 92.4 and 70.7, 92.2). Committed as PNG: lossless, a few kB.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SCALE = 8  # drawn large and reduced, for soft edges
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Portrait:
    """What distinguishes one drawing from another."""

    name: str
    background: tuple[Colour, Colour]
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    jaw: float  # half width of the face, pixels
    fringe: float  # how far the hair reaches down the forehead, pixels
    brow: float  # thickness of the eyebrows, pixels
    smile: float  # how far the middle of the mouth hangs, pixels
    seed: int


PORTRAITS = (
    Portrait("sample_a.png", ((96, 132, 158), (188, 204, 210)), (206, 152, 120), (52, 34, 26), (70, 48, 32), (158, 78, 74), 36, 27, 2.6, 4.0, 1),
    Portrait("sample_b.png", ((142, 120, 96), (86, 98, 84)), (240, 204, 182), (178, 138, 78), (72, 112, 136), (196, 104, 104), 32, 24, 1.6, 1.5, 2),
)  # fmt: skip


def draw(portrait: Portrait) -> Image.Image:
    """One portrait, 112 x 112 RGB."""
    size = 112 * SCALE
    top, bottom = (np.array(colour, dtype=float) for colour in portrait.background)
    ramp = np.linspace(0, 1, size)[:, None, None]
    image = Image.fromarray(np.broadcast_to(top + (bottom - top) * ramp, (size, size, 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)

    def box(x: float, y: float, rx: float, ry: float) -> list[float]:
        return [(x - rx) * SCALE, (y - ry) * SCALE, (x + rx) * SCALE, (y + ry) * SCALE]

    def shade(colour: Colour, factor: float) -> Colour:
        return tuple(int(min(255, channel * factor)) for channel in colour)  # type: ignore[return-value]

    pen.ellipse(box(56, 52, portrait.jaw + 8, 52), fill=portrait.hair)
    pen.rectangle(box(56, 112, 17, 16), fill=shade(portrait.skin, 0.82))
    pen.ellipse(box(56, 124, 52, 16), fill=shade(portrait.iris, 0.9))
    pen.ellipse(box(56, 64, portrait.jaw, 46), fill=portrait.skin)
    pen.ellipse(box(56 - portrait.jaw * 0.55, 80, 9, 7), fill=shade(portrait.skin, 1.06))
    pen.ellipse(box(56 + portrait.jaw * 0.55, 80, 9, 7), fill=shade(portrait.skin, 0.94))
    pen.chord(box(56, 40, portrait.jaw + 2, portrait.fringe), 180, 360, fill=portrait.hair)
    for x, y in ((38.3, 51.7), (73.5, 51.5)):
        pen.ellipse(box(x, y, 7.2, 4.2), fill=(244, 242, 238))
        pen.ellipse(box(x, y, 3.6, 3.9), fill=portrait.iris)
        pen.ellipse(box(x, y, 1.7, 1.8), fill=(16, 14, 14))
        pen.ellipse(box(x + 1.2, y - 1.3, 0.8, 0.8), fill=(252, 252, 252))
        pen.arc(box(x, y + 2, 9.5, 11), 205, 335, fill=shade(portrait.hair, 0.8), width=int(portrait.brow * SCALE))
    pen.polygon(
        [(v[0] * SCALE, v[1] * SCALE) for v in ((54, 54), (58, 54), (60.5, 72), (51.5, 72))],
        fill=shade(portrait.skin, 1.05),
    )
    pen.ellipse(box(56, 71.7, 5.5, 3.4), fill=shade(portrait.skin, 0.95))
    for x in (53.2, 58.8):
        pen.ellipse(box(x, 73.4, 1.3, 0.9), fill=shade(portrait.skin, 0.55))
    pen.chord(box(56.1, 91, 14.6, 3 + portrait.smile), 0, 180, fill=portrait.lips)
    pen.chord(box(56.1, 91.6, 14.6, 3.2), 180, 360, fill=shade(portrait.lips, 0.86))

    small = image.filter(ImageFilter.GaussianBlur(SCALE / 2)).resize((112, 112), Image.Resampling.LANCZOS)
    grain = np.random.default_rng(portrait.seed).integers(-5, 6, (112, 112, 1))
    return Image.fromarray(np.clip(np.asarray(small, dtype=int) + grain, 0, 255).astype(np.uint8))


def main() -> None:
    """Write the portraits into the package."""
    folder = Path(__file__).parents[1] / "refnet" / "samples"
    for portrait in PORTRAITS:
        draw(portrait).save(folder / portrait.name, optimize=True)
        print(folder / portrait.name)


if __name__ == "__main__":
    main()
