"""Small networks that call every kernel, and digests of what they compute; run as a module, prints them as JSON."""

import hashlib
import json
import sys
from dataclasses import replace

import numpy as np

import refnet.fast
from refnet.graph import Graph, Node, Tensor
from tests.fast.single import Conv, kernels

CASES = {
    "Winograd, one tile": Conv(16, 16, 4, 4),
    "Winograd, tiles of every size, chains of more than 64 terms": Conv(80, 40, 7, 7, slope=True, residual=True, second=True),
    "Winograd, few tiles": Conv(32, 32, 13, 14),
    "Winograd, many tiles": Conv(16, 32, 21, 22, slope=True, second=True),
    "direct, stride 2": Conv(80, 32, 9, 9, stride=(2, 2), residual=True, second=True),
    "direct, stride 1": Conv(32, 48, 5, 17, size=(1, 1), padding=(0, 0, 0, 0), slope=True),
    "pixels": Conv(3, 32, 6, 19, slope=True, second=True),
    "pixels, stride 2": Conv(3, 32, 9, 20, stride=(2, 2), slope=True),
    "depthwise": Conv(32, 32, 6, 7, depthwise=True, slope=True),
}  # fmt: skip


def dense():
    """A fully connected layer of more than one chain and panel."""
    rng = np.random.default_rng(5)
    constants = {"w": rng.standard_normal((40, 16 * 9)), "b": rng.standard_normal(40)}
    nodes = (
        Node("flatten", "Flatten", ("x",), "flat", {"axis": 1}),
        Node("fc", "Gemm", ("flat", "w", "b"), "y", {"alpha": 1.0, "beta": 1.0, "trans_a": 0, "trans_b": 1}),
    )
    tensors = (Tensor("x", "float32", (1, 16, 3, 3)),), (Tensor("y", "float32", (1, 40)),)
    floats = {name: value.astype(np.float32) for name, value in constants.items()}
    return Graph("dense", *tensors, nodes, floats), {"x": rng.standard_normal((3, 16, 3, 3)).astype(np.float32)}


def without_weights(op, attributes, *inputs, **constants):
    """One node that needs none; zeros of both signs, infinities and NaN among the numbers."""
    output = {"MaxPool": (19, 4, 4), "Resize": (19, 16, 24), "Add": (19, 8, 8)}[op]
    image = Tensor("x", "float32", (1, 19, 8, 8))
    tensors = (image, replace(image, name="r")) if op == "Add" else (image,)
    node = Node("it", op, inputs, "y", attributes)
    rng = np.random.default_rng(6)
    feeds = {tensor.name: rng.standard_normal((2, 19, 8, 8)).astype(np.float32) for tensor in tensors}
    for x in feeds.values():
        x.flat[rng.integers(0, x.size, 400)] = rng.choice(np.float32([0.0, -0.0, np.inf, np.nan]), 400)
    return Graph(op, tensors, (Tensor("y", "float32", (1, *output)),), (node,), constants), feeds


def networks():
    """(name, graph, feeds, options) of each."""
    for name, case in CASES.items():
        yield name, case.graph(0), case.feeds(2, 0), {}
    for name in ("Winograd, few tiles", "Winograd, many tiles"):
        yield f"{name}, plain filters", CASES[name].graph(0), CASES[name].feeds(2, 0), {"memory": "low"}
    yield "dense", *dense(), {}
    pool = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 0, 0), "dilation": (1, 1), "ceil_mode": 0}
    nearest = {"mode": "nearest", "coordinate_transformation": "asymmetric", "nearest_mode": "floor"}
    yield "largest", *without_weights("MaxPool", pool, "x"), {}
    yield "enlarged", *without_weights("Resize", nearest, "x", "scales", scales=np.array([1, 1, 2, 3.0])), {}
    yield "added", *without_weights("Add", {}, "x", "r"), {}


def digests():
    """A digest of all outputs, by name."""
    found = {}
    for name, graph, feeds, options in networks():
        outputs = refnet.fast.compile(graph, threads=3, **options).run(feeds)
        found[name] = hashlib.sha256(b"".join(outputs[key].tobytes() for key in sorted(outputs))).hexdigest()
    return found


def kernels_called():
    """All of them, by name."""
    return {kernel for _, graph, _, options in networks() for kernel in kernels(graph, **options)[0]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digests()))
