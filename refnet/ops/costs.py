"""Counting rules that several operators share.

A multiplication, an addition, a comparison, a square root and an exponential each count one. Operators that only
move or rename numbers cost nothing.
"""

import math
from collections.abc import Callable

from refnet.graph import Shape


def free(_: Shape, *__: object, **___: object) -> int:
    """Nothing: the operator only moves data."""
    return 0


def per_element(count: int) -> Callable[..., int]:
    """`count` for every element of the output."""

    def flops(output: Shape, *_: object, **__: object) -> int:
        return count * math.prod(output)

    return flops
