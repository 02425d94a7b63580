"""A small detector in SCRFD's form, with random weights: what the tests run where no trained one can be had."""

import numpy as np

from refnet.graph import Graph, Node, Tensor


def scrfd_form(
    seed: int = 0, *, batched: bool = False, anchors: int = 2, widths: tuple[int, ...] = (1, 4, 10)
) -> Graph:
    """Three maps, at strides 8, 16 and 32, each a mean over its cells and one 1x1 convolution for every output.

    Parameters
    ----------
    batched : bool
        Whether the outputs keep a batch axis of one; insightface's files exist in both forms.
    """
    rng = np.random.default_rng(seed)
    nodes, constants, outputs = [], {}, {}
    for stride in (8, 16, 32):
        pooled = f"mean_{stride}"
        window = (stride, stride)
        attributes = {"kernel": window, "stride": window, "padding": (0, 0, 0, 0), "ceil_mode": 0}
        attributes |= {"count_include_pad": 0}
        nodes.append(Node(pooled, "AveragePool", ("input.1",), pooled, attributes))
        for width in widths:
            name = f"{stride}:{width}"
            constants[f"{name}:weight"] = rng.normal(0, 2, (anchors * width, 3, 1, 1)).astype(np.float32)
            constants[f"{name}:bias"] = (rng.normal(0, 1, anchors * width) + (-1 if width == 1 else 1)).astype(
                np.float32
            )
            constants[f"{name}:shape"] = np.array([1, -1, width] if batched else [-1, width])
            attributes = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
            inputs = (pooled, f"{name}:weight", f"{name}:bias")
            nodes.append(Node(f"{name}:conv", "Conv", inputs, f"{name}:conv", attributes))
            nodes.append(Node(f"{name}:turn", "Transpose", (f"{name}:conv",), f"{name}:turn", {"perm": (0, 2, 3, 1)}))
            last = f"{name}:rows" if width == 1 else name
            nodes.append(Node(last, "Reshape", (f"{name}:turn", f"{name}:shape"), last, {"allow_zero": 0}))
            if width == 1:
                nodes.append(Node(name, "Sigmoid", (last,), name))
            outputs[name] = Tensor(name, "float32", (1, None, width) if batched else (None, width))
    order = [f"{stride}:{width}" for width in widths for stride in (8, 16, 32)]
    image = Tensor("input.1", "float32", (1, 3, None, None))
    return Graph("small", (image,), tuple(outputs[name] for name in order), tuple(nodes), constants)
