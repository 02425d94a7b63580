"""A random ONNX graph, grown node by node from tensors whose shape, dtype and range are known.

Everything is drawn from one NumPy generator, as integers and exact fractions, so that a seed gives the same graph on
every machine. The range of every tensor is followed as an interval: it is what keeps square roots and divisions away
from zero by construction, whatever is fed.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

ONNX_TYPES = {
    "float16": onnx.TensorProto.FLOAT16,
    "float32": onnx.TensorProto.FLOAT,
    "float64": onnx.TensorProto.DOUBLE,
    "int32": onnx.TensorProto.INT32,
    "int64": onnx.TensorProto.INT64,
    "bool": onnx.TensorProto.BOOL,
}
REAL = ("float32", "float64")  # what arithmetic is done in
WHOLE = ("int32", "int64")
NUMBERS = (*REAL, *WHOLE)
ANY = (*NUMBERS, "bool")
LARGEST = 1e3  # of any tensor's range
MOST = 20_000  # elements of any tensor
# The oldest IR version that may carry an opset.
_IR_VERSIONS = {7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


class UnfitError(Exception):
    """A recipe found no tensor that it could use; nothing was added."""


@dataclass(frozen=True)
class Value:
    """One tensor: its name, dtype, shape at the declared batch, and the interval that its elements lie in."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0

    @property
    def rank(self):
        return len(self.shape)

    @property
    def size(self):
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def largest(self):
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True)
class Input:
    """A graph input; `batched` says that its first axis is the batch."""

    value: Value
    batched: bool


@dataclass
class Grown:
    """A finished graph.

    Attributes
    ----------
    model : onnx.ModelProto, checked.
    inputs : tuple of Input
    batch : the batch that the graph was grown for.
    free : whether the file leaves the batch open.
    seed : of the feeds.
    special : whether zeros of either sign, infinities and NaN are among the feeds.
    """

    model: onnx.ModelProto
    inputs: tuple[Input, ...]
    batch: int
    free: bool
    seed: tuple[int, ...]
    special: bool = False

    def feeds(self, batch):
        """{input: array} for a batch: multiples of 1/64 in the input's range, or whole numbers.

        Where it is special, one float in eight is zero of either sign, infinite, or NaN.
        """
        random = np.random.default_rng((*self.seed, batch))
        fed = {entry.value.name: _fed(entry, batch, random) for entry in self.inputs}
        for array in fed.values() if self.special else ():
            if array.dtype.kind == "f":
                there = random.integers(0, 8, array.shape) == 0
                array[there] = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])[random.integers(0, 5, int(there.sum()))]
        return fed


def _fed(entry, batch, random):
    value = entry.value
    shape = (batch, *value.shape[1:]) if entry.batched else value.shape
    if value.dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if value.dtype in WHOLE:
        return random.integers(int(value.low), int(value.high) + 1, shape).astype(value.dtype)
    return (random.integers(round(value.low * 64), round(value.high * 64) + 1, shape) / 64).astype(value.dtype)


