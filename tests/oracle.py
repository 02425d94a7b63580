"""The operators once more, as plain loops over exact fractions.

Slow, and as near to the printed formula as Python gets. Imports nothing of what it judges. Arrays go in as floats
and come out as object arrays of Fractions: sums and products are exact; square roots and exponentials are right to
60 digits.
"""

import itertools
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

DIGITS = 60


def exact(x):
    """The same numbers as Fractions."""
    x = np.asarray(x)
    y = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape):
        y[index] = Fraction(x[index].item())
    return y


def floats(x):
    """Fractions rounded to the nearest float64."""
    return np.array([float(value) for value in x.flat]).reshape(x.shape)


def conv(x, weight, bias=None, *, stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), groups=1):
    x, weight = exact(x), exact(weight)
    n_extent, _, h, w = x.shape
    oc_extent, ic_per_group, kh, kw = weight.shape
    top, left, bottom, right = padding
    oh = (h + top + bottom - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (w + left + right - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.empty((n_extent, oc_extent, oh, ow), dtype=object)
    for n, o, i, j in np.ndindex(y.shape):
        total = Fraction(0) if bias is None else Fraction(float(bias[o]))
        group = o // (oc_extent // groups)
        for c, u, v in itertools.product(range(ic_per_group), range(kh), range(kw)):
            row = i * stride[0] + u * dilation[0] - top
            column = j * stride[1] + v * dilation[1] - left
            if 0 <= row < h and 0 <= column < w:
                total += x[n, group * ic_per_group + c, row, column] * weight[o, c, u, v]
        y[n, o, i, j] = total
    return y


def batch_normalization(x, gamma, beta, mean, var, epsilon):
    x, gamma, beta, mean, var = (exact(array) for array in (x, gamma, beta, mean, var))
    y = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape):
        c = index[1]
        y[index] = gamma[c] * (x[index] - mean[c]) / square_root(var[c] + Fraction(epsilon)) + beta[c]
    return y


def prelu_per_channel(x, slope):
    x, slope = exact(x), exact(slope)
    y = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape):
        y[index] = x[index] * slope[index[1]] if x[index] < 0 else x[index]
    return y


def gemm(a, b, c=None, *, alpha=1.0, beta=1.0, trans_a=0, trans_b=0):
    a, b = exact(a), exact(b)
    n_extent, k_extent = a.shape[::-1] if trans_a else a.shape
    oc_extent = b.shape[0] if trans_b else b.shape[1]
    y = np.empty((n_extent, oc_extent), dtype=object)
    for n, o in np.ndindex(y.shape):
        total = Fraction(0)
        for k in range(k_extent):
            total += (a[k, n] if trans_a else a[n, k]) * (b[o, k] if trans_b else b[k, o])
        y[n, o] = Fraction(alpha) * total
        if c is not None:
            y[n, o] += Fraction(beta) * Fraction(float(np.broadcast_to(c, y.shape)[n, o]))
    return y


def max_pool(x, kernel, *, stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), ceil_mode=0):
    return _pool(x, kernel, stride, padding, dilation, ceil_mode, lambda seen, _: max(seen))


def average_pool(x, kernel, *, stride=(1, 1), padding=(0, 0, 0, 0), ceil_mode=0, count_include_pad=0):
    def mean(seen, padded):
        return sum(seen, Fraction(0)) / (len(seen) + (padded if count_include_pad else 0))

    return _pool(x, kernel, stride, padding, (1, 1), ceil_mode, mean)


def _pool(x, kernel, stride, padding, dilation, ceil_mode, summary):
    """Summarise, at every place of the window, the elements of the image in it, and how many of its padding are."""
    x = exact(x)
    n_extent, c_extent, h, w = x.shape
    top, left, bottom, right = padding
    oh = _places(h, top, bottom, kernel[0], stride[0], dilation[0], ceil_mode)
    ow = _places(w, left, right, kernel[1], stride[1], dilation[1], ceil_mode)
    y = np.empty((n_extent, c_extent, oh, ow), dtype=object)
    for n, c, i, j in np.ndindex(y.shape):
        seen, padded = [], 0
        for u, v in itertools.product(range(kernel[0]), range(kernel[1])):
            row = i * stride[0] + u * dilation[0] - top
            column = j * stride[1] + v * dilation[1] - left
            if 0 <= row < h and 0 <= column < w:
                seen.append(x[n, c, row, column])
            elif row < h + bottom and column < w + right:
                padded += 1
        y[n, c, i, j] = summary(seen, padded)
    return y


def _places(extent, before, after, kernel, stride, dilation, ceil_mode):
    """How many windows there are: step along until one no longer fits (or, rounding up, no longer starts inside)."""
    places, start = 0, 0
    reach = dilation * (kernel - 1) + 1
    while start + reach <= extent + before + after:
        places, start = places + 1, start + stride
    overhangs = start - stride + reach < extent + before + after
    return places + 1 if ceil_mode and overhangs and start < extent + before else places


def global_average_pool(x):
    return average_pool(x, np.asarray(x).shape[2:])


def reduce_l2_last_axis(x):
    x = exact(x)
    y = np.empty((*x.shape[:-1], 1), dtype=object)
    for index in np.ndindex(x.shape[:-1]):
        y[(*index, 0)] = square_root(sum((value * value for value in x[index]), Fraction(0)))
    return y


def sigmoid(x):
    x = exact(x)
    y = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape):
        y[index] = 1 / (1 + exponential(-x[index]))
    return y


def softmax_last_axis(x):
    x = exact(x)
    y = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape[:-1]):
        powers = [exponential(value) for value in x[index]]
        for place, power in enumerate(powers):
            y[(*index, place)] = power / sum(powers)
    return y


def resize_last_axis(x, m, scale, *, mode, coordinate_transformation, nearest_mode="floor"):
    x, scale = exact(x), Fraction(scale)
    n = x.shape[-1]
    y = np.empty((*x.shape[:-1], m), dtype=object)
    for i in range(m):
        place = {
            "asymmetric": i / scale,
            "half_pixel": (i + Fraction(1, 2)) / scale - Fraction(1, 2),
            "pytorch_half_pixel": (i + Fraction(1, 2)) / scale - Fraction(1, 2) if m > 1 else Fraction(0),
            "align_corners": Fraction(i * (n - 1), m - 1) if m > 1 else Fraction(0),
        }[coordinate_transformation]
        place = min(max(place, Fraction(0)), Fraction(n - 1))
        low = place.numerator // place.denominator
        rest = place - low
        high = low if rest == 0 else low + 1
        if mode == "linear":
            y[..., i] = x[..., low] * (1 - rest) + x[..., high] * rest
        else:
            half = Fraction(1, 2)
            takes_low = {
                "floor": True,
                "ceil": False,
                "round_prefer_floor": rest <= half,
                "round_prefer_ceil": rest < half,
            }[nearest_mode]
            y[..., i] = x[..., low if takes_low else high]
    return y


def slice_of(values, start, end, step):
    """What ONNX Slice keeps of a list: bounds counted from the end if negative, then clamped by the sign of the step."""
    n = len(values)
    start, end = start + n if start < 0 else start, end + n if end < 0 else end
    if step > 0:
        start, end = max(0, min(start, n)), max(0, min(end, n))
    else:
        start, end = max(0, min(start, n - 1)), max(-1, min(end, n - 1))
    kept, i = [], start
    while i < end if step > 0 else i > end:
        kept.append(values[i])
        i += step
    return kept


def square_root(value):
    with localcontext(prec=DIGITS):
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


def exponential(value):
    with localcontext(prec=DIGITS):
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).exp())
