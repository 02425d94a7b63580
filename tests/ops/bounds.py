"""How far a float32 runtime may be from the definition of an operator, element by element.

Each bound is gamma(terms) * magnitude: `terms` roundings, in units of what the sum of the absolute values would be
(see `tests.comparison.gamma`). Operators that only move or select elements have a bound of 0.
"""

import math

import numpy as np

from refnet.ops import OPERATORS
from tests.comparison import gamma

EXPONENTIAL = 16  # runtimes approximate exp by a polynomial, right to a few units in the last place


def float32_bound(op, inputs, attributes):
    """The bound for one application of an operator.

    Parameters
    ----------
    op : str
    inputs : sequence of float64 or integer arrays, None where absent
    attributes : refnet's

    Returns
    -------
    number, or array of the shape of the output
    """
    if inputs[0].dtype.kind != "f":
        return 0
    return gamma(_terms(op, inputs, attributes), np.float32) * _magnitude(op, inputs, attributes)


def _terms(op, inputs, said):
    shape = inputs[0].shape
    match op:
        case "Add" | "Sub" | "Mul" | "Div" | "Sqrt" | "PRelu":
            return 1
        case "Sigmoid" | "Softmax" | "Pow":
            return EXPONENTIAL
        case "BatchNormalization":
            return 8
        case "Conv":
            return math.prod(inputs[1].shape[1:]) + 1
        case "Gemm":
            return shape[0 if said.get("trans_a") else 1] + 3
        case "MatMul":
            return shape[-1]
        case "AveragePool":
            return math.prod(said["kernel"]) + 1
        case "GlobalAveragePool":
            return math.prod(shape[2:]) + 1
        case "ReduceL2" | "ReduceMean":
            return math.prod(shape[axis] for axis in said.get("axes") or range(len(shape))) + 2
        case "Resize" if said["mode"] == "linear":
            # A place is rounded a few times, by at most u times the extent, and two elements are weighed.
            return 8 + 6 * max(shape)
    return 0


def _magnitude(op, inputs, said):
    compute = OPERATORS[op].compute
    match op:
        case "Conv" | "Gemm" | "MatMul" | "AveragePool" | "GlobalAveragePool" | "ReduceMean":
            said = {**said, **{name: abs(said[name]) for name in ("alpha", "beta") if name in said}}
            return compute(*(None if x is None else abs(x) for x in inputs), **said)
        case "BatchNormalization":
            # Runtimes fold the mean into the shift, beta - mean * scale, so that the mean counts by itself.
            x, gamma_, beta, mean, var = (abs(x) for x in inputs)
            return compute(x, gamma_, beta, -mean, var, **said)
        case "Sigmoid" | "Softmax":
            return 1.0
        case "Resize":
            return abs(inputs[0]).max()
    return abs(compute(*inputs, **said))
