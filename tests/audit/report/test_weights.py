"""Weights: every tensor of constants with its reader, its figures, and what the doctor sees in it."""

from typing import Any

import numpy as np
import pytest

from refnet.audit.doctor.weight_figures import weight_figures
from refnet.audit.report.weights import constant_readers, prepared_constants, weight_rows
from refnet.graph import Array
from tests.audit.doctor.patients import small, with_constants


def test_every_tensor_of_numbers_is_there_in_the_order_of_the_file(document: dict[str, Any]) -> None:
    constants = small().constants
    assert [row["name"] for row in document["weights"]] == [n for n, a in constants.items() if a.dtype.kind == "f"]
    for row in document["weights"]:
        array = constants[row["name"]].astype(np.float64)
        assert row["shape"] == list(array.shape)
        assert (row["low"], row["high"], row["count"]) == (array.min(), array.max(), array.size)
        assert row["mean"] == pytest.approx(array.mean(), rel=1e-9, abs=1e-15)
        assert row["deviation"] == pytest.approx(array.std(), rel=1e-9, abs=1e-15)
        assert row["zeros"] == (array == 0).mean()
        assert sum(row["histogram"][1]) == array.size


def test_a_weight_belongs_to_the_layer_that_computes_with_it(document: dict[str, Any]) -> None:
    layers = document["layers"]
    for row in document["weights"]:
        node = layers[row["layer"]]
        assert row["name"] in node["parameters"]
        stem = row["name"].removesuffix("_weight").removesuffix("_bias")
        if row["role"] in ("weight", "bias"):
            assert node["name"] == stem
    slope = next(row for row in document["weights"] if row["name"] == "relu0_gamma")
    assert (slope["role"], layers[slope["layer"]]["op"]) == ("slope", "PRelu")  # not the Reshape between


def test_a_reshaped_slope_is_prepared_and_nothing_else() -> None:
    prepared = prepared_constants(small())
    operators = {node.output: node.op for node in small().nodes}
    assert {operators[name] for name in prepared} == {"Reshape"}
    assert all(next(iter(read)).endswith("_gamma") for read in prepared.values())
    assert set(constant_readers(small())) <= set(small().constants)


def test_faults_that_the_doctor_sees_stand_in_the_row() -> None:
    def spoil(weight: Array) -> None:
        weight[0] = 0
        weight[2] = weight[1]
        weight[3, 0, 0, 0] = 1e-39
        weight[3, 0, 0, 1] = 100

    graph = with_constants(small(), stage1_unit1_conv1_weight=spoil)
    row = next(r for r in weight_rows(graph, tuple(weight_figures(graph))) if r["name"] == "stage1_unit1_conv1_weight")
    count = np.prod(row["shape"])
    assert row["dead_filters"] == [0]
    assert row["equal_filters"] == [[1, 2]]
    assert row["denormals"] == 1 / count
    assert row["zeros"] == np.prod(row["shape"][1:]) / count
    assert (row["outlier"]["index"], row["outlier"]["value"]) == ([3, 0, 0, 1], 100)
