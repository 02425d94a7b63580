"""Weights as they lie in the file, finite or not: what the reader refuses is counted here tensor by tensor."""

import math
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import onnx

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.patient import Patient
from refnet.formats.onnx_tensors import DTYPES
from refnet.formats.stored_tensor import read_numbers
from refnet.graph import Array
from refnet.opening import open_regular


def not_finite(patient: Patient) -> list[Finding] | Skipped:
    """NaN and infinity, in every tensor that has them."""
    if patient.graph is not None:
        return []  # the reader has looked at every number
    if patient.skeleton is None:
        return Skipped("it is no ONNX file that can be parsed")
    bad = [evidence for name, array in raw_weights(patient) if (evidence := _look(name, array)) is not None]
    if not bad:
        return []
    return [Finding("problem", f"{len(bad)} of its weights hold NaN or infinity", tuple(bad))]


def raw_weights(patient: Patient) -> Iterator[tuple[str, Array]]:
    """Every floating-point initializer in the file itself, flat, one at a time."""
    if patient.skeleton is None:
        return
    with open_regular(patient.path) as file:
        for i, tensor in enumerate(patient.skeleton.graph.initializer):
            dtype = DTYPES.get(tensor.data_type)
            if dtype is None or dtype.kind != "f" or tensor.data_location == onnx.TensorProto.EXTERNAL:
                continue
            span = patient.spans.get(i)
            if span is None:
                with suppress(ValueError):  # not as many numbers as its shape says: the reader has said so
                    yield tensor.name, onnx.numpy_helper.to_array(tensor).reshape(-1)
            elif span.size_bytes == math.prod(tensor.dims) * dtype.itemsize:
                yield tensor.name, read_numbers(file, span.offset, dtype, math.prod(tensor.dims))


def _look(name: str, array: Array) -> Evidence | None:
    """The first number of a tensor that is not finite, and how many there are."""
    bad = np.flatnonzero(~np.isfinite(array))
    if not len(bad):
        return None
    return Evidence(
        f"tensor {name!r}",
        f"{len(bad)} of {array.size}, the first {array[bad[0]]} at flat index {bad[0]}",
        "finite numbers",
    )


CHECKS = (
    Check(
        "weights-finite", "weights", "Is a weight NaN or infinite?",
        "One such number makes every embedding NaN.",
        "Fetch the file again; if the digest is right, the training diverged and the model is lost.",
        not_finite,
        (
            "https://github.com/onnx/models/issues/217",
            "https://github.com/zhouyuchong/face-recognition-deepstream/issues/41",
        ),
    ),
)  # fmt: skip
