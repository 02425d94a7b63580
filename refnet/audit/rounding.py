"""How far float32 arithmetic may stray from float64: the variance of rounding errors, carried from node to node.

A worst-case bound is no floor to compare with: through a hundred layers it outgrows the numbers themselves, and even in
one layer it hides a wrong weight. So rounding errors are taken as what they look like: independent, of mean zero, at
most u times the rounded number, and spread evenly, which gives each the variance (u y)^2 / 3 (model 2.1 of Higham &
Mary, *A New Approach to Probabilistic Rounding Error Analysis*, SIAM J. Sci. Comput. 41(5), 2019). To first order they
add up by variance: one node's own errors, and its inputs' errors times the squared derivative (Higham, *Accuracy and
Stability of Numerical Algorithms*, 2nd ed., sections 2.8 and 3.3).

A sum of K terms rounds its partial sums. Terms taken in random order, with sum y and sum of squares q, have partial
sums whose squares are, after k terms, (k/K)^2 y^2 + k (K - k) / (K (K - 1)) (q - y^2 / K) on average; over all k that
is about K y^2 / 3 + K q / 6. So a sum has the variance u^2 / 3 (K y^2 / 3 + K q / 6), with no assumption on the signs
or sizes of its terms. Blocked and vectorised sums round less.

A convolution by Winograd's algorithm is no such sum: what is large anywhere under a tile rounds at all its outputs. It has
a variance of its own (`winograd_error`), added for who computes that way, or may.

Variances are in units of u^2: what u is depends on whose numbers are judged. Does not cover integers, which are exact.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refnet.audit.winograd_error import DEVIATIONS, uses_winograd, winograd_variance
from refnet.graph import Array, Node
from refnet.ops import OPERATORS

ONE = 1 / 3  # the variance of one rounding of 1: an error spread evenly over [-u, u]
WINOGRAD = (DEVIATIONS / 16) ** 2  # its variance is foretold as it is: fewer deviations are enough than `floor` takes
FUNCTION = 4.0  # that of an exponential or a power: libraries are right to about two units in the last place

Variance = Array | None  # None where there is no error at all


def variance(
    node: Node, inputs: Sequence[Array | None], variances: Sequence[Variance], y: Array, *, winograd: bool = False
) -> Variance:
    """Tell the variance of the error in one node's output, element by element.

    Parameters
    ----------
    node : Node
    inputs : float64 arrays as `ops/` takes them, None where absent
    variances : of the same inputs' errors, in units of u^2; None where they have none
    y : the node's output in float64
    winograd : bool
        Whether convolutions are computed by Winograd's algorithm where refnet's fast engine does.

    Returns
    -------
    The shape of y, in units of u^2; None where the operator only moves or selects numbers that have no error.

    Examples
    --------
    >>> x = np.array([3.0, 6.0])
    >>> variance(Node("n", "Mul", ("a", "b"), "y"), [x, x], [None, None], x * x)
    array([ 27., 432.])
    >>> variance(Node("n", "Relu", ("x",), "y"), [x], [None], x) is None
    True
    """
    if y.dtype.kind != "f":
        return None
    found = RULES[node.op](_Case(node, inputs, variances, y))
    if winograd and found is not None and node.op == "Conv" and uses_winograd(node, np.asarray(inputs[1])):
        found = found + WINOGRAD * winograd_variance(np.asarray(inputs[0]), np.asarray(inputs[1]))
    return None if found is None else np.broadcast_to(found, y.shape)


@dataclass(frozen=True)
class _Case:
    """One node, what it read, the variances of that, and what it made."""

    node: Node
    inputs: Sequence[Array | None]
    variances: Sequence[Variance]
    y: Array

    def input(self, index: int) -> Array:
        """An input that the operator always has."""
        array = self.inputs[index]
        assert array is not None
        return array

    def compute(self, *inputs: Variance, **changed: object) -> Array:
        """The node's own operator on other numbers."""
        y: Array = OPERATORS[self.node.op].compute(*inputs, **{**self.node.attributes, **changed})
        return y

    def rounded(self, count: float = 1) -> Array:
        """The variance of `count` roundings of the output."""
        y: Array = count * ONE * np.square(self.y)
        return y


