"""What depends on shapes: paddings by name, slopes of one axis, baked-in batches; and weights that do not fit."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet import reference
from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.onnx_shapes import Shapes
from refnet.graph import Constants, Node, Tensor
from refnet.ops.conv import conv
from tests.comparison import assert_within
from tests.formats.dialects import BN, INT, one
from tests.formats.models import model, node, ramp, read

# slopes of one axis


def prelu(shape: Sequence[int | None], slope: int) -> onnx.ModelProto:
    return one("PRelu", 9, weights={"s": ramp(slope)}, x=shape)


def test_a_slope_that_fits_only_channels_is_read_by_channels_and_noted(tmp_path: Path) -> None:
    graph = read(prelu((1, 3, 8, 7), 3), tmp_path)
    assert graph.nodes[0].inputs == ("x", "s")
    assert np.array_equal(graph.constants["s"], ramp(3, 1, 1))
    assert graph.source.notes == (
        "node 'prelu' (PRelu): a slope of one axis, which ONNX reads by columns and fits only channels, "
        "is read by channels",
    )


def test_a_slope_that_fits_only_columns_is_read_by_columns(tmp_path: Path) -> None:
    graph = read(prelu((1, 3, 8, 7), 7), tmp_path)
    assert graph.constants["s"].shape == (7,)
    assert graph.source.notes == ()


def test_a_slope_that_fits_both_is_refused(tmp_path: Path) -> None:
    sentence = (
        "node 'prelu' (PRelu): slope 's' has shape (7,), and x (1, 7, 8, 7) has 7 channels and 7 columns: ONNX reads the "
        "slope by columns, exporters mean channels; refnet does not guess. Export the slope with shape (C, 1, 1)"
    )
    with pytest.raises(UnsupportedModelError, match=re.escape(sentence)):
        read(prelu((1, 7, 8, 7), 7), tmp_path)


def test_a_slope_that_fits_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"node 'prelu' \(PRelu\): slope has shape \(5,\)"):
        read(prelu((1, 3, 8, 7), 5), tmp_path)


def test_a_slope_for_images_of_unknown_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedModelError, match="may mean channels or columns, and the file leaves the size of images"
    ):
        read(prelu((1, 3, None, None), 3), tmp_path)


def test_a_slope_that_a_node_makes_is_refused(tmp_path: Path) -> None:
    proto = model([node("Identity", ["s"], ["t"]), node("PRelu", ["x", "t"])], {"s": ramp(3)})
    with pytest.raises(UnsupportedModelError, match=r"slope 't' has shape \(3,\) and is made by a node"):
        read(proto, tmp_path)


def test_a_slope_that_others_read_too_stays_as_it_is_for_them(tmp_path: Path) -> None:
    proto = model(
        [node("PRelu", ["x", "s"], ["t"]), node("Identity", ["s"], ["z"])], {"s": ramp(3)}, outputs=("t", "z")
    )
    graph = read(proto, tmp_path)
    assert graph.nodes[0].inputs == ("x", "s:3x1x1")
    assert graph.constants["s"].shape == (3,)
    assert graph.constants["s:3x1x1"].shape == (3, 1, 1)


# baked-in batches


def batches(proto: onnx.ModelProto, folder: Path) -> None:
    """Check that three images at once give what each gives alone."""
    graph = read(proto, folder)
    x = ramp(3, *(extent or 0 for extent in graph.inputs[0].shape[1:]))
    alone = [reference.run(graph, {"x": x[i : i + 1]})["y"] for i in range(3)]
    assert np.array_equal(reference.run(graph, {"x": x})["y"], np.concatenate(alone))


@pytest.mark.parametrize("target", [[1, -1], [1, 168], [1, 24, -1], [1, 3, 56], [1, 0, -1], [1, 8, 3, 7]])
def test_a_target_that_begins_with_the_batch_is_freed_of_it(tmp_path: Path, target: list[int]) -> None:
    proto = one("Reshape", 13, weights={"t": np.array(target, INT)})
    graph = read(proto, tmp_path)
    assert graph.constants["t"].tolist() == [0, *target[1:]]
    assert (
        "node 'reshape' (Reshape): the target begins with the batch of the file, and is read as 'keep the batch'"
        in graph.source.notes
    )
    batches(proto, tmp_path)


def test_a_batch_of_another_size_is_freed_as_well(tmp_path: Path) -> None:
    graph = read(one("Reshape", 13, weights={"t": np.array([4, -1], INT)}, x=(4, 3, 8, 7)), tmp_path)
    assert graph.constants["t"].tolist() == [0, -1]


@pytest.mark.parametrize(
    ("x", "target"), [((None, 3, 8, 7), [1, -1]), ((1, 3, 8, 7), [-1, 168]), ((4, 3, 8, 7), [1, -1]), ((7, 3), [1, -1])]
)
def test_another_target_is_left_alone(tmp_path: Path, x: tuple[int | None, ...], target: list[int]) -> None:
    graph = read(one("Reshape", 13, weights={"t": np.array(target, INT)}, x=x), tmp_path)
    assert graph.constants["t"].tolist() == target


def test_the_target_of_a_tensor_without_batch_is_left_alone(tmp_path: Path) -> None:
    nodes = [node("Reshape", ["s", "t"], ["r"]), node("PRelu", ["x", "r"])]
    graph = read(model(nodes, {"s": ramp(3), "t": np.array([1, -1, 1, 1], INT)}), tmp_path)
    assert graph.constants["t"].tolist() == [1, -1, 1, 1]


def test_a_target_that_both_read_is_freed_for_one_only(tmp_path: Path) -> None:
    nodes = [
        node("Reshape", ["s", "t"], ["r"]),
        node("PRelu", ["x", "r"], ["p"]),
        node("Reshape", ["p", "t"], name="images"),
    ]
    graph = read(model(nodes, {"s": ramp(3), "t": np.array([1, -1, 1, 1], INT)}), tmp_path)
    assert graph.constants["t"].tolist() == [1, -1, 1, 1]
    assert graph.constants[graph.nodes[2].inputs[1]].tolist() == [0, -1, 1, 1]


def test_an_output_without_the_batch_in_front_is_noted(tmp_path: Path) -> None:
    graph = read(one("Reshape", 13, weights={"t": np.array([-1, 7], INT)}), tmp_path)
    assert graph.source.notes == (
        "output 'y': its first axis is not the batch; compute 1 at a time",
        "output 'y': the file declares shape (None, None, None, None); its nodes give (24, 7)",
    )


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.sampled_from([None, 1, 5, 7]))
def test_the_batch_is_seen_through_what_keeps_it_and_not_through_what_does_not(rest: list[int], n: int | None) -> None:
    shapes = Shapes([Tensor("x", "float32", (n, *rest))], Constants({"flat": np.array([-1]), "w": np.ones(1)}))
    assert shapes.carries_batch("x")
    assert not shapes.carries_batch("w")
    shapes.add(Node("a", "Flatten", ("x",), "rows", {"axis": 1}))
    shapes.add(Node("b", "Reshape", ("x", "flat"), "line", {"allow_zero": 0}))
    shapes.add(Node("c", "Transpose", ("x",), "turned", {"perm": tuple(reversed(range(1 + len(rest))))}))
    assert shapes.carries_batch("rows")
    assert not shapes.carries_batch("line") or np.prod(rest) == 1
    assert not shapes.carries_batch("turned")


# paddings


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "upper"),
    [
        ((8, 7), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        ((8, 7), (3, 3), (2, 2), (1, 1), (0, 1, 1, 1)),
        ((8, 7), (2, 4), (1, 1), (1, 1), (0, 1, 1, 2)),
        ((8, 7), (3, 3), (1, 1), (2, 2), (2, 2, 2, 2)),
        ((8, 7), (1, 1), (3, 2), (1, 1), (0, 0, 0, 0)),
        ((112, 112), (7, 7), (2, 2), (1, 1), (2, 2, 3, 3)),
    ],
)
def test_padding_by_name_is_what_the_standard_works_out(
    tmp_path: Path,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    upper: tuple[int, int, int, int],
) -> None:
    lower = (*upper[2:], *upper[:2])
    for auto_pad, expected in (("SAME_UPPER", upper), ("SAME_LOWER", lower)):
        proto = one("Conv", 11, weights={"w": ramp(2, 3, *kernel)}, x=(1, 3, *size), auto_pad=auto_pad, strides=stride,
                    dilations=dilation)  # fmt: skip
        graph = read(proto, tmp_path)
        assert graph.nodes[0].attributes["padding"] == expected
        assert graph.outputs[0].shape[2:] == tuple(-(-extent // s) for extent, s in zip(size, stride, strict=True))
        assert graph.source.notes[0] == f"node 'conv' (Conv): auto_pad = {auto_pad} is written out as pads"


def test_padding_by_name_needs_no_size_where_every_pixel_has_its_window(tmp_path: Path) -> None:
    proto = one("Conv", 11, weights={"w": ramp(2, 3, 5, 3)}, x=(1, 3, None, None), auto_pad="SAME_UPPER")
    graph = read(proto, tmp_path)
    assert graph.nodes[0].attributes["padding"] == (2, 1, 2, 1)
    x = ramp(1, 3, 9, 5)
    expected = conv(x.astype(np.float64), ramp(2, 3, 5, 3).astype(np.float64), padding=(2, 1, 2, 1))
    assert np.array_equal(reference.run(graph, {"x": x})["y"], expected)


CONV = {"w": ramp(4, 3, 3, 3)}


@pytest.mark.parametrize(
    ("proto", "sentence"),
    [
        (
            one("Conv", 11, weights=CONV, x=(1, 3, None, None), auto_pad="SAME_UPPER", strides=[2, 2]),
            "auto_pad = SAME_UPPER with strides (2, 2) depends on an extent that the file leaves free",
        ),
        (one("Conv", 11, weights=CONV, auto_pad="VALID", pads=[1] * 4), "auto_pad is VALID and pads are (1, 1, 1, 1)"),
        (one("Conv", 11, weights=CONV, auto_pad="SAME"), "auto_pad = 'SAME'; refnet implements NOTSET, VALID, SAME_UPPER"),
        (
            one("Conv", 11, weights={"w": ramp(4, 3, 3)}, x=(1, 3, 8), auto_pad="SAME_UPPER", strides=[1]),
            "kernel_shape (3,), strides (1,), dilations (1, 1); refnet implements two spatial axes",
        ),
        (
            one("MaxPool", 11, x=(3, 8, 7), kernel_shape=[2, 2], auto_pad="SAME_UPPER"),
            "x has shape (3, 8, 7); expected (N, C, H, W)",
        ),
        (one("MaxPool", 11, x=(1, 3, 8), kernel_shape=[2]), "kernel_shape = (2,); refnet implements two spatial axes"),
        (one("Conv", 11, weights=CONV, auto_pad="SAME_UPPER", strides=[1, 0]), "strides = (1, 0); refnet implements strides"),
        (one("Conv", 11, weights=CONV, pads=[1, 1]), "node 'conv' (Conv): attribute padding = (1, 1)"),
        (one("Conv", 11, weights=CONV, kernel_shape=[5, 5]), "kernel_shape is (5, 5), but weight 'w' has shape (4, 3, 3, 3)"),
        (
            one("MaxPool", 11, kernel_shape=[2, 2], auto_pad="SAME_UPPER", ceil_mode=1),
            "ceil_mode = 1 together with auto_pad; refnet implements ceil_mode with pads only",
        ),
        (
            one("MaxPool", 12, kernel_shape=[2, 2], auto_pad="SAME_UPPER", dilations=[1, 2]),
            "auto_pad = SAME_UPPER with dilations = (1, 2) on a pool: runtimes disagree about it; export it with pads",
        ),
        (
            one("Conv", 11, weights={"w": ramp(4, 3, 1, 1)}, auto_pad="SAME_UPPER", strides=[4, 1]),
            "auto_pad = SAME_UPPER with a window of 1 and a stride of 4 on an extent of 8 pads by -3: some runtimes crop",
        ),
        (one("AveragePool", 19, kernel_shape=[2, 2], dilations=[2, 2]), "dilations = (2, 2); refnet implements 1 for AveragePool"),
        (one("Softmax", 11), "axis = 1 in opset 11 runs over all axes from there on, and x has shape (1, 3, 8, 7)"),
        (one("Softmax", 11, x=(1, 3, None)), "axis = 1 in opset 11 runs over all axes from there on, and x has an unknown shape"),
        (one("Transpose", 11, x=(1, 3, None)), "perm is not given and the number of axes is not known"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_settled_is_refused(tmp_path: Path, proto: onnx.ModelProto, sentence: str) -> None:
    with pytest.raises(ModelError, match=re.escape(sentence)):
        read(proto, tmp_path)


# weights that do not fit


@pytest.mark.parametrize(
    ("proto", "sentence"),
    [
        (one("Conv", 11, weights={"w": ramp(4, 5, 3, 3)}), "node 'conv' (Conv): weight has shape (4, 5, 3, 3)"),
        (one("Conv", 11, weights={**CONV, "b": ramp(3)}), "node 'conv' (Conv): bias has shape (3,); expected (4,)"),
        (
            one("BatchNormalization", 9, weights={**BN, "mean": ramp(4)}),
            "node 'batchnormalization' (BatchNormalization): mean has shape (4,); expected (3,)",
        ),
        (one("Gemm", 11, weights={"w": ramp(6, 5)}, x=(1, 5)), "node 'gemm' (Gemm): "),
        (one("MatMul", 11, weights={"w": ramp(4, 6)}, x=(1, 5)), "node 'matmul' (MatMul): "),
        (one("Add", 11, weights={"w": ramp(4)}), "node 'add' (Add): shapes (1, 3, 8, 7) and (4,) do not broadcast"),
        (one("Reshape", 11, weights={"t": np.array([5, -1], INT)}), "node 'reshape' (Reshape): 168 elements"),
        (one("Conv", 11, "x"), "node 'conv' (Conv): inputs are ('x',); expected 2 to 3"),
    ],
)
def test_a_weight_of_the_wrong_shape_is_refused_when_the_file_is_read(
    tmp_path: Path, proto: onnx.ModelProto, sentence: str
) -> None:
    with pytest.raises(ModelError, match=re.escape(f"{tmp_path / 'tiny.onnx'}: {sentence}")):
        read(proto, tmp_path)


def test_weights_are_checked_when_it_runs_where_the_file_leaves_the_size_free(tmp_path: Path) -> None:
    graph = read(one("Conv", 11, weights={"w": ramp(4, 5, 3, 3)}, x=(None, 3, None, None)), tmp_path)
    with pytest.raises(ModelError, match="weight has shape"):
        reference.run(graph, {"x": ramp(1, 3, 8, 7)})


def test_an_input_of_another_leading_extent_keeps_it(tmp_path: Path) -> None:
    proto = one("Gemm", 11, "x", "b", x=(3, 5))
    proto.graph.input.append(onnx.helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, (5, 4)))
    a, b = ramp(3, 5), ramp(5, 4)
    assert_within(reference.run(read(proto, tmp_path), {"x": a, "b": b})["y"], a @ b)


@pytest.mark.parametrize("batch", ["N", 8])
def test_auto_pad_on_an_axis_that_the_batch_came_to_depends_on_it(tmp_path: Path, batch: str | int) -> None:
    nodes = [
        node("Transpose", ["x"], ["t"], perm=[1, 2, 0, 3]),
        node("AveragePool", ["t"], kernel_shape=[3, 3], strides=[2, 1], auto_pad="SAME_UPPER"),
    ]
    proto = model(nodes, x=(batch, 4, 2, 3))
    if batch == "N":
        with pytest.raises(UnsupportedModelError, match="depends on an extent that the file leaves free"):
            read(proto, tmp_path)
    else:
        assert read(proto, tmp_path).nodes[1].attributes["padding"] == (0, 1, 1, 1)