@dataclass
class Growth:
    """A graph half grown; `special` if it will be fed infinities and NaN."""

    random: np.random.Generator
    opset: int
    batch: int
    free: bool
    special: bool = False
    inputs: list[Input] = field(default_factory=list)
    pool: list[Value] = field(default_factory=list)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    constants: list[tuple[Value, np.ndarray]] = field(default_factory=list)

    # Drawing

    def between(self, first, last):
        """An integer, both ends included."""
        return int(self.random.integers(first, last + 1))

    def chance(self, percent):
        return self.between(0, 99) < percent

    def choice(self, things):
        things = list(things)
        if not things:
            raise UnfitError
        return things[self.between(0, len(things) - 1)]

    def shuffled(self, things):
        things = list(things)
        return [things[i] for i in self.random.permutation(len(things))]

    def numbers(self, shape, low=-1.0, high=1.0):
        """Float32 multiples of 1/128, uniform in the interval."""
        return (self.random.integers(round(low * 128), round(high * 128) + 1, shape) / 128).astype(np.float32)

    def weights(self, shape, terms):
        """Numbers whose sums of so many products stay about as large as what they multiply."""
        return self.numbers(shape) * np.float32(2.0 ** -(max(terms // 4, 1).bit_length() - 1))

    # Tensors

    def pick(self, dtypes=REAL, rank=None, where=None):
        """A tensor of the pool, the latest ones more often."""
        fitting = [
            value
            for value in self.pool
            if value.dtype in dtypes and (rank is None or value.rank == rank) and (where is None or where(value))
        ]
        if not fitting:
            raise UnfitError
        if self.chance(60):
            fitting = fitting[-3:]
        return self.choice(fitting)

    def image(self, where=None):
        """A float32 tensor of four axes; made from another where there is none."""
        try:
            return self.pick(("float32",), 4, where)
        except UnfitError:
            x = self.pick(("float32",), where=lambda value: value.rank in (1, 2, 3) and value.size)
        shape = (*x.shape, *[1] * (4 - x.rank))
        y = self.reshaped(x, shape, tuple(0 if i < x.rank else 1 for i in range(4)))
        if where is not None and not where(y):
            raise UnfitError
        return y

    def positive(self, dtypes=("float32",), where=None):
        """A tensor that is at least 1/8 everywhere; made from another where there is none."""
        x = self.pick(dtypes, where=where)
        if x.low >= 0.125:
            return x
        if x.low > -4 and self.chance(50):
            shift = self.constant(np.array(0.5 - np.floor(x.low), x.dtype))
            return self.node(
                "Add", [x, shift], x.shape, low=x.low + 0.5 - np.floor(x.low), high=x.high + 0.5 - np.floor(x.low)
            )
        squeezed = self.node("Sigmoid", [x], x.shape, low=0, high=1)
        shift = self.constant(np.array(0.5, x.dtype))
        return self.node("Add", [squeezed, shift], x.shape, low=0.5, high=1.5)

    def reshaped(self, x, shape, target):
        """x in another shape, asked for by `target`, which may hold 0 and -1."""
        return self.node("Reshape", [x, self.constant(np.array(target, np.int64))], shape, low=x.low, high=x.high)

    def constant(self, array):
        """A constant, as an initializer or a Constant node; an equal one that is there already is often used again."""
        array = np.asarray(array)
        for value, there in self.constants:
            if (
                there.dtype == array.dtype
                and np.array_equal(there, array)
                and there.shape == array.shape
                and self.chance(70)
            ):
                return value
        low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
        value = Value(self.fresh("c"), array.dtype.name, array.shape, low, high)
        real = array.dtype.kind == "f" or self.opset >= 9  # a Constant of other numbers came with opset 9
        if not (real and self.chance(30)):
            self.initializers.append(numpy_helper.from_array(array, value.name))
        else:
            self.nodes.append(helper.make_node("Constant", [], [value.name], value.name, **self._said(array)))
        self.constants.append((value, array))
        return value

    def shared(self, shape, make):
        """A constant of the shape: one that is there already, sometimes, or what `make` gives."""
        there = [value for value, array in self.constants if value.dtype == "float32" and array.shape == tuple(shape)]
        if there and self.chance(30):
            return self.choice(there)
        return self.constant(make())

    def _said(self, array):
        """A Constant's attribute, in one of the forms that the opset has for the value."""
        if self.opset >= 12 and array.ndim < 2 and array.size and self.chance(50):
            word = {"float32": "float", "int64": "int"}.get(array.dtype.name)
            if word:
                return {f"value_{word}s": array.tolist()} if array.ndim else {f"value_{word}": array.item()}
        return {"value": numpy_helper.from_array(array)}

    def array(self, value):
        """The numbers of a constant."""
        return next(array for there, array in self.constants if there.name == value.name)

    def fresh(self, letter):
        return f"{letter}{len(self.nodes) + len(self.initializers)}"

    def input(self, dtype, shape, low=-2.0, high=2.0, batched=True):
        """A graph input."""
        value = Value(f"x{len(self.inputs)}", dtype, tuple(shape), float(low), float(high))
        self.inputs.append(Input(value, batched))
        self.pool.append(value)
        return value

    def node(self, op, inputs, shape, *, dtype=None, low=None, high=None, keep=True, more=(), **said):
        """One node; its output, which goes into the pool if it is `keep`.

        `inputs` are Values, or None where an optional one is absent; attributes that are None are left out.
        """
        first = next(value for value in inputs if value is not None)
        shape = tuple(int(extent) for extent in shape)
        made = Value(
            self.fresh("t"),
            dtype or first.dtype,
            shape,
            float(first.low if low is None else low),
            float(first.high if high is None else high),
        )
        if made.size > MOST or made.largest > LARGEST:
            raise UnfitError
        said = {name: value for name, value in said.items() if value is not None}
        names = ["" if value is None else value.name for value in inputs]
        while names and not names[-1]:
            names.pop()
        self.nodes.append(helper.make_node(op, names, [made.name, *more], f"{op}_{made.name}", **said))
        if keep:
            self.pool.append(made)
        return made

    # The end

    def finished(self, outputs, seed):
        """The graph as a model in some topological order, found valid by onnx.checker."""
        graph = helper.make_graph(
            topological(self.nodes, self.random),
            "grown",
            [self._declared(entry) for entry in self.inputs],
            [self._output(value) for value in outputs],
            self.shuffled(self.initializers),
        )
        ir_version = max(_IR_VERSIONS[self.opset], 4 if self.chance(90) else 3)
        if ir_version == 3:  # weights are inputs as well
            graph.input.extend(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                for tensor in graph.initializer
            )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=ir_version)
        onnx.checker.check_model(model, full_check=True)
        return Grown(model, tuple(self.inputs), self.batch, self.free, tuple(seed), self.special)

    def _declared(self, entry):
        value = entry.value
        shape = ["N" if self.free and entry.batched and i == 0 else extent for i, extent in enumerate(value.shape)]
        return helper.make_tensor_value_info(value.name, ONNX_TYPES[value.dtype], shape)

    def _output(self, value):
        shape = [None] * value.rank if self.free else value.shape
        return helper.make_tensor_value_info(value.name, ONNX_TYPES[value.dtype], shape)


def topological(nodes, random):
    """The nodes in a random order in which every one comes after what it reads.

    Three habits: any that is ready, mostly the latest that is ready, mostly the earliest.
    """
    made = {name: i for i, node in enumerate(nodes) for name in node.output}
    waits = [{made[name] for name in node.input if name in made} for node in nodes]
    readers = [[] for _ in nodes]
    for i, needed in enumerate(waits):
        for j in needed:
            readers[j].append(i)
    ready, order, habit = [i for i, needed in enumerate(waits) if not needed], [], int(random.integers(3))
    while ready:
        ready.sort()
        astray = habit == 0 or random.integers(10) < 2
        place = int(random.integers(len(ready))) if astray else -1 if habit == 1 else 0
        i = ready.pop(place)
        order.append(i)
        for j in readers[i]:
            waits[j].discard(i)
            if not waits[j]:
                ready.append(j)
    return [nodes[i] for i in order]
