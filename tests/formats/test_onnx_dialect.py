"""Every dialect is read as onnxruntime reads it; what has no canonical form is refused by name."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from refnet import reference
from refnet.errors import ModelError, UnsupportedModelError
from refnet.formats.onnx_dialect import RULES
from refnet.ops import OPERATORS
from tests.comparison import assert_within, gamma
from tests.formats.dialects import BN, DIALECTS, HALF, SCALES, one, ramp
from tests.formats.models import model, node, read


def test_every_operator_is_read() -> None:
    assert set(RULES) - {"Upsample"} == set(OPERATORS)
    assert {proto.op_type for tiny in DIALECTS.values() for proto in tiny.graph.node} - {"Constant"} == set(RULES)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_read_as_onnxruntime_reads_it(tmp_path: Path, name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    proto = DIALECTS[name]
    graph = read(proto, tmp_path)
    x = ramp(*graph.inputs[0].shape)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    (expected,) = onnxruntime.InferenceSession(proto.SerializeToString(), options).run(["y"], {"x": x})
    actual = reference.run(graph, {"x": x})["y"]
    # Sums are exact (whole numbers); 16 roundings cover every division, root and exponential of these models.
    assert_within(actual, expected, gamma(16, np.float32) * np.maximum(abs(expected), 1))


@pytest.mark.parametrize("name", DIALECTS)
def test_a_read_node_says_every_attribute_of_its_operator(tmp_path: Path, name: str) -> None:
    for made in read(DIALECTS[name], tmp_path).nodes:
        assert made.attributes.keys() == OPERATORS[made.op].attributes.keys()


BOUNDS = {"a": HALF, "b": HALF}
FREE = [node("Identity", ["x"], ["i"])]
TRAINING = "it computes inference; export the model in evaluation mode"


REFUSED: list[tuple[onnx.ModelProto, str]] = [
    (one("Selu", 13), "node 'selu' (Selu): refnet does not implement this operator; it implements Add, AveragePool,"),
    (one("Relu", 13, slope=1), "node 'relu' (Relu): attribute slope = 1; refnet understands no attributes here"),
    (one("Conv", 7, weights={"w": ramp(4, 3, 3, 3)}, speed=[1]), "attribute speed = (1,); refnet understands auto_pad, "),
    (one("Clip", 11, min=0.0), "attribute min = 0.0; refnet understands no attributes here"),
    (one("Gemm", 13, weights=BOUNDS, alpha=1), "attribute alpha is 1; expected a float"),
    (one("Gather", 13, weights=BOUNDS, axis=0.5), "attribute axis is 0.5; expected an integer"),
    (one("Transpose", 13, perm=[0.5]), "attribute perm is (0.5,); expected a list of integers"),
    (one("Transpose", 13, perm="x"), "attribute perm is 'x'; expected a list of integers"),
    (one("Concat", 13), "node 'concat' (Concat): attribute axis is missing; expected an integer"),
    (one("MaxPool", 13), "attribute kernel_shape is missing; expected a list of integers"),
    (one("MaxPool", 13, kernel_shape=[2, 2], outputs=["t", "y"]), "its output 'y' is used; refnet gives only the first"),
    (one("BatchNormalization", 14, weights=BN, training_mode=1), f"training_mode = 1; refnet implements training_mode = 0: {TRAINING}"),
    (one("BatchNormalization", 7, weights=BN, is_test=0), f"is_test = 0; refnet implements is_test = 1: {TRAINING}"),
    (one("BatchNormalization", 7, weights=BN, spatial=2), "spatial = 2; refnet implements 0 and 1"),
    (one("BatchNormalization", 7, weights=BN, outputs=["y", "m", "v"]), "which asks for training"),
    (
        one("BatchNormalization", 7, weights={name: ramp(3, 8, 7) for name in BN}, spatial=0),
        "spatial = 0, and 'gamma' has shape (3, 8, 7); refnet implements one value a channel",
    ),
    (one("Cast", 13, to=2), "to = 2; refnet implements 1 (float32), 6 (int32), 7 (int64), 9 (bool), 10 (float16)"),
    (one("Cast", 19, to=1, saturate=0), "saturate = 0; refnet implements saturate = 1"),
    (one("Cast", 25, to=1, round_mode="down"), "round_mode is for 8-bit floats"),
    (one("Dropout", 13, weights={"r": HALF, "t": np.array(True)}), "training_mode is 't', which is not a constant False"),
    (model([*FREE, node("Dropout", ["x", "", "i"])]), "training_mode is 'i', which is not a constant False"),
    (one("Dropout", 10, outputs=["t", "y"]), "node 'dropout' (Dropout): its output 'y' is used; refnet gives only the first"),
    (one("ReduceMean", 18, noop_with_empty_axes=1), "noop_with_empty_axes = 1; refnet implements noop_with_empty_axes = 0"),
    (model([*FREE, node("ReduceL2", ["x", "i"])], opset=18), "axes 'i' are computed from the image; refnet needs constant"),
    (one("ReduceL2", 18, weights={"a": HALF}), "axes 'a' are float32; expected integers"),
    (one("Squeeze", 13), "no axes are named, so that it depends on the batch which go; refnet needs axes"),
    (one("Resize", 10, weights={"s": SCALES / 2}), "scales are [0.5, 0.5, 1.0, 1.5] in opset 10; refnet implements factors of"),
    (model([*FREE, node("Resize", ["x", "i"])], opset=10), "scales are computed from the image; refnet implements constant"),
    (one("Upsample", 9, "x"), "scales are computed from the image"),
    (one("Upsample", 7, scales=[1, 2]), "attribute scales is (1, 2); expected a list of floats"),
    (one("Resize", 13, "x", "", "s", weights={"s": SCALES}, mode="cubic"), "mode = 'cubic'; refnet implements nearest, linear"),
    (
        one("Resize", 13, "x", "", "s", weights={"s": SCALES}, coordinate_transformation_mode="tf_crop_and_resize"),
        "coordinate_transformation = 'tf_crop_and_resize'; refnet implements",
    ),
    (one("Resize", 13, "x", "", "s", weights={"s": SCALES}, exclude_outside=1), "exclude_outside = 1; refnet implements"),
    (one("Resize", 18, "x", "", "s", weights={"s": SCALES}, antialias=1), "antialias = 1; refnet implements antialias = 0"),
    (one("Resize", 18, "x", "", "s", weights={"s": SCALES}, axes=[2, 3]), "axes = (2, 3); refnet implements sizes or scales"),
    (
        one("Resize", 18, "x", "", "s", weights={"s": SCALES}, keep_aspect_ratio_policy="not_larger"),
        "keep_aspect_ratio_policy = 'not_larger'; refnet implements 'stretch'",
    ),
    (one("Resize", 13, "x"), "node 'resize' (Resize): "),
    (one("Shape", 15, start=1), "start = 1; refnet implements start = 0: it gives the whole shape"),
    (one("Shape", 15, end=2), "end = 2; refnet gives the whole shape"),
    (model([node("Constant", [])], x=None), "node 'constant' (Constant): it has no value"),
    (model([node("Constant", [], value_string="a")], x=None), "attribute value_string = 'a'; refnet understands value,"),
    (model([node("Constant", [], value_float=np.inf)], x=None), "value_float is inf; expected finite numbers"),
    (model([node("Constant", [], value=3)], x=None), "attribute value is 3; expected a tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("proto", "sentence"), REFUSED, ids=[sentence[:60] for _, sentence in REFUSED])
def test_what_has_no_canonical_form_is_refused(tmp_path: Path, proto: onnx.ModelProto, sentence: str) -> None:
    with pytest.raises(ModelError, match=re.escape(sentence)) as caught:
        read(proto, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'tiny.onnx'}: node '{proto.graph.node[-1].name}' (")


def test_spatial_0_with_one_value_a_channel_is_read_per_channel_and_noted(tmp_path: Path) -> None:
    nodes = [
        node("BatchNormalization", ["x", *BN], ["t"], name="first", spatial=0),
        node("BatchNormalization", ["t", *BN], name="second", spatial=0),
    ]
    graph = read(model(nodes, BN, opset=8), tmp_path)
    assert graph.source.notes == (
        "node 'first' (BatchNormalization) and 1 more: spatial = 0 with one value a channel is read as spatial = 1, "
        "which is what exporters mean",
    )
    nodes[0].attribute[0].i = nodes[1].attribute[0].i = 1
    plain = read(model(nodes, BN, opset=8), tmp_path)
    assert plain.nodes == graph.nodes
    assert plain.source.notes == ()


def test_is_test_of_older_exporters_is_accepted(tmp_path: Path) -> None:
    graph = read(one("BatchNormalization", 7, weights=BN, is_test=1), tmp_path)
    assert graph.nodes[0].attributes == {"epsilon": float(np.float32(1e-5))}


def test_a_bound_that_became_a_constant_takes_no_name_that_exists(tmp_path: Path) -> None:
    proto = model([node("Clip", ["x"], ["t"], min=0.0), node("Add", ["t", "t:min"])], {"t:min": HALF}, opset=7)
    graph = read(proto, tmp_path)
    assert graph.nodes[0].inputs == ("x", "t:min'")
    assert graph.constants["t:min"] == 0.5


def test_a_nameless_node_is_called_by_its_output(tmp_path: Path) -> None:
    assert read(model([onnx.helper.make_node("Relu", ["x"], ["y"])]), tmp_path).nodes[0].name == "y"


@pytest.mark.parametrize(
    ("proto", "sentence"),
    [
        (
            onnx.helper.make_node("QLinearConv", ["x"], ["y"], name="q"),
            "node 'q' (QLinearConv): this is a quantised model (8-bit integers), and refnet computes floating-point ones; "
            "take the float32 model it was made from",
        ),
        (onnx.helper.make_node("DequantizeLinear", ["x"], ["y"], name="q"), "this is a quantised model"),
        (onnx.helper.make_node("ConvInteger", ["x"], ["y"], name="q"), "this is a quantised model"),
        (
            onnx.helper.make_node("FusedConv", ["x"], ["y"], name="f", domain="com.microsoft"),
            "node 'f' (FusedConv): the operator is of domain 'com.microsoft', not ONNX's own",
        ),
        (
            onnx.helper.make_node("If", ["x"], ["y"], name="i", then_branch=onnx.GraphProto(name="g")),
            "node 'i' (If): it holds a graph of its own; refnet implements no control flow",
        ),
        (
            onnx.helper.make_node("Relu", ["x"], ["y"], name="r", kind=onnx.TypeProto()),
            "node 'r' (Relu): attribute kind is of type TYPE_PROTO; refnet reads numbers, strings and tensors",
        ),
    ],
)
def test_a_foreign_node_is_refused(tmp_path: Path, proto: onnx.NodeProto, sentence: str) -> None:
    with pytest.raises(UnsupportedModelError, match=re.escape(sentence)):
        read(model([proto]), tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"type": 0, "i": 1}, "node 'relu' (Relu): attribute a has no type; the file is damaged"),
        ({"type": 2, "ref_attr_name": "b"}, "attribute a refers to a function's; refnet reads values"),
    ],
)
def test_an_attribute_that_is_no_value_is_refused(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    proto = model([node("Relu", ["x"])])
    proto.graph.node[0].attribute.append(onnx.AttributeProto(name="a", **change))
    with pytest.raises(ModelError, match=re.escape(sentence)):
        read(proto, tmp_path)


def test_an_attribute_given_twice_is_refused(tmp_path: Path) -> None:
    proto = model([node("Flatten", ["x"], axis=1)])
    proto.graph.node[0].attribute.append(onnx.helper.make_attribute("axis", 2))
    with pytest.raises(ModelError, match=r"node 'flatten' \(Flatten\): attribute axis is given twice"):
        read(proto, tmp_path)
