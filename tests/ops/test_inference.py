import numpy as np
import pytest

from refnet.errors import ModelError, UnsupportedModelError, UsageError
from refnet.graph import Graph, Node, Tensor
from refnet.ops.inference import flops, infer

IMAGES = Tensor("x", "float32", (1, 3, 8, 8))


def graph(*nodes, inputs=(IMAGES,), outputs=("y",), **constants):
    return Graph(
        "test",
        inputs,
        tuple(Tensor(name, "float32", ()) for name in outputs),
        tuple(nodes),
        {name: np.asarray(value) for name, value in constants.items()},
    )


def infer_images(subject, shape=(2, 3, 8, 8)):
    return infer(subject, {"x": shape})


def test_shapes_flow_from_the_inputs_through_every_node():
    subject = graph(
        Node("conv", "Conv", ("x", "w"), "c", {"stride": (2, 2), "padding": (1, 1, 1, 1)}),
        Node("relu", "Relu", ("c",), "r"),
        Node("flat", "Flatten", ("r",), "y", {"axis": 1}),
        w=np.zeros((5, 3, 3, 3)),
    )
    known = infer_images(subject)
    assert {name: tensor.shape for name, tensor in known.items()} == {
        "x": (2, 3, 8, 8),
        "w": (5, 3, 3, 3),
        "c": (2, 5, 4, 4),
        "r": (2, 5, 4, 4),
        "y": (2, 80),
    }
    assert all(known[name].value is None for name in "xcry")


def test_shape_arithmetic_is_computed_and_stays_int64():
    subject = graph(
        Node("shape", "Shape", ("x",), "s"),
        Node("batch", "Gather", ("s", "zero"), "b", {"axis": 0}),
        Node("vector", "Unsqueeze", ("b",), "v", {"axes": (0,)}),
        Node("target", "Concat", ("v", "rest"), "t", {"axis": 0}),
        Node("reshape", "Reshape", ("x", "t"), "y", {"allow_zero": 0}),
        zero=np.int64(0),
        rest=np.array([-1]),
    )
    known = infer_images(subject)
    assert known["y"].shape == (2, 192)
    assert known["t"].value.tolist() == [2, -1]
    assert {known[name].value.dtype for name in "sbvt"} == {np.dtype(np.int64)}
    assert known["y"].value is None


def test_small_constants_are_computed_through_and_large_ones_are_not():
    subject = graph(
        Node("small", "Reshape", ("slope", "target"), "s"),
        Node("limit", "Relu", ("limit",), "limit_relu"),
        Node("large", "Relu", ("weight",), "l"),
        Node("out", "Identity", ("x",), "y"),
        slope=np.arange(4.0),
        target=np.array([1, -1, 1, 1]),
        weight=np.ones(4097),
        limit=np.ones(4096),
    )
    known = infer_images(subject)
    assert known["s"].value.shape == (1, 4, 1, 1)
    assert known["limit_relu"].value.shape == (4096,)
    assert known["l"].shape == (4097,)
    assert known["l"].value is None


def test_an_absent_optional_input_is_passed_over():
    subject = graph(Node("clip", "Clip", ("x", "", "high"), "y"), high=np.float64(1))
    assert infer_images(subject)["y"].shape == (2, 3, 8, 8)


def test_an_absent_input_may_stand_before_a_present_one():
    said = {"mode": "nearest", "coordinate_transformation": "asymmetric", "nearest_mode": "floor"}
    subject = graph(Node("up", "Resize", ("x", "", "sizes"), "y", said), sizes=np.array([2, 3, 16, 16]))
    assert infer_images(subject)["y"].shape == (2, 3, 16, 16)


def test_flops_of_a_node():
    subject = graph(Node("conv", "Conv", ("x", "w", "b"), "y"), w=np.zeros((5, 3, 1, 1)), b=np.zeros(5))
    assert flops(subject.nodes[0], infer_images(subject)) == (2 * 3 + 1) * 2 * 5 * 64


