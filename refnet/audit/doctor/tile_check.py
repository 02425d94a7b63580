"""Numbers of very different sizes under one tile, which cost the fast engine's Winograd convolutions their digits.

Seen at eight standard deviations of the error of every output (`winograd_error.expected_units`). Measured, the largest of a
network with the sample portraits: synthetic LResNet100E-IR of an eighth of the width 65, trained detectors SCRFD 500m 82
and 2.5g 225, with a photograph 291; docs/numerics.md has the full width, 41. Normal random numbers, with filters of one tap and every third pixel 10, 100 or
1000 times larger: 270, 2,700 and 24,000 with 16 channels, 100, 950 and 12,000 with 256.
"""

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.running import FLAT, Running

MOST = 1000.0  # units of u (|w| * |x|), or 6e-5: four digits of seven are left


def uneven_tiles(running: Running) -> list[Finding] | Skipped:
    """The convolution in which Winograd's error is largest, if that is too large."""
    if running.traced is None:
        return FLAT
    expected = running.forward.roundings
    if not expected:
        return Skipped("the fast engine computes no convolution of it by Winograd's algorithm")
    beyond = [it for it in expected if it.units > MOST]
    if not beyond:
        return []
    worst = max(beyond, key=lambda it: it.units)
    evidence = Evidence(
        f"node {worst.node.name!r}, the worst of {len(beyond)}",
        f"an error of up to {worst.units:.3g} units of u (|w| * |x|)",
        f"below {MOST:g}",
    )
    return [Finding("warning", "numbers far larger than their neighbours cost the fast engine digits", (evidence,))]


CHECKS = (
    Check(
        "uneven-tiles",
        "running",
        "Do numbers far larger than their neighbours cost digits?",
        "Winograd's convolution is accurate to a part of the largest number under a tile of 6 x 6, not of each output's own: "
        "beside a number 10,000 times larger about three digits of seven are left. See docs/numerics.md.",
        "Compute with `--engine reference`, or look for the tensor in which single numbers are so large: a damaged weight, "
        "or an input that was never scaled.",
        uneven_tiles,
    ),
)
