"""What a file declares of its graph's inputs and outputs."""

import onnx

from refnet.errors import UnsupportedModelError
from refnet.formats.onnx_reading import Reading
from refnet.formats.onnx_tensors import DTYPES
from refnet.graph import Shape, Tensor


def graph_input(info: onnx.ValueInfoProto) -> Tensor:
    """A graph input as the file declares it."""
    dtype, shape = _dtype(info), _shape(info)
    if shape is None:
        raise UnsupportedModelError(f"input {info.name!r} declares no shape; refnet needs at least the number of axes")
    return Tensor(info.name, dtype, shape)


def graph_output(info: onnx.ValueInfoProto, reading: Reading) -> Tensor:
    """A graph output, with the shape that its nodes give it where that is known."""
    declared, known = _shape(info), reading.shapes.known(info.name)
    if known is None:
        if declared is None:
            raise UnsupportedModelError(f"output {info.name!r} declares no shape, and none follows from the inputs")
        return Tensor(info.name, _dtype(info), declared)
    carries_batch = reading.shapes.carries_batch(info.name)
    if not carries_batch:
        one_at_a_time = f"its first axis is not the batch; compute {reading.shapes.batch} at a time"
        reading.notes.add(one_at_a_time, f"output {info.name!r}")
    free = carries_batch and (declared is None or declared[:1] == (None,))
    made = (None, *known.shape[1:]) if free else known.shape
    if declared is not None and not _agree(declared, known.shape):
        reading.notes.add(f"the file declares shape {declared}; its nodes give {made}", f"output {info.name!r}")
    return Tensor(info.name, _dtype(info), made)


def _agree(declared: tuple[int | None, ...], shape: Shape) -> bool:
    """Whether a shape is as declared, free extents aside."""
    return len(declared) == len(shape) and all(
        said in (None, extent) for said, extent in zip(declared, shape, strict=True)
    )


def _dtype(info: onnx.ValueInfoProto) -> str:
    """The dtype of a graph input or output."""
    tensor_type = info.type.tensor_type
    if not info.type.HasField("tensor_type") or tensor_type.elem_type not in DTYPES:
        dtypes = ", ".join(str(dtype) for dtype in DTYPES.values())
        raise UnsupportedModelError(f"{info.name!r} is not a tensor of {dtypes}, which is what refnet takes and gives")
    return str(DTYPES[tensor_type.elem_type])


def _shape(info: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """The declared shape, if there is one; extents of 0 and -1 are how some exporters say free."""
    tensor_type = info.type.tensor_type
    if not tensor_type.HasField("shape"):
        return None
    extents = (axis.dim_value if axis.HasField("dim_value") else 0 for axis in tensor_type.shape.dim)
    return tuple(extent if extent > 0 else None for extent in extents)
