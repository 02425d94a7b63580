"""Two models side by side: the same in another form, one number apart, and different in every way."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.audit.diff.model_diff import ModelDiff, diff_models
from refnet.audit.diff.pairing import pair
from refnet.audit.diff.weights import compare_arrays, ulp_distance
from refnet.audit.doctor.patient import Patient
from refnet.formats.onnx_reader import read_model
from refnet.formats.onnx_writer import write_model
from refnet.graph import Array, Graph, Node
from refnet.network import Network, load
from refnet.zoo.make import make_model
from refnet.zoo.samples import sample_crops
from tests import localdata
from tests.audit.doctor.patients import small, with_constants

CONV = "stage3_unit1_conv2_weight"


def _diff(a: Graph, b: Graph, *, always: bool = False) -> ModelDiff:
    return diff_models(Network(a), Network(b), sample_crops(), always=always)


def _edit(graph: Graph, name: str, **changes: object) -> Graph:
    nodes = tuple(replace(node, **changes) if node.name == name else node for node in graph.nodes)  # type: ignore[arg-type]
    assert nodes != graph.nodes
    return replace(graph, nodes=nodes)


def _node(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if node.name == name)


def _renamed(graph: Graph) -> Graph:
    """With other names for everything but input and output, and slopes (C, 1, 1) without a Reshape."""
    slopes = {node.output: node.inputs[0] for node in graph.nodes if node.op == "Reshape"}
    constants = {
        f"w.{name}": value.reshape(-1, 1, 1) if name in slopes.values() else value
        for name, value in graph.constants.items()
        if not name.startswith("reshape")
    }
    names = {node.output: f"t{i}" for i, node in enumerate(graph.nodes) if node.output != "fc1"} | {"data": "data"}
    nodes = [
        replace(
            node,
            name=f"n{i}",
            inputs=tuple(
                names[it] if it in names and it not in slopes else f"w.{slopes.get(it, it)}" for it in node.inputs
            ),
            output=names.get(node.output, "fc1"),
        )
        for i, node in enumerate(graph.nodes)
        if node.op != "Reshape"
    ]
    return replace(graph, nodes=tuple(nodes), constants=constants)


def test_a_network_is_the_same_as_itself() -> None:
    found = _diff(small(), small())
    assert found.same
    assert found.notes == ()
    assert found.weights.numbers == sum(
        it.size for name, it in small().constants.items() if not name.startswith("reshape")
    )
    assert found.why_not == "structure and weights are the same"


def test_the_same_network_in_another_form_is_the_same(tmp_path: Path) -> None:
    for like in ("mxnet", "modern"):
        write_model(small(), tmp_path / f"{like}.onnx", like=like)  # type: ignore[arg-type]
    found = _diff(*(read_model(tmp_path / f"{like}.onnx") for like in ("mxnet", "modern")))
    assert found.same
    assert found.verdict == "the same network, written down differently"


def test_the_same_file_is_said_to_be(tmp_path: Path) -> None:
    write_model(small(), tmp_path / "m.onnx", like="mxnet")
    graph = read_model(tmp_path / "m.onnx")
    assert _diff(graph, graph).verdict == "the same file"


def test_other_names_and_forms_of_slopes_are_notes() -> None:
    found = _diff(small(), _renamed(small()), always=True)
    assert found.same
    assert found.structure == ()
    assert any("other names" in note for note in found.notes)
    assert any("operators that compute nothing: 5 Reshape, 1 Identity, 1 Dropout in a, 1 Identity, 1 Dropout in b" in note for note in found.notes)  # fmt: skip
    assert found.behaviour is not None
    assert found.behaviour.first is None


def test_another_order_of_nodes_is_the_same() -> None:
    nodes = list(small().nodes)
    at = next(i for i, node in enumerate(nodes) if node.name == "stage2_unit1_conv1sc")
    start = next(i for i, node in enumerate(nodes) if node.name == "stage2_unit1_bn1")
    moved = nodes[:start] + nodes[at : at + 2] + nodes[start:at] + nodes[at + 2 :]
    assert _diff(small(), replace(small(), nodes=tuple(moved)), always=True).same


@pytest.mark.parametrize("index", [(0, 0, 0, 0), (7, 3, 2, 1), (15, 15, 2, 2)])
def test_one_unit_in_the_last_place_of_one_weight_is_found(index: tuple[int, ...]) -> None:
    def nudge(array: Array) -> None:
        array[index] = np.nextafter(array[index], np.float32(9))

    found = _diff(small(), with_constants(small(), **{CONV: nudge}))
    assert not found.same
    (weight,) = found.weights.differences
    assert (weight.a, weight.where) == (CONV, "stage3_unit1_conv2")
    assert (weight.first, weight.count, weight.max_ulp) == (index, 1, 1)
    assert weight.max_abs == abs(float(weight.a_first) - float(weight.b_first)) > 0
    assert found.behaviour is not None
    assert found.behaviour.first is not None
    assert found.behaviour.first.where == "stage3_unit1_conv2"
    assert found.behaviour.first_resolved is None


@pytest.mark.full
def test_one_unit_in_the_last_place_is_found_among_65_million(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    make_model(path)
    patient = Patient(path)
    assert patient.skeleton is not None
    names = [tensor.name for tensor in patient.skeleton.graph.initializer]
    place = patient.spans[names.index("stage3_unit17_conv2_weight")].offset + 4 * 123_457
    content = bytearray(path.read_bytes())
    content[place : place + 4] = (int.from_bytes(content[place : place + 4], "little") + 1).to_bytes(4, "little")
    (tmp_path / "b.onnx").write_bytes(content)
    found = diff_models(load(path), load(tmp_path / "b.onnx"), sample_crops())
    (weight,) = found.weights.differences
    assert found.weights.numbers == 65_225_794
    assert (weight.count, weight.max_ulp) == (1, 1)
    assert weight.first == (53, 149, 1, 1)  # 123457 = ((53 * 256 + 149) * 3 + 1) * 3 + 1
    assert found.behaviour is not None
    assert found.behaviour.first is not None
    assert found.behaviour.first.where == "stage3_unit17_conv2"


def test_a_weight_that_is_far_off_shows_in_the_embeddings() -> None:
    found = _diff(small(), with_constants(small(), **{CONV: lambda array: array.__imul__(-1)}))
    assert found.behaviour is not None
    assert found.behaviour.one_minus_cosine is not None
    assert min(found.behaviour.one_minus_cosine) > 1e-3
    assert found.behaviour.largest_change_of_similarity is not None
    assert found.verdict.startswith("different: 2304 of ")
    (weight,) = found.weights.differences
    assert weight.relative_l2 == 2  # |w - (-w)| / |w|


def test_a_changed_attribute_is_named_and_the_rest_is_compared() -> None:
    bn = _node(small(), "stage2_unit1_bn2")
    found = _diff(small(), _edit(small(), bn.name, attributes={"epsilon": 1e-3}))
    assert [(it.kind, it.where, it.b) for it in found.structure] == [("attribute", bn.name, "epsilon = 0.001")]
    assert found.weights.differences == ()
    assert found.behaviour is not None
    assert found.behaviour.first is not None
    assert found.behaviour.first.where == bn.name


def test_another_operator_is_named() -> None:
    prelu = _node(small(), "stage2_unit1_relu1")
    found = _diff(small(), _edit(small(), prelu.name, op="Relu", inputs=prelu.inputs[:1]))
    assert [(it.kind, it.a, it.b) for it in found.structure] == [("operator", "PRelu", "Relu")]


def test_another_wiring_is_named() -> None:
    found = _diff(small(), _edit(small(), "stage3_unit1_conv2", inputs=("stage3_unit1_bn2", CONV)))
    assert ("wiring", "stage3_unit1_conv2", "reads stage3_unit1_relu1", "reads stage3_unit1_bn2") in [
        (it.kind, it.where, it.a, it.b) for it in found.structure
    ]


def test_a_node_that_is_missing_is_named_and_the_rest_is_paired() -> None:
    nodes = [node for node in small().nodes if node.name != "stage2_unit1_bn3"]
    graph = replace(small(), nodes=tuple(nodes))
    graph = _edit(graph, "_plus1", inputs=("stage2_unit1_conv2", "stage2_unit1_sc"))
    found = _diff(small(), graph)
    assert ("only in a", "stage2_unit1_bn3") in [(it.kind, it.where) for it in found.structure]
    assert found.paired == len([n for n in small().nodes if n.op not in ("Identity", "Dropout", "Reshape")]) - 1
    assert found.behaviour is not None
    assert found.behaviour.first is not None
    assert found.behaviour.first.where == "_plus1"


def test_folded_normalisations_are_no_reason_not_to_pair_convolutions() -> None:
    """A graph without names in common and without its BatchNormalizations: what is left is found by its order."""
    graph = _renamed(small())
    alias: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if node.op == "BatchNormalization" and node.output != "fc1":
            alias[node.output] = inputs[0]
        else:
            nodes.append(replace(node, inputs=inputs))
    pairing = pair(small(), replace(graph, nodes=tuple(nodes)))
    paired = {it.a.name for it in pairing.pairs}
    assert {node.name for node in small().nodes if node.op in ("Conv", "PRelu", "Gemm")} <= paired
    assert all(it.a.op == it.b.op for it in pairing.pairs)
    assert {node.op for node in pairing.only_a} == {"BatchNormalization"}
    assert pairing.only_b == ()


def test_another_number_of_channels_is_named() -> None:
    constants = {**small().constants, CONV: np.zeros((16, 16, 1, 1), np.float32)}
    found = diff_models(Network(small()), Network(replace(small(), constants=constants)), None)
    assert ("parameters", "shapes (16, 16, 3, 3)", "shapes (16, 16)") in [
        (it.kind, it.a, it.b) for it in found.structure
    ]
    assert found.why_not == "not asked for"


def test_another_size_of_images_is_named() -> None:
    (data,) = small().inputs
    graph = replace(small(), inputs=(replace(data, shape=(None, 3, 96, 112)),))
    found = diff_models(Network(small()), Network(graph), None)
    assert [(it.kind, it.b) for it in found.structure] == [("input", "float32 (free, 3, 96, 112)")]
    assert "the batch is 1 in a, free in b" in found.notes


def test_what_cannot_be_run_is_said() -> None:
    graph = with_constants(small(), bn0_moving_var=lambda array: array.fill(-1))
    assert "var is -1.0" in _diff(small(), graph).why_not


def test_json_has_no_infinities() -> None:
    found = _diff(small(), with_constants(small(), **{CONV: lambda array: array.fill(0)}))
    text = json.dumps(found.to_json(), allow_nan=False)
    said = json.loads(text)
    assert said["schema_version"] == 1
    assert said["same"] is False
    assert said["behaviour"]["first"] == "stage3_unit1_conv2"


def test_relatives_of_other_exporters_are_paired_layer_by_layer() -> None:
    a, b = (read_model(localdata.path(f"models/mobilefacenet-arcface-{it}.onnx")) for it in ("mxnet", "opset19"))
    pairing = pair(a, b)
    convolutions = [it for it in pairing.pairs if it.a.op == "Conv"]
    assert len(convolutions) == 49
    shapes = [(a.constants[it.a.inputs[1]].shape, b.constants[it.b.inputs[1]].shape) for it in convolutions]
    assert all(one == other for one, other in shapes)


@given(st.floats(-(2.0**126), 2.0**126, width=32), st.integers(1, 50))
def test_the_distance_of_floats_is_the_number_of_steps_between_them(start: float, steps: int) -> None:
    x = y = np.float32(start)
    for _ in range(steps):
        y = np.nextafter(y, np.float32(np.inf))
    assert ulp_distance(np.array([x]), np.array([y])) == steps


def test_zeros_of_both_signs_are_equal() -> None:
    assert compare_arrays(np.zeros(3, np.float32), -np.zeros(3, np.float32)) is None


def test_large_arrays_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refnet.audit.diff.weights.PART", 7)
    a = np.arange(30, dtype=np.float32).reshape(5, 6)
    b = a.copy()
    b[1, 3], b[4, 5] = 10, 28
    found = compare_arrays(a, b)
    assert found is not None
    count, total, first, a_first, b_first, max_abs, relative_l2, _ = found
    assert (count, total, first, a_first, b_first, max_abs) == (2, 30, (1, 3), 9, 10, 1)
    assert relative_l2 == np.sqrt(2 / (29 * 30 * 59 / 6))  # 1 + 4 + ... + 29^2
