"""A seeded model of exactly the real graph, for work at full size where the real weights are not at hand.

Every weight is drawn from integers by exact arithmetic, so that a seed gives the same file on every machine and under
every NumPy: NumPy promises the stream of a bit generator, but neither the stream of its distributions nor, from one
processor to another, the last bit of a logarithm.

A network of random weights is alive only if its batch normalisations know what they normalise. Their running mean and
variance are measured: the sample images run through the network in float64, and each BatchNormalization gets, one
after the other, the mean and variance of what reaches it, rounded to 8 significant bits (products of matrices differ
in the sixteenth digit between machines; the rounding keeps that out of the file). The last one, `fc1`, gets the
variance over all features at once, and carries the watermark as its mean.

These weights are numerically complete and hold no identity: the file says so (`refnet.watermark`).
"""

import zlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from refnet import resnet100, watermark
from refnet.errors import UsageError
from refnet.graph import Array, Graph, Shape, Source, Tensor
from refnet.zoo.samples import sample_images

_U16 = 1 << 16
_SUM_OF_FOUR_STD = float(np.sqrt(4 * (_U16**2 - 1) / 12))
_STATISTICS_BITS = 8

# What the vectors of a kind are drawn from, uniformly. The last normalisation of a unit is weak, so that the sum over
# 30 units grows by a small factor; the slopes are those of a leaky rectifier.
_RANGES = {
    "_bn3_gamma": (0.25, 0.5),
    "relu0_gamma": (0.1, 0.4),
    "_relu1_gamma": (0.1, 0.4),
    "_gamma": (0.8, 1.2),
    "_beta": (-0.3, 0.3),
    "_bias": (-0.1, 0.1),
}


def synthetic_model(seed: int = 0, *, width: Fraction = Fraction(1), units: Sequence[int] = resnet100.UNITS) -> Graph:
    """Build LResNet100E-IR with seeded weights.

    Parameters
    ----------
    seed : int
        0 <= seed < 2**64.
    width : Fraction
        Channels of every stage as a share of the real ones; each must come out whole.
    units : four ints
        Units of each stage; (3, 13, 30, 3) is the real network.

    Returns
    -------
    Graph
        Nodes, names and order of `arcfaceresnet100-8.onnx`; float32 constants.
    """
    widths = [width * channels for channels in resnet100.WIDTHS]
    if not 0 <= seed < 2**64:
        raise UsageError(f"seed is {seed}; expected 0 to 2**64 - 1")
    if any(channels.denominator != 1 or channels < 1 for channels in widths):
        raise UsageError(
            f"width {width} gives stages of {', '.join(map(str, widths))} channels; expected whole numbers"
        )
    if len(units) != len(widths) or min(units) < 1:
        raise UsageError(f"units are {tuple(units)}; expected four numbers of at least 1, such as 3,13,30,3")

    channels = [int(channels) for channels in widths]
    blueprint = resnet100.Blueprint()
    resnet100.network(blueprint, ("data", resnet100.IMAGE), units, channels)
    parameters = {name: _draw(name, extents, seed) for name, extents in blueprint.parameters.items()}
    resnet100.network(_Calibration(parameters), sample_images(), units, channels)
    parameters[watermark.CARRIER] = watermark.write(resnet100.EMBEDDING, seed)
    return Graph(
        name="mxnet_converted_model",
        inputs=(Tensor("data", "float32", (1, *resnet100.IMAGE)),),
        outputs=(Tensor("fc1", "float32", (1, resnet100.EMBEDDING)),),
        nodes=tuple(blueprint.nodes),
        constants=parameters,
        source=Source(format="synthetic", ir_version=3, opset=8),
    )


class _Calibration(resnet100.Arithmetic):
    """Computes the network and gives each BatchNormalization the statistics of what reaches it."""

    parameters: dict[str, Array]

    def batch_normalization(self, name: str, x: Array) -> Array:
        axes = (0, 2, 3) if x.ndim == 4 else (0,)
        mean, var = x.mean(axis=axes), x.var(axis=axes)
        if name == "fc1":
            mean, var = np.zeros_like(mean), np.full_like(var, np.mean(np.square(x)))
        self.parameters[f"{name}_moving_mean"] = _round(mean)
        self.parameters[f"{name}_moving_var"] = _round(var)
        return super().batch_normalization(name, x)


def _draw(name: str, shape: Shape, seed: int) -> Array:
    """The parameter's values before calibration: a function of its name, its shape and the seed alone."""
    if name == "scalar_op2":
        return np.array([127.5], dtype=np.float32)
    if name == "scalar_op3":
        return np.array([1 / 128], dtype=np.float32)
    if name.startswith("reshape"):
        return np.array([1, -1, 1, 1], dtype=np.int64)
    if name.endswith(("_moving_mean", "_moving_var")) or name == "fc1_gamma":
        return np.ones(shape, dtype=np.float32)
    words = np.random.Philox(key=[seed, zlib.crc32(name.encode())])
    if name.endswith("_weight"):
        fan_in = int(np.prod(shape[1:]))
        gain = 1.0 if name.startswith("pre_fc1") else 2.0  # no rectifier before the fully connected layer
        return _bell(words, shape, float(np.sqrt(gain / fan_in)))
    low, high = next(limits for ending, limits in _RANGES.items() if name.endswith(ending))
    lattice = (words.random_raw(shape[0]) >> np.uint64(40)).astype(np.float64)  # 0 .. 2**24 - 1
    return (low + (high - low) * (lattice / 2**24)).astype(np.float32)


def _bell(words: np.random.Philox, shape: Shape, std: float) -> Array:
    """Sums of four 16-bit numbers, centred: a bell of the given standard deviation that ends at 3.46 of it."""
    quarters = words.random_raw(int(np.prod(shape))).astype("<u8", copy=False).view("<u2").reshape(-1, 4)
    centred = quarters.sum(axis=1, dtype=np.int32) - 2 * (_U16 - 1)
    values: Array = (centred * (std / _SUM_OF_FOUR_STD)).astype(np.float32)
    return values.reshape(shape)


def _round(x: Array) -> Array:
    """Keep 8 significant bits."""
    mantissa, exponent = np.frexp(x)
    rounded: Array = np.ldexp(np.round(mantissa * 2**_STATISTICS_BITS), exponent - _STATISTICS_BITS)
    return rounded.astype(np.float32)
