"""What vector-Jacobian products of several operators share.

For y = f(x) and a cotangent dy of y's shape, the vector-Jacobian product dx, of x's shape, is the gradient with respect
to x of the number sum(dy * f(x)): dx[j] is the sum over i of dy[i] times the derivative of y[i] by x[j].
"""

from typing import Any

import numpy as np

from refnet.errors import UnsupportedModelError
from refnet.graph import Array, Shape


def summed_to(dy: Array, shape: Shape) -> Array:
    """Add up what broadcasting spread: the cotangent of an array of that shape that was stretched to dy's.

    Examples
    --------
    >>> summed_to(np.ones((2, 3)), (3,))
    array([2., 2., 2.])
    """
    if dy.shape == shape:
        return dy
    leading = dy.ndim - len(shape)
    stretched = [leading + axis for axis, extent in enumerate(shape) if extent == 1 and dy.shape[leading + axis] != 1]
    return np.asarray(dy.sum(axis=(*range(leading), *stretched)).reshape(shape))


def unchanged(wrt: int, dy: Array, x: Array) -> Array:
    """The product of an operator that hands on its input."""
    return dy


def reshaped(wrt: int, dy: Array, x: Array, *constants: Array, **_: object) -> Array:
    """The product of an operator that only lays x out in another shape."""
    if wrt != 0:
        raise no_gradient("the shape")
    return dy.reshape(x.shape)


def put_back(dy: Array, extent: int, indices: Array, axis: int) -> Array:
    """What `numpy.take` of those indices along an axis of that extent took, added up where it came from."""
    x = np.zeros((*dy.shape[:axis], extent, *dy.shape[axis + indices.ndim :]), dtype=dy.dtype)
    where: Any = (*(slice(None),) * axis, indices)  # numpy's types know no tuple of both
    np.add.at(x, where, dy)
    return x


def no_gradient(what: str) -> UnsupportedModelError:
    """An error that says which input of an operator nothing can be differentiated by."""
    return UnsupportedModelError(f"no gradient passes through {what}: the result does not follow it smoothly")


def per_channel(dy: Array) -> Array:
    """Sum over every axis but the second, the channels."""
    return np.asarray(dy.sum(axis=(0, *range(2, dy.ndim))))
