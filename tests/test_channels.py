"""The same network for red first and for blue first: the same products, and the same bits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import refnet
from refnet.channels import reversed_input
from refnet.contract import CHANNELS, input_contract
from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.onnx_writer import write_model
from refnet.graph import Array, Graph, Node, Source, Tensor
from refnet.network import ENGINES, EngineName, Network
from refnet.ops.conv import conv
from tests.formats.models import ramp


def images(count: int = 2) -> Array:
    return np.random.default_rng(7).integers(0, 256, (count, 3, 112, 112)).astype(np.float32)


def bgr(graph: Graph) -> Graph:
    """The graph for BGR, saying so."""
    return replace(reversed_input(graph), source=Source(metadata={CHANNELS: "BGR"}))


def one_convolution(*nodes: Node, weight: Array, **constants: Array) -> Graph:
    """A graph that ends in the convolution of x, or of what `nodes` make of it, with the weight."""
    last = nodes[-1].output if nodes else "x"
    attributes = {"stride": (1, 1), "padding": (1, 1, 1, 1), "dilation": (1, 1), "groups": 3 // weight.shape[1]}
    return Graph(
        "one",
        (Tensor("x", "float32", (1, 3, 6, 6)),),
        (Tensor("y", "float32", (1, len(weight), 6, 6)),),
        (*nodes, Node("conv", "Conv", (last, "w"), "y", attributes)),
        {"w": weight, **constants},
    )


def test_the_weight_is_read_backwards_along_its_input_channels() -> None:
    graph = one_convolution(weight=ramp(2, 3, 3, 3))
    x = ramp(1, 3, 6, 6).astype(np.float64)
    turned = reversed_input(graph).constants["w"].astype(np.float64)
    expected = conv(x, ramp(2, 3, 3, 3).astype(np.float64), padding=(1, 1, 1, 1))
    assert np.array_equal(conv(x[:, ::-1], turned, padding=(1, 1, 1, 1)), expected)  # sums of whole numbers are exact


def test_twice_reversed_is_as_before(narrow: Graph) -> None:
    again = reversed_input(reversed_input(narrow))
    assert again.nodes == narrow.nodes
    assert all(np.array_equal(again.constants[name], narrow.constants[name]) for name in narrow.constants)


def test_a_stored_weight_stays_in_its_file_and_comes_back_from_it(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((512, 3, 3, 3)).astype(np.float32)
    path = tmp_path / "wide.onnx"
    write_model(one_convolution(weight=weight), path)
    graph = refnet.load(path).graph
    turned = reversed_input(graph)
    assert np.array_equal(turned.constants["w"], weight[:, ::-1])
    assert reversed_input(turned).constants.entries["w"] is graph.constants.entries["w"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", ENGINES)
def test_both_orders_give_the_same_bits(narrow: Graph, engine: EngineName) -> None:
    x = images()
    assert np.array_equal(Network(bgr(narrow), engine=engine)(x[:, ::-1]), Network(narrow, engine=engine)(x))


@pytest.mark.parametrize("engine", ENGINES)
def test_both_orders_of_one_wide_layer_give_the_same_bits(engine: EngineName) -> None:
    weight = np.random.default_rng(3).standard_normal((64, 3, 3, 3)).astype(np.float32)
    graph = one_convolution(weight=weight)
    x = np.random.default_rng(4).standard_normal((1, 3, 6, 6)).astype(np.float32)
    turned, (plain,) = Network(bgr(graph), engine=engine).run(x[:, ::-1]), Network(graph, engine=engine).run(x).values()
    assert np.array_equal(*turned.values(), plain)


def test_a_trace_shows_the_tensors_of_the_file(narrow: Graph) -> None:
    x = images(1)
    _, ours = Network(bgr(narrow)).trace(x[:, ::-1])
    _, rgb = Network(narrow).trace(x)
    assert np.array_equal(ours["_mulscalar0"], (x[:, ::-1].astype(np.float64) - 127.5) / 128)
    assert all(np.array_equal(ours[name], rgb[name]) for name in ("conv0", "relu0", "_plus0", "fc1"))


def test_crops_are_turned_for_a_network_that_takes_bgr(narrow: Graph) -> None:
    crops = images().astype(np.uint8)
    there, here = Network(bgr(narrow)), Network(narrow)
    assert np.array_equal(there(there.contract.prepare(crops)), here(here.contract.prepare(crops)))


def test_the_contract_says_the_order_and_how_it_is_known(narrow: Graph) -> None:
    assert "Channels are BGR: the file says so" in input_contract(bgr(narrow)).sentence()
    assert "Channel order is not in the file; ArcFace releases take RGB" in input_contract(narrow).sentence()


@pytest.mark.parametrize(
    ("said", "complaint"), [("GBR", r"refnet\.channels = 'GBR'; expected RGB or BGR"), ("bgr", "expected RGB or BGR")]
)
def test_an_order_that_does_not_exist_is_refused(narrow: Graph, said: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        input_contract(replace(narrow, source=Source(metadata={CHANNELS: said})))


def test_arithmetic_with_a_number_a_channel_is_refused() -> None:
    shift = Node("shift", "Sub", ("x", "mean"), "s")
    graph = one_convolution(shift, weight=ramp(2, 3, 3, 3), mean=ramp(3, 1, 1))
    with pytest.raises(UnsupportedModelError, match=r"node 'shift' \(Sub\) stands between the image and the first"):
        reversed_input(graph)


def test_a_convolution_in_groups_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"node 'conv' \(Conv\) does not apply one constant weight to all"):
        reversed_input(one_convolution(weight=ramp(3, 1, 3, 3)))


def test_an_image_that_goes_two_ways_is_refused() -> None:
    graph = one_convolution(weight=ramp(2, 3, 3, 3))
    other = Node("other", "Relu", ("x",), "z")
    with pytest.raises(UnsupportedModelError, match=r"tensor 'x' goes to conv \(Conv\), other \(Relu\)"):
        reversed_input(replace(graph, nodes=(*graph.nodes, other)))


def test_a_weight_that_is_used_twice_is_refused() -> None:
    graph = one_convolution(weight=ramp(3, 3, 3, 3))
    again = replace(graph.nodes[0], name="again", inputs=("y", "w"), output="z")
    with pytest.raises(UnsupportedModelError, match="weight 'w' is used more than once"):
        reversed_input(replace(graph, nodes=(*graph.nodes, again)))


def test_grey_images_have_no_order() -> None:
    graph = one_convolution(weight=ramp(2, 3, 3, 3))
    with pytest.raises(UnsupportedModelError, match="channels are reversed in images"):
        reversed_input(replace(graph, inputs=(Tensor("x", "float32", (1, 1, 6, 6)),)))
