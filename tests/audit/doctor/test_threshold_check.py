"""Thresholds in the wrong unit."""

import pytest

from refnet.audit.doctor.threshold_check import PUBLISHED, Said
from tests.audit.doctor.patients import ask, found


@pytest.mark.parametrize(("value", "metric"), [(value, metric) for value, metric, _ in PUBLISHED])
def test_published_thresholds_pass_in_their_own_unit(value: float, metric: str) -> None:
    assert ask("threshold-unit", Said(value, metric)).status == "passed"  # type: ignore[arg-type]


def test_a_value_no_cosine_can_have_is_a_problem() -> None:
    severity, said, evidence = found("threshold-unit", Said(1.24, "cosine"))
    assert (severity, said) == ("problem", "1.24 cannot be a cosine")
    assert "insightface's older examples: 1.24 as squared_l2 is the cosine 0.38" in evidence


def test_a_published_value_in_another_unit_is_a_warning() -> None:
    severity, said, evidence = found("threshold-unit", Said(0.3, "cosine"))
    assert severity == "warning"
    assert said == "0.3 is known as a half_cosine_distance, and is said to be a cosine"
    assert "0.3 as half_cosine_distance is the cosine 0.4" in evidence


def test_a_threshold_that_hardly_anyone_or_everyone_passes_is_a_warning() -> None:
    assert found("threshold-unit", Said(0.93, "cosine"))[1] == "at this threshold hardly anyone matches"
    severity, said, evidence = found("threshold-unit", Said(1.5, "l2"))
    assert (severity, said) == ("warning", "at this threshold strangers match")
    assert "as squared_l2: the cosine 0.25" in evidence


def test_a_cosine_of_ones_own_calibration_passes() -> None:
    assert ask("threshold-unit", Said(0.41, "cosine")).status == "passed"
