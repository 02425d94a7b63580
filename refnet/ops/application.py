"""One node computed by the definition of its operator, on arrays: what both engines share."""

from collections.abc import Sequence

import numpy as np

from refnet.errors import InputError, ModelError
from refnet.graph import Array, Node
from refnet.ops import OPERATORS


def apply_node(node: Node, inputs: Sequence[Array | None]) -> Array:
    """Compute a node's output; None is an absent input. May return a view of an input.

    Infinities and NaN go on as IEEE 754 has them, without a warning; an overflow is told to whoever asked NumPy for a call.

    Raises
    ------
    InputError, ModelError
        "node 'x' (Op): ..." where numbers computed from the inputs are what the operator cannot take: an index outside
        its axis, an integer divided by zero.
    """
    try:
        with np.errstate(all="ignore", over="call" if np.geterr()["over"] == "call" else "ignore"):
            return np.asarray(OPERATORS[node.op].compute(*inputs, **node.attributes))
    except (InputError, ModelError) as error:
        raise type(error)(f"node {node.name!r} ({node.op}): {error}") from error
