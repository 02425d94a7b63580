"""A graph as the layers of an OpenVINO model, folded as the Model Optimizer folds.

Every run of linear arithmetic (BatchNormalization, a bias, adding or multiplying constants) becomes one multiplication
and one addition; a multiplication behind a convolution or a fully connected layer goes into its weights. Identity and
Dropout vanish. All of it is float32, in the order in which OpenVINO's passes do it, so that the constants have the
bits of the Model Optimizer's:

    BatchNormalization(x)  =  (x - mean) * scale + beta, with scale = gamma / sqrt(var + epsilon)
    (x * a + b) * scale    ->  x * (a * scale) + b * scale
    (x * a + b) + shift    ->  x * a + (b + shift)
    conv(x, w) * scale     ->  conv(x, w * scale)

A folded convolution makes another tensor than the file's, so its layer has a name of its own, <name>/WithoutBiases as
older converters called it; the last layer of a run has the name of the run's last node.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.graph import Array, Graph, Node, Shape, Tensor, entries
from refnet.ops.dtypes import INDICES
from refnet.ops.inference import infer
from refnet.ops.operator import Known

_COPIES = ("Identity", "Dropout")
_LINEAR = ("Add", "Sub", "Mul", "Div", "BatchNormalization")
_WEIGHTED = ("Conv", "Gemm")
_PLAIN = {"Add": "Add", "Sub": "Subtract", "Mul": "Multiply", "Div": "Divide", "Relu": "ReLU", "Sigmoid": "Sigmoid"}


@dataclass(frozen=True)
class Held:
    """A constant of the written model; `make` computes it when it is written."""

    name: str
    shape: Shape
    make: Callable[[], Array]
    tensor: str = ""  # its name in the graph, where it is the graph's own


@dataclass
class Layer:
    """A layer of the written model: what it reads (tensors or constants), and the tensor it makes."""

    type: str
    name: str
    inputs: list[str | Held]
    output: str
    said: dict[str, str] = field(default_factory=dict)
    named: bool = True  # whether `output` is a tensor of the graph
    scale: Array | None = None  # multiplied into the weights


@dataclass(frozen=True)
class _Run:
    """Linear arithmetic that is not written yet: source * scale + shift."""

    source: str
    scale: Array | None = None
    shift: Array | None = None

    def then(self, scale: Array | None, shift: Array | None) -> "_Run":
        """The same, multiplied and added to once more."""
        a, b = self.scale, self.shift
        if scale is not None:
            a = scale if a is None else a * scale
            b = None if b is None else b * scale
        if shift is not None:
            b = shift if b is None else b + shift
        return _Run(self.source, a, b)


@dataclass(frozen=True)
class Folded:
    """The layers in computable order, and the shape of every tensor for the declared batch and another."""

    input_names: tuple[str, ...]
    layers: tuple[Layer, ...]
    known: Mapping[str, Known]
    other: Mapping[str, Known]


def fold(graph: Graph) -> Folded:
    """Bring a graph to the layers of OpenVINO.

    Raises
    ------
    UnsupportedModelError
        If a node has no counterpart here, an extent other than the batch is free or is 0, or an output is not computed,
        or is given out under two names.
    """
    for tensor in graph.inputs:
        if len(graph.inputs) > 1 or None in tensor.shape[1:]:
            raise UnsupportedModelError(
                f"the model takes {', '.join(f'{there.name} {there.shape}' for there in graph.inputs)}; "
                "an OpenVINO model is written of one input, of which only the batch may be free"
            )
    return _Folding(graph).folded()


class _Folding:
    """A graph half written."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        (tensor,) = graph.inputs
        self.input: Tensor = tensor
        self.constants = entries(graph.constants)
        one, two = (tuple(batch if extent is None else extent for extent in tensor.shape) for batch in (1, 2))
        self.known = infer(graph, {tensor.name: one})
        self.other = self.known if one == two else infer(graph, {tensor.name: two})
        _refuse_empty({name: known for name, known in self.known.items() if name not in self.constants})
        self.input_names = [tensor.name]
        self.names: dict[str, str] = {}  # what a copied tensor is called in the end
        self.nodes = self._without_copies()
        self.readers = Counter(name for node in self.nodes for name in node.inputs)
        self.readers.update(self._called(tensor.name) for tensor in graph.outputs)
        self.read_by = {name: node for node in self.nodes for name in node.inputs}
        self.layers: list[Layer] = []
        self.makers: dict[str, Layer] = {}  # convolutions whose weights can still take a factor
        self.runs: dict[str, _Run] = {}

    def folded(self) -> Folded:
        """All of it."""
        with np.errstate(all="ignore"):  # the writer refuses constants that are not finite
            for node in self.nodes:
                self._node(node)
        return Folded(tuple(self.input_names), tuple(self.layers), self.known, self.other)

    def _node(self, node: Node) -> None:
        """One node: written down, or begun as or added to a run."""
        if node.op in _WEIGHTED:
            self._weighted(node)
        elif (linear := self._linear(node)) is not None:
            source = next(name for name in node.inputs if name not in self.constants)
            run = self.runs.pop(source, _Run(source))
            for scale, shift in linear:
                run = run.then(scale, shift)
            self._extend(node, run)
        else:
            self._nonlinear(node)

    def _called(self, name: str) -> str:
        return self.names.get(name, name)

    def _without_copies(self) -> list[Node]:
        """The nodes but for copies, and for what only makes a constant of constants, as a slope that is reshaped."""
        computed = [node for node in self.graph.nodes if not self._constant(node)]
        copies: dict[str, list[str]] = {}
        source_of: dict[str, str] = {}
        for node in computed:
            if node.op in _COPIES:
                source = source_of[node.output] = source_of.get(node.inputs[0], node.inputs[0])
                copies.setdefault(source, []).append(node.output)
        for source, names in copies.items():
            self._name(source, names)
        kept = []
        for node in computed:
            if node.op not in _COPIES:
                inputs = tuple(self._called(name) for name in node.inputs)
                output = self._called(node.output)
                name = output if output != node.output else node.name
                kept.append(Node(name, node.op, inputs, output, node.attributes))
        made = {node.output for node in kept}
        for tensor in self.graph.outputs:
            if self._called(tensor.name) not in made:
                raise UnsupportedModelError(
                    f"output {tensor.name!r} is the input itself or a constant; an OpenVINO model is written of "
                    "outputs that are computed"
                )
        return kept

    def _name(self, source: str, copies: list[str]) -> None:
        """Settle what a copied tensor is called: as the last copy, as the Model Optimizer does it, or as an output."""
        if source == self.input.name:
            self.input_names += copies
            self.names.update(dict.fromkeys(copies, source))
            return
        given = {tensor.name for tensor in self.graph.outputs}.intersection((source, *copies))
        if len(given) > 1:
            raise UnsupportedModelError(
                f"outputs {' and '.join(map(repr, sorted(given)))} are the same tensor; a tensor of an OpenVINO model "
                "is given out once"
            )
        called = given.pop() if given else copies[-1]
        self.names.update(dict.fromkeys((source, *copies), called))

    def _constant(self, node: Node) -> bool:
        """Whether a node only makes a constant of constants; it becomes that constant."""
        if not all(name in self.constants for name in node.inputs):
            return False
        value = self.constants[node.inputs[0]] if node.op in _COPIES else self.known[node.output].value
        if value is None:
            return False
        self.constants[node.output] = value
        return True

    def _weighted(self, node: Node) -> None:
        """A convolution or fully connected layer; its bias begins a run."""
        x, weight, *bias = node.inputs
        if weight not in self.constants or not all(name in self.constants for name in bias):
            raise UnsupportedModelError(f"node {node.name!r} ({node.op}): its weights are not constant")
        convolution = _convolution(node) if node.op == "Conv" else _fully_connected(node)
        output = self._free(f"{node.name}/WithoutBiases")
        made = Layer(convolution.type, output, [self._operand(x)], output, convolution.said, named=False)
        entry = self.constants[weight]

        def make() -> Array:
            array = self._value(weight)
            if made.scale is not None:
                array = array * made.scale.reshape(convolution.scale_shape)
            return array.reshape(convolution.shape(array.shape))

        made.inputs.append(Held(f"{node.name}/weights", convolution.shape(entry.shape), make))
        self.layers.append(made)
        self.makers[output] = made
        self.known[output], self.other[output] = self.known[node.output], self.other[node.output]
        alpha, beta = (np.array(node.attributes.get(name, 1.0), dtype=np.float32) for name in ("alpha", "beta"))
        shift = self._vector(node, beta * self._value(bias[0])) if bias else None
        scale = None if alpha == 1 else self._vector(node, alpha)
        self._extend(node, _Run(output, scale, shift))

    def _linear(self, node: Node) -> list[tuple[Array | None, Array | None]] | None:
        """What a linear node multiplies by and then adds, step by step; None if it is no such node."""
        if node.op not in _LINEAR:
            return None
        held = [name in self.constants for name in node.inputs]
        if node.op == "BatchNormalization":
            if held != [False, True, True, True, True]:
                return None
            gamma, beta, mean, var = (self._value(name) for name in node.inputs[1:])
            scale = gamma / np.sqrt(var + np.array(node.attributes["epsilon"], dtype=np.float32))
            return [
                (None, self._vector(node, -mean)),
                (self._vector(node, scale), None),
                (None, self._vector(node, beta)),
            ]
        if held.count(True) != 1 or (held[0] and node.op in ("Sub", "Div")):
            return None
        if self.known[node.inputs[held.index(False)]].shape != self.known[node.output].shape:
            return None  # it also stretches the tensor, which weights cannot do
        value = self._per_channel(node, self._value(node.inputs[held.index(True)]))
        if value is None:
            return None
        if node.op in ("Add", "Sub"):
            return [(None, -value if node.op == "Sub" else value)]
        return [(np.float32(1) / value if node.op == "Div" else value, None)]

    def _extend(self, node: Node, run: _Run) -> None:
        """Keep a run open if only another linear node reads it, else write it down."""
        reader = self.read_by.get(node.output)
        if self.readers[node.output] == 1 and reader is not None and self._linear(reader) is not None:
            self.runs[node.output] = run
            return
        self._write(node, run)

    def _write(self, node: Node, run: _Run) -> None:
        """Write a run as at most one multiplication and one addition; the last layer has the node's name."""
        source, scale, shift = run.source, run.scale, run.shift
        maker = self.makers.pop(source, None)
        if maker is not None:
            maker.scale = scale
            if shift is None:
                maker.name, maker.output, maker.named = node.name, node.output, True
                return
        elif scale is not None:
            last = shift is None
            output = node.output if last else self._free(f"{node.name}/mul")
            held = Held(f"{node.name}/scale", scale.shape, lambda: scale)
            name = node.name if last else output
            self.layers.append(Layer("Multiply", name, [source, held], output, {"auto_broadcast": "numpy"}, last))
            self.known[output], self.other[output] = self.known[node.output], self.other[node.output]
            source = output
        if shift is not None:
            held = Held(f"{node.name}/shift", shift.shape, lambda: shift)
            self.layers.append(Layer("Add", node.name, [source, held], node.output, {"auto_broadcast": "numpy"}))

    def _nonlinear(self, node: Node) -> None:
        """Everything else."""
        x = node.inputs[0]
        if node.op in _PLAIN:
            said = {"auto_broadcast": "numpy"} if len(node.inputs) == 2 else {}
            if node.op == "Div" and self.known[x].dtype in INDICES:
                said["m_pythondiv"] = "false"  # quotients are rounded towards zero
            inputs = [self._operand(name) for name in node.inputs]
            self.layers.append(Layer(_PLAIN[node.op], node.name, inputs, node.output, said))
        elif node.op == "PRelu" and node.inputs[1] in self.constants:
            slope, rank = self._value(node.inputs[1]), len(self.known[x].shape)
            spread = slope.reshape((1,) * (rank - slope.ndim) + slope.shape)
            held = Held(node.inputs[1], spread.shape, lambda: spread, node.inputs[1])
            self.layers.append(Layer("PReLU", node.name, [self._operand(x), held], node.output))
        elif node.op == "Flatten" and (flat := self._flat(node)):
            self._reshape(node, np.array(flat, dtype=np.int64), special_zero=True)
        elif node.op == "Reshape" and node.inputs[1] in self.constants:
            target = self._value(node.inputs[1]).astype(np.int64)
            self._reshape(node, target, special_zero=not node.attributes["allow_zero"])
        elif node.op == "MatMul":
            inputs = [self._operand(name) for name in node.inputs]
            said = {"transpose_a": "false", "transpose_b": "false"}
            self.layers.append(Layer("MatMul", node.name, inputs, node.output, said))
        else:
            raise UnsupportedModelError(
                f"node {node.name!r} ({node.op}) cannot be written as a layer of OpenVINO; refnet writes "
                f"{', '.join(sorted({*_COPIES, *_LINEAR, *_WEIGHTED, *_PLAIN, 'PRelu', 'Flatten', 'Reshape', 'MatMul'}))}"
            )

    def _flat(self, node: Node) -> tuple[int, int] | None:
        """What a matrix is reshaped to so that its batch stays free; None if both its extents change with the batch."""
        (rows, columns), (more_rows, more_columns) = self.known[node.output].shape, self.other[node.output].shape
        if columns == more_columns:
            return -1, columns
        return (rows, -1) if rows == more_rows else None

    def _reshape(self, node: Node, target: Array, *, special_zero: bool) -> None:
        held = Held(f"{node.name}/shape", target.shape, lambda: target)
        said = {"special_zero": "true" if special_zero else "false"}
        self.layers.append(Layer("Reshape", node.name, [self._operand(node.inputs[0]), held], node.output, said))

    def _free(self, name: str) -> str:
        """Find a name like this that no tensor has."""
        while name in self.known:
            name += "'"
        return name

    def _operand(self, name: str) -> str | Held:
        """A tensor or a constant as an input of a layer."""
        if name not in self.constants:
            return name
        return Held(name, self.constants[name].shape, lambda: self._value(name), name)

    def _value(self, name: str) -> Array:
        """A constant's value."""
        entry = self.constants[name]
        return entry if isinstance(entry, np.ndarray) else entry.read()

    def _vector(self, node: Node, values: Array) -> Array:
        """One value a channel as it broadcasts to the node's output: (1, C), or (1, C, 1, 1)."""
        spread = self._per_channel(node, values.reshape(-1) if values.ndim < 2 else values, axis=1)
        if spread is None:
            raise UnsupportedModelError(f"node {node.name!r} ({node.op}): constant of shape {values.shape} is not one value a channel")  # fmt: skip
        return spread

    def _per_channel(self, node: Node, value: Array, axis: int | None = None) -> Array | None:
        """A constant with all the axes of the node's output, if it is one number or one a channel; else None.

        `axis` is that of a vector; None: the last, as broadcasting has it.
        """
        shape = self.known[node.output].shape
        rank = len(shape)
        if value.dtype != np.float32 or value.ndim > rank or rank < 2:
            return None
        if value.size == 1:
            return value.reshape((1,) * rank)
        if axis is not None and value.ndim == 1:
            value = value.reshape(-1, *[1] * (rank - 1 - axis))
        spread = value.reshape((1,) * (rank - value.ndim) + value.shape)
        return spread if spread.shape == (1, shape[1], *[1] * (rank - 2)) else None


