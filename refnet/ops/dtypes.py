"""Which dtypes an operator takes, and which it gives: the type constraints of the ONNX specification.

All floating dtypes are one here, "float": how precisely to compute is the engine's choice, not the file's. The others
go by NumPy's names. A rule takes the dtype of every input, None where it is absent, and returns that of the output.
"""

from collections.abc import Callable

import numpy as np

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.graph import Array

FLOAT = "float"
NUMBERS = (FLOAT, "int32", "int64")
INDICES = ("int32", "int64")

DtypeRule = Callable[..., str]


def dtype_name(dtype: object) -> str:
    """The name of a NumPy dtype, or of one that a file declares."""
    return FLOAT if str(dtype).startswith("float") else str(dtype)


def alike(*accepted: str) -> DtypeRule:
    """All inputs have the dtype of the first, which is one of those accepted (any, where none is named)."""

    def rule(first: str, *others: str | None, **_: object) -> str:
        _refuse_unless_accepted(first, accepted)
        for other in others:
            if other not in (None, first):
                raise ShapeError(f"inputs are of dtypes {first} and {other}; expected one dtype: add a Cast")
        return first

    return rule


def indexed(*accepted: str) -> DtypeRule:
    """The output has the dtype of the first input; the others hold indices or extents, which are integers."""

    def rule(first: str, *others: str | None, **_: object) -> str:
        _refuse_unless_accepted(first, accepted)
        for other in others:
            if other not in (None, *INDICES):
                raise ShapeError(f"indices or extents have dtype {other}; expected int32 or int64")
        return first

    return rule


def _refuse_unless_accepted(dtype: str, accepted: tuple[str, ...]) -> None:
    if accepted and dtype not in accepted:
        raise UnsupportedModelError(f"its input has dtype {dtype}; refnet implements {', '.join(accepted)}")


def in_declared_dtype(name: str, dtype: str, array: Array) -> Array:
    """What is given for an input that declares integers or truth values, in that dtype; floats stay as they are.

    Raises
    ------
    ShapeError
        If it is of another kind, or holds an integer that the dtype does not.
    """
    if dtype_name(dtype) == FLOAT:
        return array
    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    fits = array.dtype.kind in "iu" and wanted.kind in "iu"
    if fits and array.size:
        limits = np.iinfo(wanted)
        fits = limits.min <= int(array.min()) and int(array.max()) <= limits.max
    if not fits:
        raise ShapeError(f"input {name!r} has dtype {array.dtype}, or values beyond it; the model declares {dtype}")
    return array.astype(wanted)
