"""A node as the file says it, its attributes taken one by one so that none is overlooked."""

from collections.abc import Mapping
from typing import TypeAlias, TypeVar

import numpy as np

from refnet.errors import ModelError, UnsupportedModelError
from refnet.graph import Array, Attribute

Value: TypeAlias = Attribute | Array

T = TypeVar("T")


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
        return self._take(name, int, "an integer", default)

    def real(self, name: str, default: float | None = None) -> float:
        """Take a number, which the file keeps in float32; without a default it must be there."""
        return self._take(name, float, "a float", default)

    def text(self, name: str, default: str) -> str:
        """Take a word."""
        return self._take(name, str, "a string", default)

    def integers(self, name: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Take a list of whole numbers; without a default it must be there."""
        return self._take_list(name, int, "a list of integers", default)

    def reals(self, name: str, default: tuple[float, ...] | None = None) -> tuple[float, ...]:
        """Take a list of numbers; without a default it must be there."""
        return self._take_list(name, float, "a list of floats", default)

    def tensor(self, name: str) -> Array:
        """Take an array, which must be there."""
        return self._take(name, np.ndarray, "a tensor", None)

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

    def _take(self, name: str, kind: type[T], called: str, default: T | None) -> T:
        """Take a value of this Python type, or the default."""
        self._asked.add(name)
        if name not in self._attributes:
            if default is None:
                raise ModelError(f"attribute {name} is missing; expected {called}")
            return default
        value = self._attributes.pop(name)
        if not isinstance(value, kind):
            raise ModelError(f"attribute {name} is {_short(value)}; expected {called}")
        return value

    def _take_list(self, name: str, kind: type[T], called: str, default: tuple[T, ...] | None) -> tuple[T, ...]:
        """Take a tuple of values of this Python type, or the default."""
        values = self._take(name, tuple, called, default)
        if not all(isinstance(value, kind) for value in values):
            raise ModelError(f"attribute {name} is {_short(values)}; expected {called}")
        return values


def _short(value: Value) -> str:
    """A value in a few words."""
    return repr(value) if isinstance(value, int | float | str | tuple) else f"a tensor of shape {value.shape}"
