"""How far a float32 computation of a graph may be from the float64 reference: a bound, carried from node to node.

For every tensor three arrays are followed: its value in the reference, x; a *magnitude* m >= |x|, which is what the same
arithmetic makes of absolute values (every difference a sum); and a bound e of |computed - x|. A node adds c u m to
what it passes on of its inputs' bounds, u = 2**-24, c the roundings that one element goes through (Higham, *Accuracy and
Stability of Numerical Algorithms*, 2nd ed., sections 3.1 and 3.3: a sum of K products is within K u (|w| * |x|), in
whatever order it is added). Because m grows with absolute values, the bound also holds where an engine folds one linear
node into another: what is rounded then are the products of the same absolute values.

Nonlinear nodes pass on the largest slope within e of x, not the slope at x, so the bound is no first-order estimate; where
that slope is infinite, e is. Minima, maxima and rectifiers do not enlarge differences. Functions of libraries (exponential,
power) are taken to be right to FUNCTION units in the last place.

Whole numbers and truth values are exact, e = 0, unless they come from a float so close to the next whole number that
rounding decides: then e is infinite, and so is all that follows. Elements with an infinite bound are not judged.

The fast engine convolves 3 x 3 by Winograd's F(4, 3), whose error is no multiple of |w| * |x| at one place, but follows
the largest input under the tile: `_winograd` bounds it by the absolute values of its three transforms (Barabasz, Anderson,
Soodhalter, Gregg, *Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks*, ACM
TOMS 46(4), 2020).

Nothing here is fitted: constants are counts of roundings.
"""

import math
from dataclasses import dataclass

import numpy as np

from refnet.ops import OPERATORS

U = 2.0**-24
HALF = 2.0**-11  # the unit roundoff of float16
FUNCTION = 16  # an exponential or power, in units in the last place
TINY = 2.0**-120  # underflow
_EACH = 3  # element by element: the operation itself, and constants that were folded and rounded again
_CHAIN = 64  # terms that the fast engine adds in one chain
ENGINES = ("fast", "onnxruntime")


@dataclass
class Bounded:
    """A tensor: value, magnitude, bound of the error; the last two of the value's shape."""

    value: np.ndarray
    magnitude: np.ndarray
    error: np.ndarray

    @classmethod
    def exact(cls, value):
        value = np.asarray(value)
        value = value.astype(np.float64) if value.dtype.kind == "f" else value
        return cls(value, abs(value.astype(np.float64)), np.zeros(value.shape))


def bounds(graph, feeds, engine, special=False):
    """{tensor: Bounded} of everything in a graph, for an engine of ENGINES.

    Parameters
    ----------
    graph : refnet.graph.Graph
    feeds : {graph input: array}
    engine : one of ENGINES
    special : bool
        Whether infinities and NaN are fed. They are exact then: no finite number is near to one.
    """
    constants = {name: Bounded.exact(array) for name, array in graph.constants.items()}
    known = constants | {name: Bounded.exact(array) for name, array in feeds.items()}
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            inputs = [known[name] if name else None for name in node.inputs]
            values = [None if item is None else item.value for item in inputs]
            y = np.asarray(OPERATORS[node.op].compute(*values, **node.attributes))
            known[node.output] = _after(node, inputs, y.astype(np.float64) if y.dtype.kind == "f" else y, engine)
            if special and y.dtype.kind == "f":
                known[node.output].error[~np.isfinite(y)] = 0
    return known


def _after(node, inputs, y, engine):
    """One node's output."""
    given = [item for item in inputs if item is not None]
    if y.dtype.kind != "f" or given[0].value.dtype.kind != "f":
        return _of_whole_numbers(node, inputs, given, y)
    magnitude, error = RULES[node.op](_Case(node, inputs, y, engine))
    magnitude = np.maximum(np.broadcast_to(magnitude, y.shape), abs(y))
    error = np.broadcast_to(error, y.shape)
    return Bounded(y, magnitude, np.where(np.isnan(error) | ~np.isfinite(y), np.inf, error))


def _of_whole_numbers(node, inputs, given, y):
    """Exact, unless rounding decides which whole number a float becomes."""
    error = np.zeros(y.shape)
    x = given[0]
    if node.op == "Cast" and x.value.dtype.kind == "f":
        low, high = x.value - x.error, x.value + x.error
        undecided = (low <= 0) & (high >= 0) & (x.error > 0) if y.dtype.kind == "b" else np.trunc(low) != np.trunc(high)
        error = np.where(undecided, np.inf, error)
    elif node.op in MOVES and node.op != "Shape":
        error = OPERATORS[node.op].compute(*_moved(node, inputs), **node.attributes) if x.error.any() else error
    elif node.op != "Shape" and any(item.error.any() for item in given):
        error = np.full(y.shape, np.inf)
    if y.dtype.kind == "f":
        error = error + U * abs(y) * _EACH
    return Bounded(y, abs(y.astype(np.float64)), np.where(np.isfinite(error), error, np.inf))


