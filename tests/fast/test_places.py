"""Where tensors lie: views of the arena, any order of nodes, outputs of every layout."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refnet import fast, reference
from refnet.graph import Graph, Node, Tensor
from tests.formats.models import model, node, read

RNG = np.random.default_rng(5)
WEIGHT = RNG.standard_normal((16, 16, 3, 3)).astype(np.float32) / 12
FIRST = RNG.standard_normal((16, 3, 3, 3)).astype(np.float32) / 5
ORDERS = 20


def views(folder: Path) -> Graph:
    """Every kind of view, of what kernels made, read again after many others took a place of the same size."""
    nodes = [
        node("Conv", ["x", "w0"], ["c0"], name="c0", pads=[1, 1, 1, 1]),
        node("Transpose", ["c0"], ["turned"], perm=[0, 1, 3, 2]),
        node("Reshape", ["c0", "shape"], ["rows"]),
        node("Slice", ["c0", "from", "to", "axes"], ["part"]),
        node("Flatten", ["c0"], ["flat"]),
        node("Unsqueeze", ["c0"], ["wide"], axes=[1]),
        node("Squeeze", ["wide"], ["narrow"], axes=[1]),
        node("Identity", ["c0"], ["same"]),
        node("Expand", ["c0", "one"], ["stretched"]),
        node("Cast", ["c0"], ["cast"], to=1),
        node("Clip", ["c0"], ["clipped"]),
        node("Resize", ["c0", "", "scales"], ["resized"], mode="linear"),
    ]
    x = "c0"
    for n in range(1, 6):
        nodes.append(node("Conv", [x, "w"], [f"c{n}"], name=f"c{n}", pads=[1, 1, 1, 1]))
        x = f"c{n}"
    late = ("turned", "narrow", "same", "stretched", "cast", "clipped", "resized")
    for n, name in enumerate(late):
        nodes.append(node("Add", [x, name], [f"s{n}"], name=f"s{n}"))
        x = f"s{n}"
    constants = {
        "w0": FIRST, "w": WEIGHT, "shape": np.array([0, 16, -1]), "from": np.array([1]), "to": np.array([9]),
        "axes": np.array([2]), "one": np.array([1]), "scales": np.ones(4, np.float32),
    }  # fmt: skip
    return read(model(nodes, constants, x=(1, 3, 10, 10), outputs=(x, "part", "rows", "flat"), opset=11), folder)


def attention(folder: Path) -> Graph:
    """Three convolutions, and what reads two of them turned and reshaped."""
    nodes = [
        *(node("Conv", ["x", "w0"], [name], name=name, pads=[1, 1, 1, 1]) for name in "qkv"),
        *(node("Reshape", [name, "shape"], [f"{name}r"], name=f"{name}r") for name in "qkv"),
        node("Transpose", ["qr"], ["qt"], perm=[0, 2, 1]),
        node("MatMul", ["qt", "kr"], ["p"], name="p"),
        node("Softmax", ["p"], ["a"], axis=-1),
        node("Transpose", ["a"], ["at"], name="at", perm=[0, 2, 1]),
        node("MatMul", ["vr", "at"], ["y"], name="y"),
    ]
    return read(model(nodes, {"w0": FIRST, "shape": np.array([0, 16, -1])}, x=(1, 3, 6, 6), opset=13), folder)


def orders(graph: Graph, seed: int) -> Iterator[Graph]:
    """The graph with its nodes in random topological orders."""
    rng = np.random.default_rng(seed)
    for _ in range(ORDERS):
        there = {"", *graph.constants, *(tensor.name for tensor in graph.inputs)}
        left, nodes = list(graph.nodes), []
        while left:
            ready = [node for node in left if there.issuperset(node.inputs)]
            chosen = ready[rng.integers(len(ready))]
            left.remove(chosen)
            nodes.append(chosen)
            there.add(chosen.output)
        yield replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize("make", [views, attention])
def test_views_are_right_in_any_order_of_nodes(tmp_path: Path, make) -> None:
    graph = make(tmp_path)
    feeds = {"x": RNG.standard_normal((3, *graph.inputs[0].shape[1:])).astype(np.float32)}
    exact = reference.run(graph, feeds)
    first = fast.compile(graph, threads=1).run(feeds)
    for name, value in exact.items():
        assert np.linalg.norm(first[name] - value) <= 1e-6 * np.linalg.norm(value)
    for ordered in orders(graph, 1):
        again = fast.compile(ordered, threads=2).run(feeds)
        assert all(np.array_equal(again[name], first[name]) for name in exact)


def test_a_plan_says_what_it_keeps_for_a_view(tmp_path: Path) -> None:
    engine = fast.compile(attention(tmp_path), threads=1)
    assert isinstance(engine, fast.Engine)
    kept = {cost.name: cost.kept_bytes for cost in engine.costs}
    assert kept["vr"] == 4 * 16 * 36
    assert "definition of Reshape, keeps 0.00 MB as a view" in str(engine.plan)


def scaled(folder: Path) -> Graph:
    """A network that begins as ArcFace does, with a branch off the scaled input."""
    nodes = [
        node("Sub", ["x", "mean"], ["d"]),
        node("Mul", ["d", "factor"], ["m"]),
        node("Conv", ["m", "w0"], ["c"], name="c", pads=[1, 1, 1, 1]),
        node("PRelu", ["c", "slope"], ["r"]),
        node("MaxPool", ["m"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["r", "w"], ["e"], name="e", pads=[1, 1, 1, 1]),
        node("Add", ["e", "r"], ["s"]),
        node("Relu", ["s"], ["t"]),
    ]
    constants = {
        "mean": np.float32([127.5]), "factor": np.float32([0.0078125]), "w0": FIRST, "w": WEIGHT,
        "slope": np.full((16, 1, 1), 0.25, np.float32),
    }  # fmt: skip
    return read(model(nodes, constants, x=(1, 3, 10, 10), outputs=("t",), opset=11), folder)


def test_any_tensors_may_be_outputs(tmp_path: Path) -> None:
    """Alone and together: what nodes make, the input itself, weights, and what follows from weights."""
    graph = scaled(tmp_path)
    product = Node("product", "Mul", ("slope", "factor"), "product")
    graph = replace(graph, nodes=(*graph.nodes, product))
    names = ["x", "w", "slope", "product", *(made.output for made in graph.nodes)]
    feeds = {"x": RNG.integers(0, 256, (8, 3, 10, 10)).astype(np.float32)}  # as many for each of two threads
    for chosen in [*([name] for name in names), names, names[::-1], ["t", "m"], ["m", "x"], ["w", "d"]]:
        changed = replace(graph, outputs=tuple(Tensor(name, "float32", ()) for name in chosen))
        exact, actual = reference.run(changed, feeds), fast.compile(changed, threads=2).run(feeds)
        for name in chosen:
            assert actual[name].shape == exact[name].shape, name
            assert np.linalg.norm(actual[name] - exact[name]) <= 1e-6 * np.linalg.norm(exact[name]), name


def test_no_images_give_every_output_without_rows(tmp_path: Path) -> None:
    graph = scaled(tmp_path)
    nodes = (
        *graph.nodes,
        Node("int", "Cast", ("t",), "int", {"to": "int64"}),
        Node("shape", "Shape", ("w",), "shape"),
    )
    outputs = tuple(Tensor(name, "", ()) for name in ("t", "int", "w", "shape"))
    graph = replace(graph, nodes=nodes, outputs=outputs)
    for count in (0, 2):
        results = fast.compile(graph, threads=1).run({"x": np.zeros((count, 3, 10, 10), np.float32)})
        assert [results[name].shape for name in ("t", "int", "w")] == [(count, 16, 10, 10)] * 2 + [(16, 16, 3, 3)]
        assert results["int"].dtype == np.int64
        assert results["shape"].tolist() == [16, 16, 3, 3]


def test_an_input_that_nothing_reads_is_no_trouble(tmp_path: Path) -> None:
    graph = scaled(tmp_path)
    label = Tensor("label", "float32", (1, 4))
    feeds = {"x": np.zeros((2, 3, 10, 10), np.float32), "label": np.zeros((2, 4), np.float32)}
    both = replace(graph, inputs=(*graph.inputs, label))
    alone = fast.compile(graph, threads=1).run({"x": feeds["x"]})
    assert np.array_equal(fast.compile(both, threads=1).run(feeds)["t"], alone["t"])


def test_minus_zero_stays_what_it_is(tmp_path: Path) -> None:
    """Laying a tensor out for kernels and back changes no number."""
    nodes = [node("MaxPool", ["x"], ["p"], kernel_shape=[1, 1]), node("Div", ["one", "p"])]
    graph = read(model(nodes, {"one": np.float32(1)}, x=(1, 3, 2, 2)), tmp_path)
    x = np.full((1, 3, 2, 2), -0.0, np.float32)
    with np.errstate(divide="ignore"):
        assert (fast.compile(graph, threads=1).run({"x": x})["y"] == -np.inf).all()
