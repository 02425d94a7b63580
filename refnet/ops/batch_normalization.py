"""Batch normalisation at inference: ONNX BatchNormalization, opset 7 to 15.

Source: Ioffe & Szegedy, arXiv:1502.03167, algorithm 2. Does not cover training, nor ``spatial = 0`` with statistics
for every pixel; momentum has no meaning here and ends at the reader.
"""

import numpy as np

from refnet.errors import ModelError, ShapeError
from refnet.graph import Array, Shape
from refnet.ops.batch_axis import first_axis
from refnet.ops.costs import per_element
from refnet.ops.cotangents import per_channel
from refnet.ops.operator import REQUIRED, Known, Operator


def batch_normalization(x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, epsilon: float) -> Array:
    """Standardise every channel with stored statistics, then scale and shift it.

    y[n,c,...] = gamma[c] * (x[n,c,...] - mean[c]) / sqrt(var[c] + epsilon) + beta[c]

    Parameters
    ----------
    x : (N, C) or (N, C, H, W)
    gamma, beta, mean, var : (C,)
    epsilon : float
        Has no default: exporters disagree (1e-5, 2e-5, 1e-3), and a wrong one shows in no shape.

    Returns
    -------
    The shape of x.

    Examples
    --------
    >>> batch_normalization(np.array([[5.0]]), *np.array([[3.0], [1.0], [2.0], [4.0]]), epsilon=0.0)
    array([[5.5]])
    """
    per_channel = (-1,) + (1,) * (x.ndim - 2)
    scale = (gamma / np.sqrt(var + epsilon)).reshape(per_channel)
    return (x - mean.reshape(per_channel)) * scale + beta.reshape(per_channel)


def output_shape(x: Known, gamma: Known, beta: Known, mean: Known, var: Known, *, epsilon: float) -> Shape:
    """The shape of x; refuses vectors that are not one number a channel, and a variance below zero."""
    if len(x.shape) not in (2, 4):
        raise ShapeError(f"x has shape {x.shape}; expected (N, C) or (N, C, H, W)")
    channels = x.shape[1]
    for name, vector in {"gamma": gamma, "beta": beta, "mean": mean, "var": var}.items():
        if vector.shape != (channels,):
            raise ShapeError(f"{name} has shape {vector.shape}; expected ({channels},), one for each channel of x")
    if var.value is not None and (var.value + epsilon <= 0).any():
        worst = int(np.argmin(var.value))
        raise ModelError(f"var is {var.value[worst]} in channel {worst}; expected var + epsilon ({epsilon}) above 0")
    return x.shape


def vjp(wrt: int, dy: Array, x: Array, gamma: Array, beta: Array, mean: Array, var: Array, *, epsilon: float) -> Array:
    """Gradient, with deviation = sqrt(var + epsilon), and sums over all images and pixels of a channel.

    dx = dy * gamma / deviation
    dgamma = sum dy * (x - mean) / deviation
    dbeta = sum dy
    dmean = -gamma / deviation * sum dy
    dvar = -gamma / (2 deviation**3) * sum dy * (x - mean)

    The statistics are stored numbers, as the definition has them: no gradient runs from them back to x.
    """
    along = (-1,) + (1,) * (x.ndim - 2)
    deviation = np.sqrt(var + epsilon)
    if wrt == 0:
        dx: Array = dy * (gamma / deviation).reshape(along)
        return dx
    if wrt in (2, 3):
        total = per_channel(dy)
        return total if wrt == 2 else -gamma / deviation * total
    spread = per_channel(dy * (x - mean.reshape(along)))
    return spread / deviation if wrt == 1 else -gamma / (2 * deviation**3) * spread


BATCH_NORMALIZATION = Operator(
    "BatchNormalization",
    batch_normalization,
    output_shape,
    per_element(2),
    (5, 5),
    {"epsilon": REQUIRED},
    vjp=vjp,
    batch_axis=first_axis,
)
