"""Whether what an engine computed is an answer, or numbers passed what it can hold on the way.

Refused, before anything is handed on:

- an output with NaN or infinity in it, of any network;
- an embedding that is all zero, which has no direction: a row of the one output of a network, (N, D) with D of
  `SHORTEST` or more. A map of a detector, one of several outputs, or the few scores of a classifier may well be zero;
- anything, if NumPy overflowed meanwhile: an infinite length divides an embedding to zeros, and where more follows, to
  numbers that look like others. Compiled kernels tell of no overflow; theirs shows as infinity or NaN.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from refnet.errors import NoAnswerError
from refnet.graph import Array

SHORTEST = 16  # numbers of an embedding
SAID = "the network gives no answer"  # in every message


@contextmanager
def overflows() -> Iterator[list[str]]:
    """Note what overflows in NumPy in this thread meanwhile, instead of warning; the list is filled as it happens."""
    seen: list[str] = []
    with np.errstate(over="call", call=lambda kind, _: seen.append(kind)):
        yield seen


def refuse_no_answer(outputs: Mapping[str, Array], count: int, overflowed: bool, engine: str) -> None:
    """Raise if outputs are no answer.

    Parameters
    ----------
    outputs : {name: (N, ...)}
        All that the network has.
    count : int
        Of images; an output has a row for each, or it is not said which is bad.
    overflowed : bool
        Whether something did while they were computed.
    engine : "fast" or "reference"

    Raises
    ------
    NoAnswerError
    """
    for name, array in outputs.items():
        if array.dtype.kind != "f":
            continue
        finite = np.atleast_1d(np.isfinite(array))
        if not finite.all():
            raise _error(f"output {name!r} holds NaN or infinite values{_of_images(~finite, count)}", engine)
        if len(outputs) == 1 and array.ndim == 2 and array.shape[1] >= SHORTEST:
            zero = np.asarray(np.logical_not(array).all(axis=1))
            if zero.any():
                raise _error(f"output {name!r} is all zero{_of_images(zero, count)}: it has no direction", engine)
    if overflowed:
        raise _error(f"numbers passed the largest of {_dtype(engine)} on the way to {', '.join(outputs)}", engine)


def _of_images(bad: Array, count: int) -> str:
    """For how many images, and which is the first."""
    if count < 2 or len(bad) != count:
        return ""
    rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
    return f" for {len(rows)} of {len(bad)} images, first for number {rows[0] + 1}"


def _dtype(engine: str) -> str:
    return "float32" if engine == "fast" else "float64"


def _error(said: str, engine: str) -> NoAnswerError:
    """What is wrong, and what to do about it."""
    wider = (
        "engine='reference' (--engine reference) computes in float64, which reaches further; "
        if engine == "fast"
        else ""
    )
    return NoAnswerError(
        f"{SAID}: {said}. {wider}`refnet doctor` looks for the tensor where it begins; in Python "
        "strict=False hands outputs on as they are"
    )
