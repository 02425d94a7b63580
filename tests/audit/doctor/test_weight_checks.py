"""Checks of weights: each with its fault planted, and with healthy weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.weight_figures import weight_figures
from refnet.graph import Array, Graph
from tests.audit.doctor.patients import ask, found, small, with_constants, written

CHECKS = ("dead-channels", "outlier-weights", "subnormal-weights", "variances", "copied-weights", "untrained-statistics", "fix-gamma")  # fmt: skip
CONV = "stage3_unit1_conv2_weight"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return written(small(), tmp_path_factory.mktemp("healthy") / "small.onnx")


@pytest.mark.parametrize("check", CHECKS)
def test_healthy_weights_pass(healthy: Patient, check: str) -> None:
    assert ask(check, healthy).status == "passed"


@pytest.fixture
def patient(tmp_path: Path) -> Callable[..., Patient]:
    """A patient with constants changed in place."""

    def planted(**changes: Callable[[Array], None]) -> Patient:
        return written(with_constants(small(), **changes), tmp_path / "planted.onnx")

    return planted


def _put(index: object, value: object) -> Callable[[Array], None]:
    def change(array: Array) -> None:
        array[index] = value  # type: ignore[index]

    return change


def test_filters_of_zeros_are_counted(patient: Callable[..., Patient]) -> None:
    severity, said, evidence = found("dead-channels", patient(**{CONV: _put(slice(2, 5), 0)}))
    assert (severity, said) == ("warning", "3 channels are dead, in 1 tensors")
    assert f"weight '{CONV}': 3 of 16 channels are zero" in evidence


def test_half_a_layer_of_zeros_is_a_problem(patient: Callable[..., Patient]) -> None:
    assert found("dead-channels", patient(**{CONV: _put(slice(8), 0)}))[0] == "problem"


def test_a_gamma_of_zero_is_a_dead_channel(patient: Callable[..., Patient]) -> None:
    severity, _, evidence = found("dead-channels", patient(stage3_unit1_bn2_gamma=_put(3, 1e-9)))
    assert severity == "warning"
    assert "gamma 'stage3_unit1_bn2_gamma': 1 of 16 channels are zero" in evidence


def test_a_flipped_bit_stands_out(patient: Callable[..., Patient]) -> None:
    def flip(array: Array) -> None:
        array.view(np.uint32)[1, 2, 0, 1] ^= 1 << 30  # the highest bit of the exponent

    severity, said, evidence = found("outlier-weights", patient(**{CONV: flip}))
    assert (severity, said) == ("problem", "1 tensors hold a number far from all their others")
    assert f"weight '{CONV}' at (1, 2, 0, 1): " in evidence


def test_a_number_a_few_hundred_times_too_large_is_a_warning(patient: Callable[..., Patient]) -> None:
    assert found("outlier-weights", patient(**{CONV: _put((0, 0, 0, 0), 30.0)}))[0] == "warning"


def test_heavy_tails_do_not_stand_out(patient: Callable[..., Patient]) -> None:
    def widen(array: Array) -> None:
        array *= np.float32(np.random.default_rng(0).standard_t(2, array.shape))

    assert ask("outlier-weights", patient(**{CONV: widen})).status == "passed"


@pytest.mark.parametrize(("count", "severity"), [(1, "note"), (40, "warning")])
def test_subnormal_weights_are_counted(patient: Callable[..., Patient], count: int, severity: str) -> None:
    def shrink(array: Array) -> None:
        array.reshape(-1)[:count] = 1e-40

    said = found("subnormal-weights", patient(**{CONV: shrink}))
    assert said[:2] == (severity, f"{count} weights are subnormal, below 1.2e-38")


def test_a_negative_variance_is_a_problem(patient: Callable[..., Patient]) -> None:
    planted = patient(bn0_moving_var=_put(1, -0.5))
    severity, said, evidence = found("variances", planted)
    assert (severity, said) == ("problem", "1 running variances are negative")
    assert ask("damaged", planted).reason == "another check says why refnet refuses the file"
    assert "smallest -0.5, and with epsilon still negative: its root is NaN" in evidence


def test_a_variance_of_zero_is_a_warning(patient: Callable[..., Patient]) -> None:
    assert found("variances", patient(bn0_moving_var=_put(1, 0)))[0] == "warning"


def test_a_layer_written_over_another_is_found(patient: Callable[..., Patient]) -> None:
    other = small().constants["stage4_unit1_bn2_beta"]
    severity, _, evidence = found("copied-weights", patient(stage4_unit1_bn3_beta=_put(slice(None), other)))
    assert severity == "warning"
    assert "'stage4_unit1_bn2_beta' = 'stage4_unit1_bn3_beta': the same 32 numbers" in evidence


def test_a_filter_that_is_there_twice_is_found(patient: Callable[..., Patient]) -> None:
    def copy(array: Array) -> None:
        array[9] = array[4]

    severity, _, evidence = found("copied-weights", patient(**{CONV: copy}))
    assert severity == "warning"
    assert f"weight '{CONV}': filters 4 and 9 are equal, one of 1 pairs" in evidence


def _fresh(graph: Graph, names: list[str]) -> dict[str, Callable[[Array], None]]:
    return {f"{name}_moving_mean": _put(slice(None), 0) for name in names} | {
        f"{name}_moving_var": _put(slice(None), 1) for name in names
    }


def test_statistics_from_before_training_are_found(patient: Callable[..., Patient]) -> None:
    names = [node.name for node in small().nodes if node.op == "BatchNormalization"]
    severity, said, _ = found("untrained-statistics", patient(**_fresh(small(), names)))
    assert severity == "problem"
    assert said.startswith(f"{len(names)} of {len(names)} BatchNormalizations")
    assert found("untrained-statistics", patient(**_fresh(small(), names[:2])))[0] == "warning"


def test_a_lost_fix_gamma_is_a_problem_in_a_file_of_mxnet(patient: Callable[..., Patient]) -> None:
    severity, said, evidence = found("fix-gamma", patient(fc1_gamma=_put(5, 1.7)))
    assert severity == "problem"
    assert said == "the final BatchNormalization's gamma is not 1, as MXNet computes it"
    assert evidence == "gamma 'fc1_gamma': 1 to 1.7, expected 1, every channel"


def test_figures_are_those_of_a_hand_worked_tensor() -> None:
    graph = with_constants(small(), **{CONV: lambda array: array.fill(0.25)})
    values = np.arange(-20, 21, dtype=np.float32)[:40]
    weight = np.zeros_like(graph.constants[CONV]).reshape(-1)
    weight[:40] = values
    weight[40] = 100
    weight[41] = np.float32(1e-40)
    changed = {**graph.constants, CONV: weight.reshape(graph.constants[CONV].shape)}
    figures = next(it for it in weight_figures(type(graph)(**{**vars(graph), "constants": changed})) if it.name == CONV)
    assert (figures.role, figures.node) == ("weight", "stage3_unit1_conv2")
    assert (figures.low, figures.high, figures.subnormal) == (-20, 100, 1)
    assert figures.dead == tuple(range(1, 16))  # 144 numbers a filter: all but the first hold zeros
    assert figures.outlier is not None
    assert figures.outlier.index == (0, 4, 1, 1)  # 40 = 4 * 9 + 1 * 3 + 1
    assert figures.outlier.isolation == 5  # 100 beside -20, from a median of 0
    assert figures.outlier.deviations == 0  # over half of the numbers are equal
