"""Any number of images: together where a graph keeps them apart, in one piece where it mixes them."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from refnet import ModelError, Network, RefnetError, ShapeError, fast, reference
from refnet.graph import Graph
from refnet.network import CHUNK
from tests.formats.models import model, node, read

RNG = np.random.default_rng(0)
COUNTS = (1, 2, CHUNK, CHUNK + 1, 2 * CHUNK + 1)
SHAPE = (4, 6, 6)
WEIGHT = RNG.standard_normal((8, 4, 3, 3)).astype(np.float32) / 6
POINTWISE = RNG.standard_normal((4, 4, 1, 1)).astype(np.float32) / 2
MATRIX = RNG.standard_normal((144, 5)).astype(np.float32) / 12


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def conv(x: str, w: str, y: str) -> onnx.NodeProto:
    pad = (np.array({"weight": WEIGHT, "point": POINTWISE}[w].shape[2:]) // 2).tolist()
    return node("Conv", [x, w], [y], name=f"conv_{y}", pads=[*pad, *pad])


# Graphs that keep images apart: (nodes, constants).
APART = {
    "layers": (
        [conv("x", "weight", "a"), node("Relu", ["a"], ["b"]), node("MaxPool", ["b"], ["y"], kernel_shape=[2, 2])],
        {"weight": WEIGHT},
    ),
    "reshape by shape": (
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["n"]),
            node("Concat", ["n", "rest"], ["t"], axis=0),
            node("Reshape", ["x", "t"], ["r"]),
            node("MatMul", ["r", "matrix"], ["y"]),
        ],
        {"zero": ints(0), "rest": ints(-1), "matrix": MATRIX},
    ),
    "there and back": (
        [
            node("Transpose", ["x"], ["t"], name="there", perm=[1, 2, 0, 3]),
            node("Relu", ["t"], ["u"]),
            node("Transpose", ["u"], ["v"], name="back", perm=[2, 0, 1, 3]),
            conv("v", "weight", "y"),
        ],
        {"weight": WEIGHT},
    ),
    "queries, keys, values": (
        [
            node("Reshape", ["x", "tokens"], ["r"]),
            node("Transpose", ["r"], ["t"], perm=[2, 0, 1, 3]),
            node("Gather", ["t", "first"], ["q"], name="q", axis=0),
            node("Gather", ["t", "second"], ["k"], name="k", axis=0),
            node("Transpose", ["k"], ["kt"], name="kt", perm=[0, 2, 1]),
            node("MatMul", ["q", "kt"], ["p"]),
            node("Softmax", ["p"], ["y"], axis=-1),
        ],
        {"tokens": ints(0, 6, 2, 12), "first": np.array(0), "second": np.array(1)},
    ),
    "a token for every image": (
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["n"]),
            node("Concat", ["n", "one", "last"], ["t"], axis=0),
            node("Expand", ["token", "t"], ["e"]),
            node("Reshape", ["x", "flat"], ["r"]),
            node("Concat", ["e", "r"], ["y"], name="join", axis=1),
        ],
        {"zero": ints(0), "one": ints(1), "last": ints(36), "flat": ints(0, 4, 36),
         "token": RNG.standard_normal((1, 1, 36)).astype(np.float32)},
    ),
    "means of transposes": (
        [
            node("Transpose", ["x"], ["t"], perm=[0, 3, 2, 1]),
            node("Sigmoid", ["t"], ["u"]),
            node("GlobalAveragePool", ["u"], ["a"]),
            node("ReduceMean", ["t"], ["b"], axes=[1, 3]),
            node("ReduceL2", ["t"], ["c"], axes=[2, 3]),
            node("Softmax", ["t"], ["s"], axis=3),
            node("Mul", ["a", "c"], ["d"], name="d"),
            node("Add", ["d", "s"], ["e"], name="e"),
            node("Mul", ["e", "b"], ["y"], name="y"),
        ],
        {},
    ),
    "squeezed and stretched": (
        [
            node("GlobalAveragePool", ["x"], ["a"]),
            node("Squeeze", ["a"], ["b"], axes=[2, 3]),
            node("Unsqueeze", ["b"], ["c"], axes=[2, 3]),
            node("Sigmoid", ["c"], ["d"]),
            node("Mul", ["x", "d"], ["y"]),
        ],
        {},
    ),
    "enlarged to a size": (
        [
            node("Shape", ["x"], ["s"]),
            node("Slice", ["s", "from", "to"], ["n"]),
            node("Concat", ["n", "size"], ["t"], axis=0),
            node("Resize", ["x", "", "", "t"], ["y"], mode="nearest", coordinate_transformation_mode="asymmetric",
                 nearest_mode="floor"),
        ],
        {"from": ints(0), "to": ints(2), "size": ints(12, 12)},
    ),
    "cut and picked": (
        [
            node("Slice", ["x", "from", "to", "axes", "steps"], ["a"]),
            node("Gather", ["a", "which"], ["b"], axis=1),
            node("ReduceMean", ["b"], ["c"], axes=[-1], keepdims=0),
            node("ReduceL2", ["c"], ["y"], axes=[1], keepdims=1),
        ],
        {"from": ints(-1), "to": ints(-7), "axes": ints(2), "steps": ints(-2), "which": ints(3, 1)},
    ),
}  # fmt: skip
# Graphs that mix them.
MIXED = {
    "mean of the batch": ([node("ReduceMean", ["x"], ["m"], axes=[0]), node("Sub", ["x", "m"])], {}),
    "softmax over the batch": ([node("Softmax", ["x"], axis=0)], {}),
    "reversed batch": (
        [node("Slice", ["x", "from", "to", "axes", "steps"])],
        {"from": ints(-1), "to": ints(-100), "axes": ints(0), "steps": ints(-1)},
    ),
    "the first eight": (
        [node("Slice", ["x", "from", "to", "axes"])],
        {"from": ints(0), "to": ints(8), "axes": ints(0)},
    ),
    "the first": ([node("Gather", ["x", "zero"], axis=0)], {"zero": ints(0)}),
    "divided by the number": (
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["n"]),
            node("Cast", ["n"], ["f"], to=1),
            node("Div", ["x", "f"]),
        ],
        {"zero": ints(0)},
    ),
    "softmax of transposes": (
        [
            node("Transpose", ["x"], ["t"], name="there", perm=[1, 0, 2, 3]),
            node("Softmax", ["t"], ["u"], axis=1),
            node("Transpose", ["u"], name="back", perm=[1, 0, 2, 3]),
        ],
        {},
    ),
    "softmax of rows": (
        [node("Reshape", ["x", "rows"], ["r"]), node("Softmax", ["r"], axis=0)],
        {"rows": ints(-1, 16)},
    ),
    "gram matrix": (
        [node("Flatten", ["x"], ["a"]), node("Transpose", ["a"], ["b"], perm=[1, 0]), node("MatMul", ["a", "b"])],
        {},
    ),
    "one row": ([node("Flatten", ["x"], axis=0)], {}),
    "a new axis before the batch": ([node("Unsqueeze", ["x"], axes=[0])], {}),
    "twice the batch": ([node("Concat", ["x", "x"], axis=0)], {}),
    "convolved after a transpose": (
        [
            node("Transpose", ["x"], ["t"], perm=[1, 0, 2, 3]),
            node("ReduceMean", ["t"], ["m"], axes=[1]),
            node("Relu", ["m"], ["r"]),
            node("MaxPool", ["r"], ["p"], kernel_shape=[3, 3]),
            node("Conv", ["p", "one"], ["y"], pads=[1, 1, 1, 1]),
        ],
        {"one": RNG.standard_normal((3, 1, 3, 3)).astype(np.float32)},
    ),
    "mixed and convolved": (
        [
            node("ReduceMean", ["x"], ["m"], axes=[0]),
            node("Sub", ["x", "m"], ["d"]),
            conv("d", "weight", "a"),
            node("Relu", ["a"], ["b"]),
            node("Softmax", ["b"], axis=0),
        ],
        {"weight": WEIGHT},
    ),
    "a count of a part": (
        [
            node("Slice", ["x", "from", "to", "axes"], ["a"]),
            node("Transpose", ["a"], ["b"], perm=[1, 0, 2, 3]),
            node("Shape", ["b"], ["y"]),
        ],
        {"from": ints(0), "to": ints(12), "axes": ints(0)},
    ),
    "a count among the outputs": ([node("Shape", ["x"], ["y"])], {}),
}


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, *SHAPE)).astype(np.float32)


def assert_close(y: np.ndarray, exact: np.ndarray) -> None:
    """Relative L2 distance of at most 1e-6: some roundings of float32."""
    assert y.shape == exact.shape
    assert np.linalg.norm(y - exact) <= 1e-6 * np.linalg.norm(exact)


def graph_of(case: tuple, folder: Path, batch: int | str = "N") -> Graph:
    nodes, constants = case
    opset = 13 if any(node.op_type == "Softmax" for node in nodes) else 11  # what Softmax, and Squeeze, took then
    return read(model(nodes, constants, x=(batch, *SHAPE), opset=opset), folder)


@pytest.mark.parametrize("name", APART)
def test_images_that_are_kept_apart_have_the_same_bits_in_any_batch(tmp_path: Path, name: str) -> None:
    graph = graph_of(APART[name], tmp_path, 1 if name != "there and back" else 3)
    for engine in ("reference", "fast"):
        net = Network(graph, engine=engine, threads=2)
        assert net.fixed_batch is None
        many = images(COUNTS[-1])
        together = net.run(many)["y"]
        assert np.array_equal(together, np.concatenate([net.run(many[i : i + 1])["y"] for i in range(len(many))]))
        exact = reference.run(graph, {"x": many})["y"]
        assert_close(together, exact)


@pytest.mark.parametrize("name", MIXED)
def test_images_that_are_mixed_are_computed_in_one_piece(tmp_path: Path, name: str) -> None:
    graph = graph_of(MIXED[name], tmp_path)
    nets = [Network(graph, engine=engine, threads=2) for engine in ("reference", "fast")]
    for count in COUNTS:
        exact = reference.run(graph, {"x": images(count)})["y"]
        for net in nets:
            assert net.fixed_batch == 1
            y = net.run(images(count), strict=False)["y"]
            assert_close(y, exact)


@pytest.mark.parametrize("name", MIXED)
def test_a_declared_number_of_images_that_are_mixed_binds(tmp_path: Path, name: str) -> None:
    graph = graph_of(MIXED[name], tmp_path, 11)
    for engine in ("reference", "fast"):
        net = Network(graph, engine=engine, threads=1)
        assert net.fixed_batch == 11
        assert_close(net.run(images(11))["y"], reference.run(graph, {"x": images(11)})["y"])
        with pytest.raises(ShapeError, match="there are 3 images; the model computes 11 at a time"):
            net(images(3))
    with pytest.raises(ShapeError, match=r"input 'x' has shape \(3, 4, 6, 6\); expected \(11, 4, 6, 6\)"):
        fast.compile(graph, threads=1).run({"x": images(3)})


def test_embeddings_follow_from_their_own_image(tmp_path: Path) -> None:
    mixing = [node("ReduceMean", ["x"], ["m"], axes=[0]), node("Sub", ["x", "m"], ["d"]), node("Flatten", ["d"], ["f"])]
    mixing.append(node("Add", ["f", "one"], ["y"]))
    graph = graph_of((mixing, {"one": np.float32([1])}), tmp_path)
    for engine in ("reference", "fast"):
        net = Network(graph, engine=engine, threads=1)
        alone = np.concatenate([net(images(3)[i : i + 1]) for i in range(3)])
        assert np.array_equal(net.embeddings(images(3)), alone)
        assert not np.array_equal(net(images(3)), alone)
    declared = Network(graph_of((mixing, {"one": np.float32([1])}), tmp_path, 3), engine="reference")
    with pytest.raises(ModelError, match="the model mixes the 3 images of a batch"):
        declared.embeddings(images(3))


def test_a_shape_for_another_number_of_images_is_refused(tmp_path: Path) -> None:
    graph = graph_of(([node("Reshape", ["x", "rows"])], {"rows": ints(4, 36)}), tmp_path)
    for engine in ("reference", "fast"):
        with pytest.raises(RefnetError, match="do not fit the shape"):
            Network(graph, engine=engine)(images(2))


def test_a_scalar_input_is_the_same_for_all_images(tmp_path: Path) -> None:
    proto = model([node("Mul", ["x", "factor"], ["a"]), conv("a", "weight", "y")], {"weight": WEIGHT}, x=("N", *SHAPE))
    proto.graph.input.append(onnx.helper.make_tensor_value_info("factor", onnx.TensorProto.FLOAT, ()))
    graph = read(proto, tmp_path)
    feeds = {"x": images(COUNTS[-1]), "factor": np.float32(0.25)}
    y = fast.compile(graph, threads=2).run(feeds)["y"]
    assert_close(y, reference.run(graph, feeds)["y"])


def test_inputs_of_different_first_extents_are_computed_as_declared(tmp_path: Path) -> None:
    proto = model([node("Add", ["x", "z"], ["a"]), conv("a", "weight", "y")], {"weight": WEIGHT}, x=(1, *SHAPE))
    proto.graph.input.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, (5, *SHAPE)))
    graph = read(proto, tmp_path)
    feeds = {"x": images(1), "z": images(5)}
    y = fast.compile(graph, threads=2).run(feeds)["y"]
    assert_close(y, reference.run(graph, feeds)["y"])


@pytest.mark.parametrize("batch", [1, 11])
def test_integers_keep_their_values_beside_images(tmp_path: Path, batch: int) -> None:
    """An input of integers, sums of integers of four axes, and integers as outputs: none of them becomes a float."""
    nodes = [
        node("Cast", ["x"], ["a"], name="down", to=7),
        node("Mul", ["a", "large"], ["b"]),
        node("Add", ["b", "ids"], ["y"]),
        node("Cast", ["y"], ["f"], name="up", to=1),
        conv("f", "weight", "z"),
    ]
    proto = model(nodes, {"large": np.array(2**40), "weight": WEIGHT * 2.0**-40}, x=("N", *SHAPE), outputs=("z",))
    proto.graph.input.append(onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ("N", *SHAPE)))
    proto.graph.output.append(onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT64, [None] * 4))
    graph = read(proto, tmp_path)
    ids = np.random.default_rng(1).integers(2**33, 2**34, (batch, *SHAPE))
    feeds = {"x": 8 * images(batch), "ids": ids}
    exact, actual = reference.run(graph, feeds), fast.compile(graph, threads=2).run(feeds)
    assert actual["y"].dtype == exact["y"].dtype == np.int64
    assert np.array_equal(actual["y"], exact["y"])
    assert_close(actual["z"], exact["z"])
    with pytest.raises(ShapeError, match=r"input 'ids' has dtype float32.*the model declares int64"):
        fast.compile(graph, threads=1).run({**feeds, "ids": ids.astype(np.float32)})