def _moved(node, inputs):
    """The inputs of an operator that only moves numbers, their errors in place of them."""
    if node.op == "Concat":
        return [item.error for item in inputs]
    return [inputs[0].error, *(None if item is None else item.value for item in inputs[1:])]


@dataclass
class _Case:
    """One node of floats, what it read, what it made, and whose computation is bounded."""

    node: object
    inputs: list
    y: np.ndarray
    engine: str

    @property
    def said(self):
        return self.node.attributes

    def compute(self, *inputs, **changed):
        """The node's own operator on other numbers."""
        return OPERATORS[self.node.op].compute(*inputs, **{**self.said, **changed})

    def sums(self, terms):
        """Roundings of a sum of so many products, in the engine's order: chains, or any."""
        return (min(terms, _CHAIN + terms / _CHAIN) if self.engine == "fast" else terms) + _EACH


def _moves(case):
    x, *rest = case.inputs
    rest = [None if item is None else item.value for item in rest]
    return case.compute(x.magnitude, *rest), case.compute(x.error, *rest)


def _concat(case):
    return (case.compute(*(getattr(item, name) for item in case.inputs)) for name in ("magnitude", "error"))


def _cast(case):
    """To float16 and back: runtimes round, refnet says that precision is the engine's."""
    (x,) = case.inputs
    if case.said["to"] == "float16" and case.engine != "fast":
        return x.magnitude, x.error * (1 + HALF) + HALF * x.magnitude
    return x.magnitude, x.error


def _relu(case):
    (x,) = case.inputs
    return x.magnitude, np.where(x.value < -x.error, 0, x.error)


def _clip(case):
    x, *limits = case.inputs
    error = x.error
    for limit, sign in zip(limits, (-1, 1), strict=False):
        if limit is not None:
            held = sign * (x.value - limit.value.reshape(())) > x.error
            error = np.where(held, limit.error.max(), error)
    return np.maximum(x.magnitude, abs(case.y)), error


def _sum(case):
    a, b = case.inputs
    magnitude = a.magnitude + b.magnitude
    return magnitude, a.error + b.error + _EACH * U * magnitude


def _product(case):
    a, b = case.inputs
    magnitude = a.magnitude * b.magnitude
    return magnitude, a.error * abs(b.value) + b.error * abs(a.value) + a.error * b.error + _EACH * U * magnitude


def _quotient(case):
    a, b = case.inputs
    least = abs(b.value) - b.error
    least = np.where(least > 0, least, 0)
    magnitude = a.magnitude / least
    return magnitude, (a.error + abs(case.y) * b.error) / least + _EACH * U * magnitude


def _power(case):
    """A power of a positive number is monotone in both; a whole power of another has the slope p |x|**(p - 1)."""
    x, p = case.inputs
    low, power = x.value - x.error, p.value.astype(np.float64)
    whole = (power == np.round(power)) & (power >= 0)
    steep = power * (abs(x.value) + x.error) ** np.maximum(power - 1, 0) * x.error
    ends = [abs(np.maximum(end, 0) ** power - case.y) for end in (low, x.value + x.error)]
    error = np.where(whole, steep, np.where(low > 0, np.maximum(*ends), np.inf))
    error = np.where(p.error > 0, np.inf, error)
    return abs(case.y) + error, error + FUNCTION * U * (abs(case.y) + error)


def _root(case):
    (x,) = case.inputs
    low = x.value - x.error
    spread = np.maximum(np.sqrt(x.value + x.error) - case.y, case.y - np.sqrt(np.maximum(low, 0)))
    error = np.where(low < 0, np.inf, spread)
    return case.y, error + _EACH * U * case.y


def _prelu(case):
    x, slope = case.inputs
    gain = np.where(x.value > x.error, 1, np.maximum(1, abs(slope.value)))
    magnitude = x.magnitude * gain
    return magnitude, x.error * gain + slope.error * (abs(x.value) + x.error) + _EACH * U * magnitude


def _sigmoid(case):
    (x,) = case.inputs
    return case.y, x.error / 4 + FUNCTION * U


def _softmax(case):
    """If no x is off by more than e, no y is off by more than a factor of exp(2 e)."""
    (x,) = case.inputs
    axis = case.said["axis"]
    widest = np.expm1(2 * x.error.max(axis=axis, keepdims=True, initial=0))
    depth = (2 * abs(x.value)).max(axis=axis, keepdims=True, initial=0)
    own = U * (FUNCTION + depth + case.y.shape[axis])
    return case.y, case.y * (widest + own * (1 + widest)) + TINY


def _normalization(case):
    x, *vectors = case.inputs
    gamma, beta, mean, var = (v.value.reshape((-1,) + (1,) * (x.value.ndim - 2)) for v in vectors)
    scale = abs(gamma / np.sqrt(var + case.said["epsilon"]))
    magnitude = scale * (x.magnitude + abs(mean)) + abs(beta)
    known = math.inf if any(v.error.any() for v in vectors) else 0
    return magnitude, scale * x.error + 2 * _EACH * U * magnitude + known


