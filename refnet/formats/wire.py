"""Protobuf's wire format: numbers and frames written, and a large ONNX file taken apart without reading its weights.

Source: the Protocol Buffers encoding specification. A message is a sequence of fields, each a tag (field number and
wire type) and a value; only type 2 has a length, and it holds strings, packed lists and messages alike.

`split` knows the few field numbers of ONNX (onnx.proto) that lead to the weights, and nothing else of it.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass

from refnet.errors import ModelError

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)

# Field numbers of ModelProto, GraphProto and TensorProto.
_GRAPH = 7
_INITIALIZER = 5
_FLOAT_DATA, _RAW_DATA, _DOUBLE_DATA = 4, 9, 10
_PAYLOADS = frozenset((_FLOAT_DATA, 5, 6, 7, _RAW_DATA, _DOUBLE_DATA, 11))  # every list of numbers a tensor may have
_FIXED_WIDTH = frozenset((_FLOAT_DATA, _RAW_DATA, _DOUBLE_DATA))  # those that lie in the file as they do in memory

Buffer = bytes | mmap.mmap


@dataclass(frozen=True)
class Span:
    """Where in a file a tensor's numbers lie; field is the number of TensorProto's field that holds them."""

    field: int
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class Field:
    """One field of a message: `start` is where its tag begins, the value is `value` to `end`."""

    number: int
    wire_type: int
    start: int
    value: int
    end: int


def varint(number: int) -> bytes:
    """Encode an integer; negative ones as their 64-bit two's complement.

    Examples
    --------
    >>> varint(300).hex()
    'ac02'
    """
    number &= (1 << 64) - 1
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def integer(field: int, number: int) -> bytes:
    """Encode an integer field."""
    return varint(field << 3 | VARINT) + varint(number)


def delimited(field: int, content: bytes) -> bytes:
    """Encode a string, a packed list or a message as a field."""
    return varint(field << 3 | LENGTH) + varint(len(content)) + content


def split(data: Buffer, threshold_bytes: int) -> tuple[bytes, dict[int, Span]]:
    """Take the numbers of large initializers out of an ONNX model.

    Parameters
    ----------
    data : the bytes of a ModelProto
        Only the bytes of tags, lengths and small fields are touched.
    threshold_bytes : int
        Numbers of fewer bytes stay where they are.

    Returns
    -------
    skeleton : bytes
        The model without those numbers; a valid ModelProto.
    spans : {index among the initializers: Span}
        Where the numbers lie that were taken out. A tensor whose numbers come in several fields or pieces, or in an
        encoding other than their own bytes, stays whole in the skeleton.

    Raises
    ------
    ModelError
        If a length points outside the data, or the data is not protobuf.
    """
    skeleton: list[bytes] = []
    spans: dict[int, Span] = {}
    count = 0
    for field in fields(data, 0, len(data)):
        if field.number != _GRAPH or field.wire_type != LENGTH:
            skeleton.append(data[field.start : field.end])
            continue
        graph: list[bytes] = []
        copied = field.value  # everything before is in `graph`: runs of small fields are copied in one piece
        for member in fields(data, field.value, field.end):
            if member.number != _INITIALIZER or member.wire_type != LENGTH:
                continue
            if member.end - member.value >= threshold_bytes:
                payload = _payload(data, member, threshold_bytes)
                if payload is not None:
                    spans[count] = Span(payload.number, payload.value, payload.end - payload.value)
                    rest = data[member.value : payload.start] + data[payload.end : member.end]
                    graph += [data[copied : member.start], delimited(_INITIALIZER, rest)]
                    copied = member.end
            count += 1
        graph.append(data[copied : field.end])
        skeleton.append(delimited(_GRAPH, b"".join(graph)))
    return b"".join(skeleton), spans


def fields(data: Buffer, position: int, end: int) -> Iterator[Field]:
    """Walk the fields of the message that fills data[position:end]."""
    while position < end:
        start = position
        tag, position = _read_varint(data, position, end)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise ModelError("the file is not an ONNX model, or it is damaged: a field has the number 0")
        value, position = _value(data, number, wire_type, position, end)
        yield Field(number, wire_type, start, value, position)


def _payload(data: Buffer, tensor: Field, threshold_bytes: int) -> Field | None:
    """The tensor's one large field of numbers in fixed width; None where there is anything else to put together."""
    found = [field for field in fields(data, tensor.value, tensor.end) if field.number in _PAYLOADS]
    if len(found) != 1:
        return None
    only = found[0]
    large = only.end - only.value >= threshold_bytes
    return only if only.number in _FIXED_WIDTH and only.wire_type == LENGTH and large else None


def _value(data: Buffer, number: int, wire_type: int, position: int, end: int) -> tuple[int, int]:
    """Where the value of a field begins and ends, its length not included."""
    if wire_type == VARINT:
        return position, _read_varint(data, position, end)[1]
    if wire_type == LENGTH:
        size, position = _read_varint(data, position, end)
    elif wire_type in (FIXED64, FIXED32):
        size = 8 if wire_type == FIXED64 else 4
    elif wire_type == START_GROUP:
        return position, _group_end(data, number, position, end)
    else:
        raise ModelError(f"the file is not an ONNX model, or it is damaged: a field has the wire type {wire_type}")
    if size > end - position:
        raise _overrun(data, position + size)
    return position, position + size


def _group_end(data: Buffer, number: int, position: int, end: int) -> int:
    """Where a group ends, its end tag included; a group is an obsolete message without a length."""
    open_groups = [number]
    while open_groups:
        tag, position = _read_varint(data, position, end)
        if tag & 7 == START_GROUP:
            open_groups.append(tag >> 3)
        elif tag & 7 == END_GROUP:
            if open_groups.pop() != tag >> 3:
                raise ModelError("the file is not an ONNX model, or it is damaged: a group ends that never began")
        else:
            _, position = _value(data, tag >> 3, tag & 7, position, end)
    return position


def _read_varint(data: Buffer, position: int, end: int) -> tuple[int, int]:
    """The number at a position, and the position after it."""
    number = shift = 0
    while position < end:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & (1 << 64) - 1, position
        shift += 7
        if shift >= 70:
            raise ModelError("the file is not an ONNX model, or it is damaged: a number is longer than 10 bytes")
    raise _overrun(data, end + 1)


def _overrun(data: Buffer, needed: int) -> ModelError:
    """The error that says how much is missing; `needed` is the position up to which something was announced."""
    if needed > len(data):
        return ModelError(
            f"the file is truncated, or not an ONNX model: it has {len(data)} bytes, but announces something up to byte "
            f"{needed}; download or copy it again"
        )
    return ModelError("the file is damaged: something in it is longer than what holds it; download or copy it again")
