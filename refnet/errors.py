"""What can go wrong, as types; each knows the exit status that the command line gives it.

A message is for the person who has to act: which input, what it was, what was expected, what to do.
"""

import difflib
from collections.abc import Iterable


class RefnetError(Exception):
    """Anything refnet raises on purpose."""

    exit_status = 1


class UsageError(RefnetError):
    """An argument or option that cannot be meant."""

    exit_status = 2


class ModelError(RefnetError):
    """A model that is missing, damaged, or not what it says it is."""

    exit_status = 3


class UnsupportedModelError(ModelError):
    """A sound model that asks for something refnet does not implement."""


class InputError(RefnetError):
    """An image or another input that cannot be read or is not what was expected."""

    exit_status = 4


class ShapeError(InputError):
    """An array whose shape or dtype does not fit."""


class NoAnswerError(RefnetError):
    """Outputs that are no answer: not finite, an embedding that is all zero, or an overflow on the way to them."""


class MissingExtraError(RefnetError):
    """An optional dependency that is not installed; the message holds the line that installs it."""

    exit_status = 5


def nearest(name: str, names: Iterable[str]) -> str:
    """A clause for the end of a message that offers what may have been meant; empty if nothing is close.

    Examples
    --------
    >>> nearest("conv", ["conv0", "fc1"])
    "; nearest are 'conv0'"
    """
    close = difflib.get_close_matches(name, list(names), n=3, cutoff=0.4)
    return f"; nearest are {', '.join(map(repr, close))}" if close else ""