def _products(case):
    x, w, *c = case.inputs
    if case.node.op == "Conv":
        terms = math.prod(w.value.shape[1:])
    else:
        terms = x.value.shape[0 if case.said.get("trans_a") else -1]
    positive = {name: abs(case.said[name]) for name in ("alpha", "beta") if name in case.said}
    biases = [None if item is None else item.magnitude for item in c]
    errors = [None if item is None else item.error for item in c]
    magnitude = case.compute(x.magnitude, w.magnitude, *biases, **positive)
    passed = case.compute(x.error, abs(w.value) + w.error, *errors, **positive)
    if w.error.any():
        passed = passed + case.compute(abs(x.value), w.error, **positive)
    own = case.sums(terms) * U * magnitude
    if case.engine == "fast" and case.node.op == "Conv" and _is_winograd(case.said, w.value.shape):
        own = own + _winograd(case, x, w)
    return magnitude, passed + own


def _is_winograd(said, shape):
    """Whether a convolution may be computed by Winograd's algorithm."""
    return shape[2:] == (3, 3) and said["stride"] == said["dilation"] == (1, 1) and said["groups"] == 1


def _winograd(case, x, w):
    """The gain of the transforms, times the largest magnitude near each place, weighed by all of each filter.

    A tile of F(4, 3) reads six rows and columns: what is within four of a place, downwards and across, may lie under it.
    """
    top, left, bottom, right = case.said["padding"]
    padded = np.pad(x.magnitude, ((0, 0), (0, 0), (top + 4, bottom + 4), (left + 4, right + 4)))
    near = np.lib.stride_tricks.sliding_window_view(padded, (9, 9), axis=(2, 3)).max(axis=(-1, -2))
    whole = case.compute(near, w.magnitude, padding=(0, 0, 0, 0))
    return GAIN * (ROUNDINGS + case.sums(w.value.shape[1])) * U * whole


def _gain():
    """max_ij sum |AT| (|G| |e| |G|T . |BT| |B|) |A| over unit filters e and inputs of 1: the square of that of one axis.

    Y = AT [(G g GT) . (BT d B)] A at the points 0, 2/3, -2/3, 3/2, -3/2 and infinity; BT holds the coefficients of
    Lagrange's polynomials at the points, G and AT powers of the points.
    """
    points = [0, 2 / 3, -2 / 3, 3 / 2, -3 / 2]
    at = np.array([[p**i for p in points] + [float(i == 3)] for i in range(4)])
    g = np.array([[p**k for k in range(3)] for p in points] + [[0, 0, 1]])
    bt = np.zeros((6, 6))
    for row, p in enumerate(points):
        others = [q for q in points if q != p]
        bt[row, :5] = np.poly(others)[::-1] / math.prod(p - q for q in others)
    bt[5] = np.poly(points)[::-1]
    return at, g, bt


AT, G, BT = _gain()
GAIN = float(np.einsum("if,fk,fl->ik", abs(AT), abs(G), abs(BT)).max() ** 2)
# The transforms of filter, input and output, each in two directions, and the rounding of their coefficients.
ROUNDINGS = 2 * (3 + 6 + 6) + 2 * 3


def _mean(case):
    (x,) = case.inputs
    terms = math.prod(case.said["kernel"]) if case.node.op == "AveragePool" else x.value.size / max(case.y.size, 1)
    magnitude = case.compute(x.magnitude)
    return magnitude, case.compute(x.error) + (terms + _EACH) * U * magnitude


def _length(case):
    """The length of a difference is at least the difference of the lengths; squares may underflow."""
    (x,) = case.inputs
    terms = x.value.size / max(case.y.size, 1)
    magnitude = case.compute(x.magnitude)
    vanished = np.sqrt(terms * 2.0**-149)
    return magnitude, case.compute(x.error) + (terms / 2 + _EACH) * U * magnitude + vanished


def _resize(case):
    """Linear: a place is rounded a few times, by at most u times the extent, and two elements are weighed."""
    magnitude, error = _moves(case)
    if case.said["mode"] == "nearest":
        return magnitude, error
    extent = max(*case.inputs[0].value.shape, *case.y.shape)
    return magnitude, error + (8 + 6 * extent) * U * case.inputs[0].magnitude.max(initial=0)


MOVES = (
    "Concat", "Dropout", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Shape", "Slice", "Squeeze",
    "Transpose", "Unsqueeze",
)  # fmt: skip
RULES = {
    **dict.fromkeys(MOVES, _moves),
    **dict.fromkeys(("Add", "Sub"), _sum),
    **dict.fromkeys(("Conv", "Gemm", "MatMul"), _products),
    **dict.fromkeys(("AveragePool", "GlobalAveragePool", "ReduceMean"), _mean),
    "BatchNormalization": _normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Div": _quotient,
    "Mul": _product,
    "PRelu": _prelu,
    "Pow": _power,
    "ReduceL2": _length,
    "Relu": _relu,
    "Resize": _resize,
    "Sigmoid": _sigmoid,
    "Softmax": _softmax,
    "Sqrt": _root,
}
"""The rule of every operator in `ops/`."""