def _moves(case: _Case) -> Variance:
    """The operator copies numbers: it does the same to their variances."""
    return None if case.variances[0] is None else case.compute(case.variances[0], *case.inputs[1:])


def _joins(case: _Case) -> Variance:
    """The operator copies numbers from all its inputs."""
    if all(v is None for v in case.variances):
        return None
    return case.compute(*(np.zeros(case.input(i).shape) if v is None else v for i, v in enumerate(case.variances)))


def _selects(case: _Case) -> Variance:
    """A number is kept or replaced by a bound; next to the bound its error may be kept either way."""
    return case.variances[0]


def _sum(case: _Case) -> Variance:
    return _plus(case.rounded(), *case.variances)


def _product(case: _Case) -> Variance:
    a, b = case.input(0), case.input(1)
    return _plus(case.rounded(), _times(case.variances[0], np.square(b)), _times(case.variances[1], np.square(a)))


def _quotient(case: _Case) -> Variance:
    b = case.input(1)
    by_dividend, by_divisor = 1 / np.square(b), np.square(case.y / b)
    return _plus(case.rounded(), _times(case.variances[0], by_dividend), _times(case.variances[1], by_divisor))


def _root(case: _Case) -> Variance:
    return _plus(case.rounded(), _times(case.variances[0], 1 / (4 * np.square(_or_inf(case.y)))))


def _power(case: _Case) -> Variance:
    """d/dx x**p = p x**(p - 1); the exponent is taken to have no error."""
    own = FUNCTION * np.square(case.y)
    if case.variances[0] is None:
        return own
    exponent = case.input(1)
    return _plus(own, case.variances[0] * np.square(exponent * case.input(0) ** (exponent - 1)))


def _rectifier(case: _Case) -> Variance:
    """One product where x is negative."""
    negative = case.input(0) < 0
    gain = np.where(negative, np.square(case.input(1)), 1)
    return _plus(np.where(negative, case.rounded(), 0), _times(case.variances[0], gain))


def _sigmoid(case: _Case) -> Variance:
    """Libraries are right in units of 1, not of y, and stop at a bound where y is below u."""
    return _plus(np.full(case.y.shape, FUNCTION), _times(case.variances[0], np.square(case.y * (1 - case.y))))


def _softmax(case: _Case) -> Variance:
    """dy_i = y_i (dx_i - sum_j y_j dx_j); x - max is rounded before it is an exponent, and K exponentials are added."""
    axis = case.node.attributes["axis"]
    assert isinstance(axis, int)
    depth = case.input(0) - case.input(0).max(axis=axis, keepdims=True)
    own: Array = (FUNCTION + ONE * (np.square(depth) + case.y.shape[axis])) * np.square(case.y)
    if case.variances[0] is None:
        return own
    shared = (np.square(case.y) * case.variances[0]).sum(axis=axis, keepdims=True)
    return _plus(own, np.square(case.y) * (case.variances[0] + shared))


def _normalization(case: _Case) -> Variance:
    """As a (x - mean) + beta or as a x + (beta - a mean), whichever rounds more.

    The error of a, from a sum, a root and a quotient, is common to both; the second rounds its products by themselves.
    """
    x = case.input(0)
    gamma, beta, mean, var = (case.input(i).reshape((-1,) + (1,) * (x.ndim - 2)) for i in range(1, 5))
    epsilon = case.node.attributes["epsilon"]
    assert isinstance(epsilon, float)
    a = gamma / np.sqrt(var + epsilon)
    common = 3 * np.square(a * (x - mean))
    products = np.square(a * x) + np.square(a * mean) + np.square(beta - a * mean)
    return _plus(case.rounded(), ONE * (common + products), _times(case.variances[0], np.square(a)))