@pytest.mark.parametrize(
    ("node", "error", "message"),
    [
        (
            Node("n", "Gelu", ("x",), "y"),
            UnsupportedModelError,
            r"^node 'n' \(Gelu\): refnet has no such operator; .*Gemm",
        ),
        (
            Node("n", "Relu", ("x",), "y", {"alpha": 1.0}),
            UnsupportedModelError,
            r"^node 'n' \(Relu\): attribute alpha = 1.0; refnet understands none",
        ),
        (
            Node("n", "Flatten", ("x",), "y", {"axes": 1}),
            UnsupportedModelError,
            r"attribute axes = 1; refnet understands axis",
        ),
        (
            Node("n", "Flatten", ("x",), "y", {"axis": 1.0}),
            UnsupportedModelError,
            "attribute axis = 1.0; expected a value such as 1",
        ),
        (
            Node("n", "Flatten", ("x",), "y", {"axis": (1,)}),
            UnsupportedModelError,
            r"attribute axis = \(1,\); expected a value such as 1",
        ),
        (
            Node("n", "Conv", ("x", "w"), "y", {"stride": 2}),
            UnsupportedModelError,
            r"attribute stride = 2; expected a value such as \(1, 1\)",
        ),
        (
            Node("n", "Conv", ("x", "w"), "y", {"padding": (1, 1)}),
            UnsupportedModelError,
            r"attribute padding = \(1, 1\); expected a value such as \(0, 0, 0, 0\)",
        ),
        (
            Node("n", "BatchNormalization", ("x", "v", "v", "v", "v"), "y"),
            UnsupportedModelError,
            r"^node 'n' \(BatchNormalization\): attribute epsilon is missing and has no default",
        ),
        (
            Node("n", "Cast", ("x",), "y", {"to": "string"}),
            UnsupportedModelError,
            r"^node 'n' \(Cast\): to = 'string'; refnet implements float16",
        ),
        (
            Node("n", "Conv", ("x", "v"), "y"),
            ModelError,
            r"^node 'n' \(Conv\): x has shape \(2, 3, 8, 8\) and weight \(3,\); expected",
        ),
        (
            Node("n", "BatchNormalization", ("x", "v", "v", "v", "negative"), "y", {"epsilon": 1e-5}),
            ModelError,
            r"^node 'n' \(BatchNormalization\): var is -1.0 in channel 0",
        ),
        (
            Node("n", "Add", ("x",), "y"),
            ModelError,
            r"^node 'n' \(Add\): inputs are \('x',\); expected 2, the first 2 of them present",
        ),
        (Node("n", "Add", ("x", ""), "y"), ModelError, r"inputs are \('x', ''\); expected 2, the first 2"),
        (Node("n", "Clip", ("x", "", "", ""), "y"), ModelError, "expected 1 to 3, the first 1 of them present"),
        (Node("n", "Concat", (), "y", {"axis": 0}), ModelError, "expected 1 or more, the first 1 of them present"),
        (Node("n", "Concat", ("x", ""), "y", {"axis": 0}), ModelError, r"inputs are \('x', ''\)"),
        (Node("n", "Relu", ("z",), "y"), ModelError, "input 'z' is no graph input, no constant, and no output of an"),
        (Node("n", "Relu", ("y",), "y"), ModelError, "input 'y' is no graph input"),
        (
            Node("n", "Relu", ("x",), "w"),
            ModelError,
            "output 'w' exists already; expected every tensor to be made once",
        ),
        (
            Node("n", "Relu", ("x",), "z"),
            ModelError,
            "^graph output 'y' is made by no node; expected one of the tensors",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_nodes_name(node, error, message):
    subject = graph(node, w=np.zeros((5, 3, 3, 3)), v=np.ones(3), negative=-np.ones(3))
    with pytest.raises(error, match=message) as caught:
        infer_images(subject)
    assert type(caught.value) is error


def test_whole_numbers_pass_for_floating_attributes():
    subject = graph(Node("n", "Gemm", ("x", "w"), "y", {"alpha": 1}), w=np.zeros((4, 5)))
    assert infer_images(subject, (3, 4))["y"].shape == (3, 5)


@pytest.mark.parametrize("shapes", [{}, {"z": (1,)}, {"x": (1, 3, 8, 8), "z": (1,)}])
def test_shapes_are_asked_for_exactly_the_inputs(shapes):
    with pytest.raises(UsageError, match=r"expected one for each graph input, \['x'\]"):
        infer(graph(Node("n", "Relu", ("x",), "y")), shapes)
