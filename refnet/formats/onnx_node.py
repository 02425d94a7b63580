"""A node as the file says it, its attributes taken one by one so that none is overlooked."""

from collections.abc import Mapping
from typing import TypeAlias

from refnet.errors import ModelError, UnsupportedModelError
from refnet.graph import Array, Attribute

Value: TypeAlias = Attribute | Array


class FileNode:
    """One node of an ONNX file.

    A rule of the dialect takes the attributes it understands, each with its default; `finish` then refuses what no
    one took. So whatever a file says is either used or refused.

    Attributes
    ----------
    name, op : str
    inputs : tuple of str
        An absent optional input is empty; there is none at the end.
    outputs : tuple of str
    """

    def __init__(
        self, name: str, op: str, inputs: tuple[str, ...], outputs: tuple[str, ...], attributes: Mapping[str, Value]
    ):
        self.name = name
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self._attributes = dict(attributes)
        self._asked: set[str] = set()

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.op})"

    def has(self, name: str) -> bool:
        """Whether the file says this attribute."""
        self._asked.add(name)
        return name in self._attributes

    def integer(self, name: str, default: int | None = None) -> int:
        """Take a whole number; without a default it must be there."""
        value = self._take(name, int, "an integer", default)
        assert isinstance(value, int)
        return value

    def real(self, name: str, default: float) -> float:
        """Take a number; the file keeps it in float32."""
        value = self._take(name, float, "a float", default)
        assert isinstance(value, float)
        return value

    def text(self, name: str, default: str) -> str:
        """Take a word."""
        value = self._take(name, str, "a string", default)
        assert isinstance(value, str)
        return value

    def integers(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Take a list of whole numbers; without a default it must be there."""
        value = self._take(name, tuple, "a list of integers", default)
        assert isinstance(value, tuple)
        if not all(isinstance(number, int) for number in value):
            raise ModelError(f"attribute {name} is {value}; expected a list of integers")
        return tuple(int(number) for number in value)

    def value(self, name: str) -> Value:
        """Take an attribute of any kind that is there."""
        self._asked.add(name)
        return self._attributes.pop(name)

    def only(self, name: str, accepted: int, why: str) -> None:
        """Take a whole number that must be the accepted one, its default."""
        said = self.integer(name, accepted)
        if said != accepted:
            raise UnsupportedModelError(f"{name} = {said}; refnet implements {name} = {accepted}: {why}")

    def finish(self) -> None:
        """Refuse attributes that no one took."""
        for name, value in self._attributes.items():
            understood = ", ".join(sorted(self._asked)) or "no attributes"
            raise UnsupportedModelError(f"attribute {name} = {_short(value)}; refnet understands {understood} here")

    def _take(self, name: str, kind: type, called: str, default: Value | None) -> Value:
        self._asked.add(name)
        if name not in self._attributes:
            if default is None:
                raise ModelError(f"attribute {name} is missing; expected {called}")
            return default
        value = self._attributes.pop(name)
        if not isinstance(value, kind):
            raise ModelError(f"attribute {name} is {_short(value)}; expected {called}")
        return value


def _short(value: Value) -> str:
    """A value in a few words."""
    return repr(value) if isinstance(value, int | float | str | tuple) else f"a tensor of shape {value.shape}"
