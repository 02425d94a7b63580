"""How far float32 arithmetic may stray from float64: the variance of rounding errors, carried from node to node.

A worst-case bound is no floor to compare with: through a hundred layers it outgrows the numbers themselves, and even in
one layer it hides a wrong weight. So rounding errors are taken as what they look like: independent, of mean zero, at
most u times the rounded number, and spread evenly, which gives each the variance (u y)^2 / 3 (model 2.1 of Higham & Mary,
*A New Approach to Probabilistic Rounding Error Analysis*, SIAM J. Sci. Comput. 41(5), 2019). To first order they
add up by variance: one node's own errors, and its inputs' errors times the squared derivative (Higham, *Accuracy and
Stability of Numerical Algorithms*, 2nd ed., sections 2.8 and 3.3).

A sum of K terms rounds its partial sums. Terms taken in random order, with sum y and sum of squares q, have partial sums
whose squares are on average (k/K)^2 y^2 + k (K - k) / (K (K - 1)) (q - y^2 / K) after k terms; over all k that
is about K y^2 / 3 + K q / 6, so that rounding has the variance u^2 / 3 (K y^2 / 3 + K q / 6). No assumption on signs or sizes
is made. Blocked and vectorised sums round less.

Variances are in units of u^2: what u is depends on whose numbers are judged. Does not cover integers, which are exact.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from refnet.graph import Array, Node
from refnet.ops import OPERATORS

ONE_ROUNDING = 1 / 3  # variance of an error spread evenly over [-1, 1]
FUNCTION_ROUNDINGS = 4  # of an exponential or a power: libraries are right to about two units in the last place

Variance = Array | None  # None where there is no error at all
Rule = Callable[[Node, Sequence[Array], Sequence[Variance], Array], Variance]


def variance(node: Node, inputs: Sequence[Array | None], variances: Sequence[Variance], y: Array) -> Variance:
    """Tell the variance of the error in one node's output, element by element.

    Parameters
    ----------
    node : Node
    inputs : float64 arrays as `ops/` takes them, None where absent
    variances : of the same inputs' errors, in units of u^2; None where they have none
    y : the node's output in float64

    Returns
    -------
    The shape of y, in units of u^2; None where the operator only moves or selects numbers that have no error.

    Examples
    --------
    >>> x = np.array([3.0, 4.0])
    >>> variance(Node("n", "Add", ("a", "b"), "y"), [x, x], [None, None], x + x)
    array([12.        , 21.33333333])
    >>> variance(Node("n", "Relu", ("x",), "y"), [x], [None], x) is None
    True
    """
    if y.dtype.kind != "f":
        return None
    present = [np.zeros(0) if x is None else x for x in inputs]
    found = RULES[node.op](node, present, variances, y)
    return None if found is None else np.broadcast_to(found, y.shape)


def _moves(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """The operator copies numbers: it does the same to their variances."""
    if variances[0] is None:
        return None
    moved: Array = OPERATORS[node.op].compute(variances[0], *inputs[1:], **node.attributes)
    return moved


def _joins(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """Concat: as `_moves`, with several inputs."""
    if all(v is None for v in variances):
        return None
    joined: Array = OPERATORS[node.op].compute(
        *(np.zeros(x.shape) if v is None else v for x, v in zip(inputs, variances, strict=True)), **node.attributes
    )
    return joined


def _selects(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """Relu, Clip: a number is kept or replaced by a bound; next to the bound its error may be kept either way."""
    return variances[0]


def _sum(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    return _plus(ONE_ROUNDING * np.square(y), *variances)


def _product(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    a, b = inputs
    return _plus(ONE_ROUNDING * np.square(y), _times(variances[0], np.square(b)), _times(variances[1], np.square(a)))


def _quotient(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    b = inputs[1]
    return _plus(
        ONE_ROUNDING * np.square(y), _times(variances[0], 1 / np.square(b)), _times(variances[1], np.square(y / b))
    )


def _root(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    slope = 1 / (4 * np.square(np.where(y > 0, y, np.inf)))
    return _plus(ONE_ROUNDING * np.square(y), _times(variances[0], slope))


def _power(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """d/dx of x**p is p * x**(p - 1); the exponent has no error."""
    x, exponent = inputs
    carried = None if variances[0] is None else _times(variances[0], np.square(exponent * x ** (exponent - 1)))
    return _plus(FUNCTION_ROUNDINGS * np.square(y), carried)


def _rectifier(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """PRelu: one product where x is negative."""
    x, slope = inputs
    own = np.where(x < 0, ONE_ROUNDING * np.square(y), 0)
    return _plus(own, _times(variances[0], np.where(x < 0, np.square(slope), 1)))


def _sigmoid(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """Libraries are right in units of 1, not of y, and saturate where y is below u."""
    return _plus(np.full(y.shape, float(FUNCTION_ROUNDINGS)), _times(variances[0], np.square(y * (1 - y))))


def _softmax(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """dy_i = y_i (dx_i - sum_j y_j dx_j); x - max is rounded before it is an exponent, and K exponentials are added."""
    axis = int(node.attributes["axis"])  # type: ignore[arg-type]
    depth = inputs[0] - inputs[0].max(axis=axis, keepdims=True)
    own = (FUNCTION_ROUNDINGS + ONE_ROUNDING * (np.square(depth) + y.shape[axis])) * np.square(y)
    if variances[0] is None:
        return own
    shared = (np.square(y) * variances[0]).sum(axis=axis, keepdims=True)
    return own + np.square(y) * (variances[0] + shared)


def _normalization(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """BatchNormalization, as a * (x - mean) + beta or a * x + (beta - a * mean): the larger error of the two.

    The error of a, from a sum, a root and a quotient, is common to both; the second rounds its products by themselves.
    """
    x, gamma, beta, mean, var = inputs
    column = (-1,) + (1,) * (x.ndim - 2)
    a = (gamma / np.sqrt(var + float(node.attributes["epsilon"]))).reshape(column)  # type: ignore[arg-type]
    mean, beta = mean.reshape(column), beta.reshape(column)
    common = 3 * np.square(a * (x - mean))
    products = np.square(a * x) + np.square(a * mean) + np.square(beta - a * mean) + np.square(y)
    return _plus(ONE_ROUNDING * (common + products), _times(variances[0], np.square(a)))


def _products(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """Conv, Gemm, MatMul: sums of K products, a bias among them; q is the same operator on squares."""
    x, weight, *bias = inputs
    terms = math.prod(weight.shape[1:]) if node.op == "Conv" else x.shape[0 if node.attributes.get("trans_a") else -1]
    per_term = ONE_ROUNDING * (terms / 6 + 1)
    attributes = {key: value**2 if key in ("alpha", "beta") else value for key, value in node.attributes.items()}  # type: ignore[operator]
    compute = OPERATORS[node.op].compute
    squares = np.square(weight)
    addends = [_plus(per_term * np.square(b), v) for b, v in zip(bias, variances[2:], strict=True)]
    through = compute(_plus(per_term * np.square(x), variances[0]), squares, *addends, **attributes)
    of_weight = None if variances[1] is None else compute(np.square(x), variances[1], **attributes)
    return _plus(through, of_weight, ONE_ROUNDING * (terms / 3 + 1) * np.square(y))


def _mean(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """Means of K numbers: the same sums, with weights 1/K."""
    x = inputs[0]
    if node.op == "AveragePool":
        terms = math.prod(node.attributes["kernel"])  # type: ignore[arg-type]
    else:
        terms = max(1, x.size // max(1, y.size))
    compute = OPERATORS[node.op].compute
    own = ONE_ROUNDING * (
        (terms / 3 + 2) * np.square(y) + compute(np.square(x), **node.attributes) * (terms / 6) / terms
    )
    return own if variances[0] is None else own + compute(variances[0], **node.attributes) / terms


def _length(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """ReduceL2: the root halves the relative error of a sum of K squares."""
    x = inputs[0]
    terms = max(1, x.size // max(1, y.size))
    own = ONE_ROUNDING * ((terms / 2 + 1) / 4 + 1) * np.square(y)
    if variances[0] is None:
        return own
    carried = np.square(OPERATORS["ReduceL2"].compute(x * np.sqrt(variances[0]), **node.attributes))
    return own + carried / np.square(np.where(y > 0, y, np.inf))


def _resize(node: Node, inputs: Sequence[Array], variances: Sequence[Variance], y: Array) -> Variance:
    """Linear interpolation has weights from a coordinate that is itself rounded; nearest moves."""
    if node.attributes["mode"] == "nearest":
        return _moves(node, inputs, variances, y)
    rest = [x if x.size else None for x in inputs[1:]]
    compute = OPERATORS["Resize"].compute
    extent = max(inputs[0].shape[2:], default=1)
    own = ONE_ROUNDING * (4 + extent**2) * compute(np.square(inputs[0]), *rest, **node.attributes)
    return own if variances[0] is None else own + compute(variances[0], *rest, **node.attributes)


def _plus(first: Array, *rest: Variance) -> Array:
    """The sum of the variances there are."""
    total = first
    for term in rest:
        if term is not None:
            total = total + term
    return total


def _times(variance: Variance, factor: Array) -> Variance:
    """A variance behind a multiplication."""
    return None if variance is None else variance * factor


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "Cast", "Dropout", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Shape", "Slice", "Squeeze",
            "Transpose", "Unsqueeze",
        ),
        _moves,
    ),
    "Add": _sum,
    "AveragePool": _mean,
    "BatchNormalization": _normalization,
    "Clip": _selects,
    "Concat": _joins,
    "Conv": _products,
    "Div": _quotient,
    "Gemm": _products,
    "GlobalAveragePool": _mean,
    "MatMul": _products,
    "Mul": _product,
    "Pow": _power,
    "PRelu": _rectifier,
    "ReduceL2": _length,
    "ReduceMean": _mean,
    "Relu": _selects,
    "Resize": _resize,
    "Sigmoid": _sigmoid,
    "Softmax": _softmax,
    "Sqrt": _root,
    "Sub": _sum,
}  # fmt: skip
"""The rule of every operator in `ops/`."""
