"""The wire format: what is taken out of a file must be put back by no one else."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from refnet.errors import ModelError
from refnet.formats.wire import delimited, fields, integer, split, varint
from tests.formats.models import FLOAT, model, node


def tag(field: int, wire_type: int) -> bytes:
    return varint(field << 3 | wire_type)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_is_encoded_as_the_onnx_package_encodes_it(number: int) -> None:
    assert integer(3, number) == onnx.AttributeProto(i=number).SerializeToString()


def test_a_field_is_walked_with_its_tag_and_length() -> None:
    data = integer(1, 300) + delimited(2, b"abc") + tag(3, 1) + bytes(8) + tag(4, 5) + bytes(4)
    walked = [(field.number, data[field.value : field.end]) for field in fields(data, 0, len(data))]
    assert walked == [(1, varint(300)), (2, b"abc"), (3, bytes(8)), (4, bytes(4))]


def test_a_group_is_walked_over_whole() -> None:
    inner = tag(6, 3) + integer(7, 1) + tag(6, 4)
    data = tag(5, 3) + inner + delimited(8, b"x") + tag(5, 4) + integer(1, 2)
    assert [field.number for field in fields(data, 0, len(data))] == [5, 1]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            delimited(7, b"abcdef")[:-2],
            "truncated, or not an ONNX model: it has 6 bytes, but announces something up to byte 8",
        ),
        (tag(1, 5) + bytes(3), "it has 4 bytes, but announces something up to byte 5"),
        (b"\x08\xff", "truncated"),
        (b"\x08" + b"\xff" * 10 + b"\x00", "a number is longer than 10 bytes"),
        (b"\x00\x01", "a field has the number 0"),
        (tag(1, 6), "a field has the wire type 6"),
        (tag(1, 4), "a field has the wire type 4"),
        (tag(1, 3) + tag(2, 4), "a group ends that never began"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        split(data, 16)


def test_a_length_that_leaves_its_message_but_not_the_file_is_damage() -> None:
    tensor = tag(9, 2) + varint(40) + bytes(20)
    data = delimited(7, delimited(5, tensor)) + delimited(2, bytes(100))
    with pytest.raises(ModelError, match="something in it is longer than what holds it"):
        split(data, 16)


def large(name: str) -> onnx.TensorProto:
    return helper.make_tensor(name, FLOAT, [100], np.arange(100, dtype=np.float32))


def test_only_large_numbers_are_taken_out() -> None:
    small = helper.make_tensor("small", FLOAT, [2], [1.0, 2.0])
    proto = model([node("Add", ["x", "w"])], {"small": small, "w": large("w"), "v": large("v")})
    data = proto.SerializeToString()
    skeleton, spans = split(data, 64)
    assert list(spans) == [1, 2]
    for span in spans.values():
        assert np.array_equal(np.frombuffer(data, "<f4", 100, span.offset), np.arange(100))
    rest = onnx.ModelProto.FromString(skeleton)
    assert [len(tensor.float_data) for tensor in rest.graph.initializer] == [2, 0, 0]
    for tensor in proto.graph.initializer:
        if tensor.name != "small":
            tensor.ClearField("float_data")
    assert rest == proto


def test_a_graph_in_two_pieces_is_counted_through() -> None:
    first, second = onnx.ModelProto(), onnx.ModelProto()
    first.graph.initializer.append(large("a"))
    second.graph.initializer.extend([large("b"), helper.make_tensor("c", FLOAT, [1], [1.0]), large("d")])
    data = first.SerializeToString() + integer(1, 8) + second.SerializeToString()
    skeleton, spans = split(data, 64)
    assert [tensor.name for tensor in onnx.ModelProto.FromString(skeleton).graph.initializer] == ["a", "b", "c", "d"]
    assert list(spans) == [0, 1, 3]


UNPACKED = b"".join(tag(4, 5) + np.float32(i).tobytes() for i in range(100))
HALF = np.arange(50, dtype="<f4").tobytes()


@pytest.mark.parametrize(
    "payload",
    [
        delimited(4, HALF) + delimited(4, HALF),
        delimited(4, HALF) + UNPACKED[:250],
        UNPACKED,
        delimited(9, HALF + HALF) + delimited(9, HALF),
        delimited(4, HALF + HALF) + delimited(9, HALF),
        delimited(7, b"".join(varint(i) for i in range(100))),
        tag(4, 3) + delimited(2, HALF) + tag(4, 4),
    ],
    ids=["two pieces", "packed and not", "unpacked", "raw twice", "list and raw", "varints", "group"],
)
def test_numbers_in_any_other_way_stay_in_the_skeleton(payload: bytes) -> None:
    data = delimited(7, delimited(5, integer(1, 100) + integer(2, 1) + payload + delimited(8, b"w")))
    skeleton, spans = split(data, 64)
    assert spans == {}
    assert skeleton == data


@given(
    st.lists(
        st.one_of(
            st.builds(lambda n: (5, integer(2, 1) + delimited(4, bytes(4 * n))), st.integers(0, 40)),
            st.builds(lambda n: (5, delimited(9, bytes(n)) + delimited(8, b"w")), st.integers(0, 160)),
            st.builds(lambda n: (1, bytes(n)), st.integers(0, 3)),
        )
    ),
    st.integers(1, 120),
)
def test_taken_out_and_put_back_is_the_same_file(members: list[tuple[int, bytes]], threshold: int) -> None:
    data = b"".join(delimited(number, content) for number, content in members)
    data = integer(1, 3) + delimited(7, data) + delimited(8, integer(2, 8))
    skeleton, spans = split(data, threshold)
    kept = len(skeleton) + sum(span.size_bytes for span in spans.values())
    assert len(data) - 16 * len(members) - 16 <= kept <= len(data)
    weights = [content for number, content in members if number == 5]
    for i, span in spans.items():
        assert span.size_bytes >= threshold
        assert weights[i].find(data[span.offset : span.offset + span.size_bytes]) >= 0
