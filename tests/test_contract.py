"""What a network wants as input is read off its first operators."""

import numpy as np
import pytest

from refnet import ModelError
from refnet.contract import input_contract
from refnet.graph import Array, Graph, Node, Tensor
from tests.comparison import assert_within

IMAGE = Tensor("data", "float32", (1, 3, 112, 112))


def _graph(*operations: tuple[str, float], inputs: tuple[Tensor, ...] = (IMAGE,)) -> Graph:
    """Scalar arithmetic on the input, then a convolution."""
    nodes, constants, name = [], {}, "data"
    for i, (op, value) in enumerate(operations):
        if op == "Identity":
            nodes.append(Node(f"n{i}", op, (name,), f"t{i}"))
        else:
            constants[f"c{i}"] = np.array([value], dtype=np.float32)
            nodes.append(Node(f"n{i}", op, (name, f"c{i}"), f"t{i}"))
        name = f"t{i}"
    constants["w"] = np.zeros((4, 3, 3, 3), dtype=np.float32)
    nodes.append(Node("conv", "Conv", (name, "w"), "y"))
    return Graph("g", inputs, (Tensor("y", "float32", (1, 4, 110, 110)),), tuple(nodes), constants)


def test_sub_then_mul_is_scaling_inside() -> None:
    contract = input_contract(_graph(("Identity", 0), ("Sub", 127.5), ("Mul", 0.0078125)))
    assert (contract.inside, contract.mean, contract.scale, contract.values) == (True, 127.5, 0.0078125, "0..255")
    assert "(x - 127.5) * 0.0078125, in n1 and n2" in contract.evidence


@pytest.mark.parametrize(
    "operations",
    [
        (("Mul", 0.0078125), ("Add", -0.99609375)),
        (("Sub", 127.5), ("Div", 128.0)),
        (("Add", -127.5), ("Mul", 0.0078125)),
    ],
)
def test_other_spellings_of_the_same_scaling_are_read_alike(operations: tuple[tuple[str, float], ...]) -> None:
    contract = input_contract(_graph(*operations))
    assert (contract.inside, contract.mean, contract.scale) == (True, 127.5, 0.0078125)


@pytest.mark.parametrize(
    "operations",
    [
        (("Mul", 1 / 255),),
        (("Div", 255.0), ("Mul", 2.0), ("Sub", 1.0)),
        (("Sub", 127.5), ("Mul", 1 / 255)),
        (("Sub", 127.5),),
        (("Sub", 117.0), ("Mul", 0.017)),
    ],
)
def test_every_usual_scaling_of_pixels_is_found(operations: tuple[tuple[str, float], ...]) -> None:
    assert input_contract(_graph(*operations)).values == "0..255"


@pytest.mark.parametrize(
    "operations",
    [
        (("Add", 1.0), ("Mul", 0.5)),
        (("Sub", 0.5), ("Div", 0.5)),
        (("Mul", 255.0),),
        (("Mul", 255.0), ("Sub", 127.5), ("Mul", 0.0078125)),
        (("Add", 1e-6),),
        (("Mul", 2.0), ("Sub", 1.0)),
        (("Mul", 0.0),),
        (("Div", 0.0),),
    ],
)
def test_arithmetic_that_cannot_be_meant_for_pixels_is_no_scaling_of_them(
    operations: tuple[tuple[str, float], ...],
) -> None:
    contract = input_contract(_graph(*operations))
    assert (contract.inside, contract.values) == (False, "-1..1")


def test_scaling_that_is_not_of_pixels_is_named() -> None:
    evidence = input_contract(_graph(("Add", 1.0), ("Mul", 0.5))).evidence
    assert "scales its input, but not from pixels 0..255, (x - -1) * 0.5, in n0 and n1" in evidence


def test_a_convolution_at_once_means_that_the_caller_scales() -> None:
    contract = input_contract(_graph())
    assert not contract.inside
    assert contract.values == "-1..1"
    pixels: Array = np.array([0, 127.5, 255], dtype=np.float32)
    assert_within(contract.prepare(pixels), np.array([-1, 0, 1], dtype=np.float32), 1e-7)


def test_pixels_are_left_alone_where_the_graph_scales() -> None:
    contract = input_contract(_graph(("Sub", 127.5), ("Mul", 0.0078125)))
    pixels = np.arange(6, dtype=np.float32)
    assert contract.prepare(pixels) is pixels


def test_a_constant_minus_the_image_is_no_scaling() -> None:
    graph = _graph(("Sub", 127.5))
    turned = Node("n0", "Sub", ("c0", "data"), "t0")
    assert not input_contract(
        Graph("g", graph.inputs, graph.outputs, (turned, *graph.nodes[1:]), graph.constants)
    ).inside


def test_two_inputs_or_no_image_are_refused() -> None:
    with pytest.raises(
        ModelError, match=r"the model takes data \(1, 3, 112, 112\), data .*expected one input of images"
    ):
        input_contract(_graph(inputs=(IMAGE, IMAGE)))
    with pytest.raises(ModelError, match="expected one input of images"):
        input_contract(_graph(inputs=(Tensor("x", "float32", (1, 512)),)))


def test_the_size_of_crops_is_the_files_or_is_asked_for() -> None:
    assert input_contract(_graph(inputs=(Tensor("data", "float32", (1, 3, 96, 112)),))).crop_size == (96, 112)
    with pytest.raises(ModelError, match="the model leaves the size of data open; expected a fixed height and width"):
        input_contract(_graph(inputs=(Tensor("data", "float32", (1, 3, None, 112)),))).crop_size  # noqa: B018
