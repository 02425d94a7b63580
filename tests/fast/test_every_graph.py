"""The fast engine runs every graph that the reference runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refnet import fast, reference
from refnet.graph import Graph
from tests.comparison import assert_within
from tests.formats.dialects import DIALECTS
from tests.formats.models import ramp, read


@pytest.mark.parametrize("name", DIALECTS)
def test_a_small_graph_of_every_operator_and_dialect(tmp_path: Path, name: str) -> None:
    graph = read(DIALECTS[name], tmp_path)
    x = ramp(*graph.inputs[0].shape)
    check(graph, x)


def check(graph: Graph, x: np.ndarray) -> None:
    """Within 64 roundings of what is summed: sums of small whole numbers are exact in both but for Winograd's points."""
    exact = reference.run(graph, {"x": x})
    magnitude = reference.run(absolute(graph), {"x": abs(x)})
    actual = fast.compile(graph, threads=1).run({"x": x})
    assert actual.keys() == exact.keys()
    for name, expected in exact.items():
        if expected.dtype.kind == "f":
            bound = 64 * 2.0**-24 * np.maximum(np.maximum(abs(expected), abs(magnitude[name])), 1)
            assert_within(actual[name], expected, np.nan_to_num(bound, nan=np.inf))
        else:
            assert np.array_equal(actual[name], expected)


def absolute(graph: Graph) -> Graph:
    """The graph with the absolute values of its weights."""
    weights = {name: abs(array) if array.dtype.kind == "f" else array for name, array in graph.constants.items()}
    return replace(graph, constants=weights)


def test_inner_tensors_may_be_outputs_as_well(narrow: Graph) -> None:
    names = (
        "relu0",
        "_minusscalar0",
        "_mulscalar0",
        "id",
        "stage1_unit1_conv1",
        "stage2_unit1_sc",
        "_plus20",
        "bn1",
        "dropout0",
    )
    shapes = {node.output: node for node in narrow.nodes}
    assert set(names) <= set(shapes)
    outputs = tuple(replace(narrow.outputs[0], name=name, shape=()) for name in (*names, "fc1"))
    graph = replace(narrow, outputs=outputs)
    images = np.random.default_rng(3).integers(0, 256, (3, 3, 112, 112)).astype(np.float32)
    exact = reference.run(graph, {"data": images})
    actual = fast.compile(graph, threads=2).run({"data": images})
    for name, expected in exact.items():
        assert actual[name].shape == expected.shape
        assert np.linalg.norm(actual[name] - expected) <= 1e-5 * np.linalg.norm(expected), name


def test_an_output_that_no_image_reaches_is_given_as_it_is(narrow: Graph) -> None:
    graph = replace(narrow, outputs=(*narrow.outputs, replace(narrow.outputs[0], name="slope12", shape=(1, 4, 1, 1))))
    images = np.zeros((2, 3, 112, 112), np.float32)
    slopes = fast.compile(graph, threads=1).run({"data": images})["slope12"]
    assert_within(slopes, reference.run(graph, {"data": images})["slope12"])
