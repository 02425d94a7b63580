"""Small networks that call every kernel, and digests of what they compute; run as a module, prints them as JSON."""

import hashlib
import json
import sys

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


def networks():
    """(name, graph, feeds, options) of each."""
    for name, case in CASES.items():
        yield name, case.graph(0), case.feeds(2, 0), {}
    for name in ("Winograd, few tiles", "Winograd, many tiles"):
        yield f"{name}, plain filters", CASES[name].graph(0), CASES[name].feeds(2, 0), {"memory": "low"}
    yield "dense", *dense(), {}


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