def _refuse_empty(known: Mapping[str, Known]) -> None:
    """Refuse tensors without elements: the reader takes no such input or output."""
    for name, tensor in known.items():
        if 0 in tensor.shape:
            raise UnsupportedModelError(
                f"tensor {name!r} has shape {tensor.shape}; an OpenVINO model is written of extents of at least 1"
            )


@dataclass(frozen=True)
class _Weighted:
    """How a layer with weights is said, and how its weights lie and take a factor a channel."""

    type: str
    said: dict[str, str]
    scale_shape: Shape
    shape: Callable[[Shape], Shape]


def _convolution(node: Node) -> _Weighted:
    """Convolution or GroupConvolution."""
    top, left, bottom, right = _integers(node, "padding")
    groups = _integers(node, "groups")[0]
    said = {
        "strides": _text(_integers(node, "stride")),
        "dilations": _text(_integers(node, "dilation")),
        "pads_begin": _text((top, left)),
        "pads_end": _text((bottom, right)),
        "auto_pad": "explicit",
    }
    if groups == 1:
        return _Weighted("Convolution", said, (-1, 1, 1, 1), lambda shape: shape)
    return _Weighted("GroupConvolution", said, (-1, 1, 1, 1), lambda shape: (groups, shape[0] // groups, *shape[1:]))


def _fully_connected(node: Node) -> _Weighted:
    """MatMul with a matrix of weights."""
    if node.attributes["trans_a"]:
        raise UnsupportedModelError(f"node {node.name!r} (Gemm) transposes its data, which refnet does not write")
    rows = bool(node.attributes["trans_b"])
    said = {"transpose_a": "false", "transpose_b": "true" if rows else "false"}
    return _Weighted("MatMul", said, (-1, 1) if rows else (1, -1), lambda shape: shape)


def _integers(node: Node, name: str) -> tuple[int, ...]:
    """An attribute of whole numbers."""
    value = node.attributes[name]
    return tuple(int(number) for number in value) if isinstance(value, tuple) else (int(value),)


def _text(numbers: tuple[int, ...]) -> str:
    """Numbers as OpenVINO writes them."""
    return ", ".join(map(str, numbers))
