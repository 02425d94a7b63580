"""Landmarks beside templates: the right one, others that are in use, and none."""

import numpy as np
import pytest

from refnet.audit.doctor.alignment import ARCFACE, OTHERS, fit, misalignment
from refnet.graph import Array
from tests.comparison import assert_within

# openvinotoolkit/open_model_zoo demos/face_recognition_demo/python/face_identifier.py, in shares of the region.
OMZ = np.array(
    [
        (30.2946 / 96, 51.6963 / 112),
        (65.5318 / 96, 51.5014 / 112),
        (48.0252 / 96, 71.7366 / 112),
        (33.5493 / 96, 92.3655 / 112),
        (62.7299 / 96, 92.2041 / 112),
    ]
)


def _jitter(points: Array, count: int = 9) -> Array:
    """The points of several crops, each found with an error of half a pixel."""
    return points + np.random.default_rng(0).normal(0, 0.5, (count, 5, 2))


def _turned(degrees: float, scale: float, shift: tuple[float, float]) -> Array:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned: Array = scale * (ARCFACE - 56) @ np.array([[c, s], [-s, c]]) + 56 + shift
    return turned


def test_aligned_crops_pass() -> None:
    assert misalignment(_jitter(ARCFACE)) == []


def test_crops_of_another_size_are_measured_in_their_own_pixels() -> None:
    assert misalignment(_jitter(ARCFACE) * 2, side=224) == []


def test_the_stretched_template_is_that_of_the_demo() -> None:
    assert_within(OTHERS["Open Model Zoo's demo (the 96 x 112 template, stretched)"], OMZ * 112, 1e-12)


def test_the_demos_template_is_told_from_the_right_one() -> None:
    (finding,) = misalignment(_jitter(OMZ * 112))
    assert finding.severity == "warning"
    assert finding.sentence.startswith("crops are aligned to another template: Open Model Zoo's demo")


@pytest.mark.parametrize("name", list(OTHERS))
def test_every_other_template_is_named(name: str) -> None:
    (finding,) = misalignment(_jitter(OTHERS[name]))
    assert finding.sentence.endswith(name)


def test_exchanged_sides_are_a_problem() -> None:
    (finding,) = misalignment(_jitter(ARCFACE[[1, 0, 2, 4, 3]]))
    assert finding.severity == "problem"
    assert finding.sentence.startswith("left and right are exchanged")


@pytest.mark.parametrize(
    ("degrees", "scale", "shift", "severity"),
    [(30, 1, (0, 0), "problem"), (0, 0.6, (0, 0), "problem"), (0, 1, (0, 12), "problem"), (8, 1, (3, 0), "warning")],
)
def test_crops_that_are_not_aligned_say_what_they_need(
    degrees: float, scale: float, shift: tuple[float, float], severity: str
) -> None:
    (finding,) = misalignment(_turned(degrees, scale, shift)[np.newaxis])
    assert (finding.severity, finding.sentence) == (severity, "crops are not aligned")
    needed = finding.evidence[1].found
    assert f"turn by {-degrees:.1f} degrees, scale by {1 / scale:.3f}" in needed
    assert needed.endswith("0.00 px remain")


def test_the_fit_undoes_a_known_transform() -> None:
    found = fit(_turned(17, 1.25, (4, -7)))
    assert_within(found.degrees, -17, 1e-10)
    assert_within(found.scale, 0.8, 1e-12)
    assert_within(found.after, 0, 1e-10)


def test_what_no_similarity_can_undo_remains() -> None:
    squashed = ARCFACE * [1, 0.8]
    found = fit(squashed)
    assert 0 < found.after < found.residual
    # the least-squares optimum: no similarity nearby is better
    z, w = squashed @ [1, 1j], ARCFACE @ [1, 1j]
    a = found.scale * np.exp(1j * np.radians(found.degrees))
    for change in (0.01, -0.01, 0.01j, -0.01j):
        rest = (w - w.mean()) - (a + change) * (z - z.mean())
        assert np.sqrt(np.mean(abs(rest) ** 2)) > found.after
