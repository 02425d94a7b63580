"""What is at hand while a file is read node by node: opset, constants, shapes, and the notes taken."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from refnet.formats.notes import Notes
from refnet.formats.onnx_node import FileNode
from refnet.formats.onnx_shapes import Shapes
from refnet.graph import Array, Attribute, Constants, Node, Tensor
from refnet.ops.operator import Known

Canonical: TypeAlias = tuple[str, tuple[str, ...], Mapping[str, Attribute]]  # operator, inputs, attributes


class Reading:
    """A file half read.

    Attributes
    ----------
    opset : int
    constants : in the order of the file; rules add to them.
    inputs : the graph's inputs.
    shapes : Shapes
    notes : Notes
    """

    def __init__(
        self,
        opset: int,
        inputs: tuple[Tensor, ...],
        constants: Constants,
        nodes: Iterable[FileNode],
        outputs: Iterable[str],
        notes: Notes,
    ):
        self.opset = opset
        self.inputs = inputs
        self.constants = constants
        self.shapes = Shapes(inputs, constants)
        self.notes = notes
        nodes = list(nodes)
        self._readers = Counter(name for node in nodes for name in node.inputs) + Counter(outputs)
        self._taken = {name for node in nodes for name in node.outputs} | {tensor.name for tensor in inputs}

    def note(self, sentence: str, node: FileNode) -> None:
        """Note what was done to a node."""
        self.notes.add(sentence, str(node))

    def known(self, name: str) -> Known | None:
        """What is known of a tensor, whatever the batch: its shape, and its value if no image is needed for it."""
        return self.shapes.settled(name)

    def rank(self, name: str) -> int | None:
        """How many axes a tensor has, if that is known; no batch changes it."""
        known = self.shapes.known(name)
        return None if known is None else len(known.shape)

    def value(self, name: str) -> Array | None:
        """A tensor's value if no image is needed for it."""
        known = self.known(name)
        return None if known is None else known.value

    def is_read(self, name: str) -> bool:
        """Whether a node reads the tensor, or the graph gives it out."""
        return self._readers[name] > 0

    def add_constant(self, name: str, value: Array) -> str:
        """Add a constant under this name, or one like it that is free."""
        while name in self.constants or name in self._taken:
            name += "'"
        self.constants[name] = value
        return name

    def change_constant(self, name: str, value: Array) -> str:
        """Give a constant another value for the node at hand; its name stays where no other node reads it."""
        if self._readers[name] > 1:
            return self.add_constant(f"{name}:{'x'.join(map(str, value.shape))}", value)
        self.constants[name] = value
        return name

    def add(self, node: Node) -> None:
        """Learn what the node makes; raises if its weights do not fit."""
        self.shapes.add(node)
