"""Nodes that make no graph are refused; nodes in any computable order make one."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ModelError
from refnet.formats.onnx_node import FileNode
from refnet.formats.onnx_structure import topological_order
from tests.formats.models import FLOAT, model, node, read


def chain(length: int) -> list[FileNode]:
    return [FileNode(str(i), "Relu", (f"t{i}",), (f"t{i + 1}",), {}) for i in range(length)]


@given(st.permutations(range(7)))
def test_any_order_of_a_chain_is_sorted(order: list[int]) -> None:
    nodes = chain(7)
    assert topological_order([nodes[i] for i in order], ["t0"], ["t7"]) == nodes


@given(st.permutations(range(6)))
def test_nodes_that_do_not_wait_for_each_other_keep_their_order(order: list[int]) -> None:
    nodes = [FileNode(str(i), "Relu", ("x",), (f"y{i}",), {}) for i in order]
    assert topological_order(nodes, ["x"], ["y0"]) == nodes


def test_a_file_out_of_order_is_sorted_and_says_so(tmp_path: Path) -> None:
    proto = model([node("Relu", ["t"], name="second"), node("Sigmoid", ["x"], ["t"], name="first")])
    graph = read(proto, tmp_path)
    assert [made.name for made in graph.nodes] == ["first", "second"]
    assert graph.source.notes == (
        "node 'second' (Relu): nodes are not in computable order in the file, and were sorted",
    )


@pytest.mark.parametrize(
    ("nodes", "outputs", "sentence"),
    [
        (
            [node("Add", ["x", "w"])],
            ["y"],
            "node 'add' (Add): input 'w' is made by no node, and is no graph input or weight",
        ),
        ([node("Relu", ["x"])], ["z"], "graph output 'z' is made by no node"),
        (
            [node("Relu", ["x"]), node("Sigmoid", ["x"])],
            ["y"],
            "node 'sigmoid' (Sigmoid): output 'y' is also made by node 'relu' (Relu); expected each to be made once",
        ),
        ([node("Relu", ["x"], ["x"])], ["x"], "output 'x' is also made by a graph input or weight of that name"),
        (
            [node("Add", ["x", "b"], ["a"], name="A"), node("Relu", ["a"], ["b"], name="B"), node("Relu", ["b"])],
            ["y"],
            "nodes feed each other in a circle: 'A' reads 'B' reads 'A'",
        ),
        ([node("Relu", ["y"])], ["y"], "nodes feed each other in a circle: 'relu' reads 'relu'"),
        ([node("Relu", ["x"], [""])], ["x"], "node '' (Relu): it has no output"),
    ],
    ids=["dangling", "output", "twice", "input made", "circle", "itself", "none"],
)
def test_what_is_no_graph_is_refused(
    tmp_path: Path, nodes: list[onnx.NodeProto], outputs: list[str], sentence: str
) -> None:
    if sentence.startswith("node '' "):
        nodes[0].name = ""
    with pytest.raises(ModelError, match=re.escape(sentence)):
        read(model(nodes, outputs=outputs), tmp_path)


def test_a_weight_by_the_name_of_an_output_is_refused_even_unread(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="output 'y' is also made by a graph input or weight of that name"):
        read(model([node("Relu", ["x"])], {"y": np.ones(1, np.float32)}), tmp_path)


@pytest.mark.parametrize(("names", "sentence"), [(["x", "x"], "two graph inputs named 'x'"), (["", "x"], "no name")])
def test_inputs_need_names_of_their_own(tmp_path: Path, names: list[str], sentence: str) -> None:
    proto = model([node("Relu", ["x"])], x=None)
    proto.graph.input.extend(onnx.helper.make_tensor_value_info(name, FLOAT, [1]) for name in names)
    with pytest.raises(ModelError, match=sentence):
        read(proto, tmp_path)


@pytest.mark.parametrize("names", [["w", "w"], [""]])
def test_weights_need_names_of_their_own(tmp_path: Path, names: list[str]) -> None:
    proto = model([node("Relu", ["x"])])
    proto.graph.initializer.extend(onnx.helper.make_tensor(name, FLOAT, [1], [1.0]) for name in names)
    with pytest.raises(ModelError, match=f"is named '{names[0]}'; expected a name of its own for each"):
        read(proto, tmp_path)
