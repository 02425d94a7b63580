"""Where nodes stand: the paper's network has four stages, a graph without residual units has none."""

from collections import Counter

from refnet.audit.report.places import Place, places
from refnet.formats.reading import read_model
from refnet.graph import Graph, Node, Tensor
from refnet.ops.inference import infer
from tests import localdata
from tests.audit.blank import blank_graph


def _places(graph: Graph) -> dict[str, Place]:
    tensor = graph.inputs[0]
    known = infer(graph, {tensor.name: (1, *(int(extent or 0) for extent in tensor.shape[1:]))})
    return places(graph, {name: it.shape for name, it in known.items()})


def test_the_paper_s_network_has_stages_of_3_13_30_and_3_units() -> None:
    found = _places(blank_graph())
    last = {group: max(it.unit or 0 for it in found.values() if it.group == group) for group in _groups(found)}
    assert last == {"stem": 0, "stage1": 3, "stage2": 13, "stage3": 30, "stage4": 3, "head": 0}


def _groups(found: dict[str, Place]) -> list[str]:
    return list(dict.fromkeys(it.group for it in found.values()))


def test_every_node_is_where_its_name_says() -> None:
    for name, place in _places(blank_graph()).items():
        if name.startswith("stage"):
            stage, unit, part = name.split("_", 2)
            assert (place.group, f"unit{place.unit}") == (stage, unit), name
            assert place.part == ("shortcut" if part in ("conv1sc", "sc") else "branch"), name
        elif name.startswith("_plus"):
            assert place.part == "sum"
    found = _places(blank_graph())
    assert [found[name].group for name in ("id", "conv0", "relu0")] == ["stem"] * 3
    assert [found[name].group for name in ("bn1", "pre_fc1", "fc1")] == ["head"] * 3


def test_what_lies_between_two_units_belongs_to_the_stage_it_leads_to() -> None:
    graph = read_model(localdata.path("models/mobilefacenet-arcface-mxnet.onnx"))
    found = _places(graph)
    counted = Counter((it.group, it.unit) for it in found.values() if it.part == "sum")
    assert [sum(group == f"stage{n}" for group, _ in counted) for n in (1, 2, 3)] == [4, 6, 2]
    between = [name for name, it in found.items() if it.group == "stage2" and it.unit is None]
    assert between
    assert all(name.startswith("dconv_34") for name in between)


def test_a_graph_without_residual_units_has_no_places() -> None:
    x, y = Tensor("x", "float32", (1, 3, 4, 4)), Tensor("y", "float32", (1, 3, 4, 4))
    graph = Graph("plain", (x,), (y,), (Node("n", "Relu", ("x",), "y"),), {})
    assert places(graph, {"x": (1, 3, 4, 4), "y": (1, 3, 4, 4)}) == {}
