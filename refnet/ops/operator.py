"""What an operator is: its definition, its output shape, its cost and its gradient.

Each file beside this one holds one operator and ends in one `Operator` value; `ops/__init__.py` lists them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from refnet.graph import Array, Attribute, Shape
from refnet.ops.dtypes import FLOAT, DtypeRule, alike

REQUIRED: Any = object()  # in `Operator.attributes`: the node must say it, there is no default
ANY_NUMBER = 2**31 - 1  # in `Operator.arity`: as many inputs as the node lists

_FLOATS = alike(FLOAT)


@dataclass(frozen=True)
class Known:
    """What is known of a tensor before any image is seen: shape, dtype, and its value if that follows from shapes."""

    shape: Shape
    value: Array | None = None
    dtype: str = FLOAT  # as `dtypes.dtype_name` has it


@dataclass(frozen=True)
class Operator:
    """One operator of the ONNX standard, as refnet defines it.

    Attributes
    ----------
    name : str
        The ONNX operator.
    compute : (*arrays, **attributes) -> array
        The definition, in plain NumPy. Float64 in the reference; keeps the dtype it is given.
        An absent optional input is None.
    output_shape : (*Known, **attributes) -> Shape
        Raises ShapeError in one sentence when the inputs do not fit (a wrong weight, a wrong rank). The caller
        adds the node's name.
    flops : (Shape of the output, *Known, **attributes) -> int
        Multiplications and additions, each counted once; 0 for operators that only move data.
    attributes : {name: default}
        Every attribute the operator understands. REQUIRED where there is no default.
    arity : (least, most)
        How many inputs it takes, absent optional ones in between included.
    reads_only_shapes : bool
        True where the result follows from the shapes of the inputs alone (Shape); its gradient is 0 everywhere.
    output_dtype : (*dtypes, **attributes) -> dtype
        Raises ShapeError or UnsupportedModelError for dtypes that the operator does not take. Floats only by default.
    vjp : (wrt, dy, *arrays, **attributes) -> array, or None
        The vector-Jacobian product: the gradient of sum(dy * y) with respect to input number `wrt`, of its shape.
        One input at a time, because a gradient with respect to pixels must not pay for those of the weights. Raises
        UnsupportedModelError for an input that the result does not follow smoothly (indices, a shape). May return a
        view of dy, or one that is read-only. None where there is nothing to differentiate.
    batch_axis : (Known of the output, *Tracked, **attributes) -> int or None, or None
        Along which axis of the output the images of a batch lie, slice i made from image i alone; None where images may
        be mixed. See `batch_axis` for the rules that operators share. An operator without a rule mixes them.
    """

    name: str
    compute: Callable[..., Array]
    output_shape: Callable[..., Shape]
    flops: Callable[..., int]
    arity: tuple[int, int]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    reads_only_shapes: bool = False
    output_dtype: DtypeRule = _FLOATS
    vjp: Callable[..., Array] | None = None
    batch_axis: Callable[..., int | None] | None = None