def _products(case: _Case) -> Variance:
    """Sums of K products, a bias among them; q is the same operator on squares."""
    x, weight = case.input(0), case.input(1)
    if case.node.op == "Conv":
        terms = math.prod(weight.shape[1:])
    else:
        terms = x.shape[0 if case.node.attributes.get("trans_a") else -1]
    each = ONE * (terms / 6 + 1)
    squared = {
        key: value**2
        for key, value in case.node.attributes.items()
        if key in ("alpha", "beta") and isinstance(value, float)
    }
    bias = [
        None if b is None else _plus(each * np.square(b), v)
        for b, v in zip(case.inputs[2:], case.variances[2:], strict=True)
    ]
    through_x = case.compute(_plus(each * np.square(x), case.variances[0]), np.square(weight), *bias, **squared)
    of_weight = None if case.variances[1] is None else case.compute(np.square(x), case.variances[1], **squared)
    return _plus(case.rounded(terms / 3 + 1), through_x, of_weight)


def _mean(case: _Case) -> Variance:
    """The mean of K numbers: a sum, with weights 1/K."""
    terms = case.input(0).size / case.y.size
    return _weighted(case, terms, 1 / terms)


def _window_mean(case: _Case) -> Variance:
    """The same where K differs from window to window, at the borders: no weight is above 1."""
    kernel = case.node.attributes["kernel"]
    assert isinstance(kernel, tuple)
    return _weighted(case, float(math.prod(kernel)), 1)


def _weighted(case: _Case, terms: float, weight: float) -> Variance:
    """A sum of numbers with weights that add up to 1, none above `weight`: sum w^2 v <= weight * sum w v."""
    own = ONE * (terms / 6) * weight * case.compute(np.square(case.input(0)))
    carried = None if case.variances[0] is None else weight * case.compute(case.variances[0])
    return _plus(case.rounded(terms / 3 + 2), own, carried)


def _length(case: _Case) -> Variance:
    """The root halves the relative error of a sum of K squares."""
    terms = case.input(0).size / case.y.size
    own = case.rounded((terms / 2 + 1) / 4 + 1)
    if case.variances[0] is None:
        return own
    carried: Array = np.square(case.compute(case.input(0) * np.sqrt(case.variances[0])) / _or_inf(case.y))
    return _plus(own, carried)


def _resize(case: _Case) -> Variance:
    """Nearest moves; the weights of linear interpolation come from a coordinate that is itself rounded."""
    if case.node.attributes["mode"] == "nearest":
        return _moves(case)
    roundings = 4 + max(case.input(0).shape[2:], default=1) ** 2
    own = ONE * roundings * case.compute(np.square(case.input(0)), *case.inputs[1:])
    return _plus(own, _moves(case))


def _plus(first: Array, *rest: Variance) -> Array:
    """The sum of the variances there are."""
    for term in rest:
        if term is not None:
            first = first + term
    return first


def _times(variance: Variance, factor: Array) -> Variance:
    """A variance behind a multiplication."""
    return None if variance is None else variance * factor


def _or_inf(y: Array) -> Array:
    """What to divide by, where a derivative is infinite at zero: there the operator's own rounding is all."""
    return np.where(y > 0, y, np.inf)


RULES: dict[str, Callable[[_Case], Variance]] = {
    **dict.fromkeys(("Cast", "Dropout", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape"), _moves),
    **dict.fromkeys(("Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze"), _moves),
    **dict.fromkeys(("Clip", "Relu"), _selects),
    **dict.fromkeys(("Add", "Sub"), _sum),
    **dict.fromkeys(("Conv", "Gemm", "MatMul"), _products),
    **dict.fromkeys(("GlobalAveragePool", "ReduceMean"), _mean),
    "AveragePool": _window_mean,
    "BatchNormalization": _normalization,
    "Concat": _joins,
    "Div": _quotient,
    "Mul": _product,
    "Pow": _power,
    "PRelu": _rectifier,
    "ReduceL2": _length,
    "Resize": _resize,
    "Sigmoid": _sigmoid,
    "Softmax": _softmax,
    "Sqrt": _root,
}
"""The rule of every operator in `ops/`."""
