"""A network beside another runtime: the same where it is the same, and every fault named where it is made."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from refnet.audit.compare import compare
from refnet.audit.comparison import Comparison
from refnet.audit.oracle import OnnxRuntime
from refnet.audit.own_tensors import own_tensors
from refnet.audit.trace_file import IMAGES, TraceFile, write_trace
from refnet.errors import InputError, ShapeError
from refnet.formats.onnx_reader import read_model
from refnet.formats.onnx_writer import write_model
from refnet.graph import Array, Graph, Node
from refnet.network import Network, load
from refnet.zoo.make import make_model
from refnet.zoo.samples import sample_crops, sample_images
from refnet.zoo.synthetic import synthetic_model
from tests import localdata

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra oracle)")

Fault = Callable[[Graph], Graph]
MARGIN = 0.6  # of the floor: what healthy models of this suite stay under


@pytest.fixture(scope="module")
def healthy(narrow_path: Path) -> Comparison:
    return compare(load(narrow_path, engine="reference"), sample_images()[:3], OnnxRuntime(narrow_path))


def test_every_tensor_of_a_healthy_model_agrees_with_room_to_spare(healthy: Comparison) -> None:
    assert healthy.agrees
    assert healthy.first_departure is None
    assert len(healthy.tensors) == healthy.compared == 412
    assert max(row.excess for row in healthy.tensors) < MARGIN
    assert max(row.theirs_excess for row in healthy.outputs) < MARGIN
    assert healthy.summary.startswith("412 of 412 tensors agree with onnxruntime")


def test_tensors_stand_in_the_order_of_the_graph_with_what_they_are(healthy: Comparison, narrow: Graph) -> None:
    assert [row.name for row in healthy.tensors] == [node.output for node in narrow.nodes]
    rows = {row.name: row for row in healthy.tensors}
    assert (rows["conv0"].op, rows["conv0"].kind, rows["conv0"].shape) == ("Conv", "data", (3, 4, 112, 112))
    assert (rows["slope12"].op, rows["slope12"].kind, rows["slope12"].shape) == ("Reshape", "constant", (1, 4, 1, 1))


def test_errors_of_both_sides_stand_beside_float64(healthy: Comparison) -> None:
    rows = {row.name: row for row in healthy.tensors}
    first, last = rows["conv0"], rows["fc1"]
    assert first.theirs == first.local  # nothing is inherited yet
    assert 1e-8 < first.local.relative_l2 < first.floor < 1e-5
    assert last.theirs.relative_l2 > 4 * last.local.relative_l2  # nearly all of it is inherited
    assert last.ours.relative_l2 == 0  # the engine is the reference
    assert last.between.max_abs == last.theirs.max_abs
    assert last.between.relative_l2 == pytest.approx(last.theirs.relative_l2, rel=1e-5)
    assert rows["flatten_1127"].local.max_abs == rows["flatten_1127"].excess == 0


def test_the_embedding_is_judged_in_terms_of_recognition(healthy: Comparison) -> None:
    assert len(healthy.embedding.images) == 3
    assert all(0 < image.angle_degrees < 1e-3 for image in healthy.embedding.images)
    assert all(image.ours_relative_l2 == 0 < image.theirs_relative_l2 < 1e-5 for image in healthy.embedding.images)
    assert 0 < healthy.embedding.largest_change_of_similarity <= healthy.embedding.margin < 1e-5


def test_a_batch_has_the_figures_of_its_images_together(healthy: Comparison, narrow_path: Path) -> None:
    class OneByOne(OnnxRuntime):
        def __init__(self, path: Path):
            super().__init__(path)
            self.at_once = 1

    network, done = load(narrow_path, engine="reference"), []
    alone = compare(network, sample_images()[:3], OneByOne(narrow_path), progress=lambda *counted: done.append(counted))
    assert done == [(i + 1, 3 * 412) for i in range(3 * 412)]
    for one, many in zip(alone.tensors, healthy.tensors, strict=True):
        assert one.shape == many.shape
        assert one.theirs.relative_l2 == pytest.approx(many.theirs.relative_l2, rel=0.05, abs=1e-9)


def _attributes(name: str, **changes: object) -> Fault:
    return lambda graph: _nodes(graph, name, lambda node: replace(node, attributes={**node.attributes, **changes}))


def _inputs(name: str, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Fault:
    return lambda graph: _nodes(graph, name, lambda node: replace(node, inputs=change(node.inputs)))


def _nodes(graph: Graph, name: str, change: Callable[[Node], Node]) -> Graph:
    nodes = tuple(change(node) if node.name == name else node for node in graph.nodes)
    assert nodes != graph.nodes
    return replace(graph, nodes=nodes)


def _weight(name: str, change: Callable[[Array], Array]) -> Fault:
    def fault(graph: Graph) -> Graph:
        changed = np.ascontiguousarray(change(graph.constants[name].copy()))
        assert not np.array_equal(changed, graph.constants[name])
        return replace(graph, constants={**graph.constants, name: changed})

    return fault


def _one_percent_in_the_middle(weight: Array) -> Array:
    """The weight of median size, one percent larger."""
    middle = np.argsort(abs(weight), axis=None)[weight.size // 2]
    weight.reshape(-1)[middle] *= np.float32(1.01)
    return weight


FAULTS = {
    "one weight by a percent": (_weight("stage2_unit3_conv1_weight", _one_percent_in_the_middle), "stage2_unit3_conv1"),
    "one weight far down": (_weight("stage4_unit3_conv2_weight", _one_percent_in_the_middle), "stage4_unit3_conv2"),
    "epsilon 1e-5": (_attributes("stage3_unit7_bn2", epsilon=float(np.float32(1e-5))), "stage3_unit7_bn2"),
    "gamma and beta swapped": (
        _inputs("stage1_unit2_bn1", lambda names: (names[0], names[2], names[1], *names[3:])),
        "stage1_unit2_bn1",
    ),
    "BGR": (_weight("conv0_weight", lambda weight: weight[:, ::-1]), "conv0"),
    "rows before channels in the fully connected layer": (
        _weight(
            "pre_fc1_weight", lambda weight: weight.reshape(512, -1, 7, 7).transpose(0, 1, 3, 2).reshape(weight.shape)
        ),
        "pre_fc1",
    ),
    "padding on one side": (_attributes("stage2_unit2_conv2", padding=(0, 0, 2, 2)), "stage2_unit2_conv2"),
    "the shortcut from behind the normalization": (
        _inputs("_plus4", lambda names: (names[0], "stage2_unit2_bn1")),
        "_plus4",
    ),
}


@pytest.mark.parametrize(("fault", "where"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_named_where_it_is_and_nowhere_else(
    narrow: Graph, narrow_path: Path, fault: Fault, where: str
) -> None:
    result = compare(Network(fault(narrow), engine="reference"), sample_images()[:1], OnnxRuntime(narrow_path))
    assert not result.agrees
    assert result.first_departure.name == where
    assert [row.name for row in result.tensors if row.verdict == "departs"] == [where]
    assert f"1 of 412 tensors depart from {result.other}, the first is {where} (" in result.summary
    assert "from the same inputs" in result.first_departure.reason


def test_a_fault_in_the_file_is_named_where_it_is(narrow: Graph, tmp_path: Path) -> None:
    fault, where = FAULTS["gamma and beta swapped"]
    write_model(fault(narrow), tmp_path / "m.onnx", like="mxnet", spatial=0)
    result = compare(Network(narrow, engine="reference"), sample_images()[:1], OnnxRuntime(tmp_path / "m.onnx"))
    assert result.first_departure.name == where


def test_a_slope_over_columns_is_found_where_as_many_columns_as_channels_hide_it(tmp_path: Path) -> None:
    square = synthetic_model(0, width=Fraction(7, 32), units=(1, 2, 1, 1))  # stage 2: 28 channels of 28 columns
    write_model(square, tmp_path / "m.onnx", like="mxnet")
    columns = _inputs("stage2_unit2_relu1", lambda names: (names[0], "stage2_unit2_relu1_gamma"))(square)
    result = compare(Network(columns, engine="reference"), sample_images()[:1], OnnxRuntime(tmp_path / "m.onnx"))
    assert [row.name for row in result.tensors if row.verdict == "departs"] == ["stage2_unit2_relu1"]


def _runtime_tensors(path: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, Array]]:
    runtime = OnnxRuntime(path)
    names = {name for name in runtime.tensor_names if name.startswith(patterns)}
    return runtime.stream(sample_images()[:2].astype(np.float32), names)


@pytest.fixture(scope="module")
def sums(narrow_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another runtime's sums and embedding, in a file."""
    path = tmp_path_factory.mktemp("traces") / "t.npz"
    write_trace(path, _runtime_tensors(narrow_path, ("_plus", "fc1")), sample_images()[:2], {"engine": "other"})
    return path


def test_a_trace_with_gaps_agrees_and_says_what_it_lacks(narrow: Graph, sums: Path) -> None:
    trace = TraceFile(sums)
    result = compare(Network(narrow, engine="reference"), trace.images, trace)
    assert result.agrees
    assert result.summary == "50 of 50 tensors agree with trace t.npz within the noise floor (362 more are not in it)"
    assert result.compared == 50
    assert max(row.excess for row in result.tensors) < MARGIN
    absent = next(row for row in result.tensors if row.name == "conv0")
    assert (absent.verdict, absent.theirs, absent.local, absent.excess) == ("absent", None, None, 0)
    assert result.notes == ("trace's schema_version: 1", "trace's engine: other")
    assert result.outputs[0].name == "fc1"


def test_a_fault_in_a_gap_is_named_at_the_first_tensor_after_it(narrow: Graph, sums: Path) -> None:
    trace = TraceFile(sums)
    fault, _ = FAULTS["gamma and beta swapped"]
    result = compare(Network(fault(narrow), engine="reference"), trace.images, trace)
    assert [row.name for row in result.tensors if row.verdict == "departs"] == ["_plus1"]


def test_a_trace_of_the_reference_is_the_reference(narrow: Graph, tmp_path: Path) -> None:
    network = Network(narrow, engine="reference")
    x = sample_images()[:1]
    write_trace(tmp_path / "t.npz", network.stream(x), x, {})
    result = compare(network, x, TraceFile(tmp_path / "t.npz"))
    assert result.agrees
    assert {row.theirs.max_abs for row in result.tensors} == {0}
    with np.load(tmp_path / "t.npz") as file:
        tensors = {**file, "bn1": file["bn1"] * (1 + 1e-12)}
    np.savez(tmp_path / "u.npz", **tensors)
    nudged = compare(network, x, TraceFile(tmp_path / "u.npz"))
    assert nudged.first_departure.name == "bn1"  # float64 is held to float64


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda x: np.where(x == x.max(), np.nan, x), "it holds NaN or infinite values"),
        (lambda x: x[..., :3], r"it has shape (2, 32, 7, 3), expected (2, 32, 7, 7)"),
    ],
    ids=["not a number", "shape"],
)
def test_what_is_no_tensor_of_the_graph_departs_and_can_be_printed(
    narrow: Graph, sums: Path, tmp_path: Path, change: Callable[[Array], Array], reason: str
) -> None:
    with np.load(sums) as file:
        np.savez(tmp_path / "t.npz", **{**file, "_plus46": change(file["_plus46"])})
    trace = TraceFile(tmp_path / "t.npz")
    result = compare(Network(narrow, engine="reference"), trace.images, trace)
    assert result.first_departure.name == "_plus46"
    assert result.first_departure.reason == reason
    table = json.loads(json.dumps(result.to_json(), allow_nan=False))
    row = next(row for row in table["tensors"] if row["name"] == "_plus46")
    assert row["theirs"] == {"max_abs": None, "relative_l2": None, "cosine": 0.0}


def test_json_has_a_schema_version_and_every_tensor(healthy: Comparison) -> None:
    table = json.loads(json.dumps(healthy.to_json(), allow_nan=False))
    assert table["schema_version"] == 1
    assert table["agrees"] is True
    assert table["first_departure"] is None
    assert len(table["tensors"]) == 412
    assert set(table["tensors"][0]["theirs"]) == {"max_abs", "relative_l2", "cosine"}
    assert table["embedding"]["sentence"] == healthy.embedding.sentence


class Engine:
    """Computes outputs in float32, each wrong by a factor."""

    def __init__(self, reference: Network, factor: float):
        self._reference, self._factor = reference, factor

    def run(self, feeds: dict[str, Array]) -> dict[str, Array]:
        outputs = self._reference.run(next(iter(feeds.values())))
        return {name: (self._factor * array).astype(np.float32) for name, array in outputs.items()}


@pytest.mark.parametrize(("factor", "agrees"), [(1.0, True), (1.001, False)])
def test_the_outputs_of_the_fast_engine_are_judged_as_users_get_them(
    narrow: Graph, narrow_path: Path, factor: float, agrees: bool
) -> None:
    network = Network(narrow, engine="fast")
    network._made_engine = Engine(Network(narrow, engine="reference"), factor)
    result = compare(network, sample_images()[:1], OnnxRuntime(narrow_path))
    assert result.agrees is agrees
    assert all(row.verdict == "agrees" for row in result.tensors)
    assert all(row.ours.relative_l2 < 1e-5 for row in result.tensors)  # node by node, by the true kernels
    (output,) = result.outputs
    assert output.ours.relative_l2 == pytest.approx(factor - 1, abs=1e-7)
    assert output.between.relative_l2 == pytest.approx(factor - 1, abs=1e-5)
    if not agrees:
        assert output.ours_excess > 1 > output.theirs_excess
        assert "but end to end ours departs in output fc1" in result.summary


def test_tensors_of_the_fast_engine_stay_below_the_floor_of_all_before_them(narrow: Graph, narrow_path: Path) -> None:
    result = compare(Network(narrow), sample_images()[:1], OnnxRuntime(narrow_path))
    assert 0.05 < max(row.ours_excess for row in result.tensors) < MARGIN
    (output,) = result.outputs
    last = result.tensors[-1]
    assert (
        output.floor < last.ours_floor < 2 * output.floor
    )  # of the same tensor, end to end; ours has Winograd's errors
    exact = [row for row in result.tensors if row.kind == "constant"]
    assert exact
    assert all(row.ours_excess == 0 for row in exact)


def test_a_fault_of_the_fast_engine_shows_in_its_tensor(
    narrow: Graph, narrow_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(network: Network, images: Array) -> Iterator[tuple[str, Array]]:
        for name, array in own_tensors(network, images):
            yield name, np.where(array == array.max(), array * np.float32(1.01), array) if name == "bn0" else array

    monkeypatch.setattr("refnet.audit.compare.own_tensors", faulty)
    result = compare(Network(narrow), sample_images()[:1], OnnxRuntime(narrow_path))
    assert [row.name for row in result.tensors if row.ours_excess > 1] == ["bn0"]


def test_whoever_observes_is_shown_every_tensor_of_the_reference(narrow: Graph, narrow_path: Path) -> None:
    images, seen = sample_images()[:2], []
    network = Network(narrow, engine="reference")
    compare(network, images, OnnxRuntime(narrow_path), observe=lambda name, x: seen.append((name, x.sum(), x.shape)))
    assert seen == [(name, x.sum(), x.shape) for name, x in network.stream(images)]


def test_nothing_in_common_is_refused(narrow: Graph, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", a=np.ones(1), b=np.ones(1), **{IMAGES: sample_images()[:1]})
    message = (
        r"trace t.npz has none of the model's tensors: it has a, b; the model _minusscalar0, _mulscalar0, _plus0, ..."
    )
    with pytest.raises(InputError, match=message):
        compare(Network(narrow, engine="reference"), sample_images()[:1], TraceFile(tmp_path / "t.npz"))


def test_images_that_do_not_fit_are_refused_as_ever(narrow_path: Path) -> None:
    with pytest.raises(ShapeError, match="Transpose to channels-first"):
        compare(load(narrow_path, engine="reference"), np.zeros((1, 112, 112, 3), np.uint8), OnnxRuntime(narrow_path))


@pytest.mark.parametrize(
    ("name", "tensors", "shapes", "count"),
    [
        ("mobilefacenet-arcface-mxnet", 148, 0, 3),
        ("mobilefacenet-arcface-opset19", 105, 5, 3),
        ("face_detection_yunet_2023mar", 106, 0, 2),
    ],
)
def test_a_trained_model_agrees_in_every_tensor(name: str, tensors: int, shapes: int, count: int) -> None:
    path = localdata.path(f"models/{name}.onnx")
    network = load(path, engine="reference")
    images = network.contract.prepare(np.concatenate([sample_crops(*network.contract.shape[1:])] * 2)[:count])
    result = compare(network, images, OnnxRuntime(path))
    assert result.agrees, result.summary
    assert len(result.tensors) == result.compared == tensors
    assert sum(row.kind == "shape" for row in result.tensors) == shapes
    assert max(row.excess for row in result.tensors) < MARGIN
    assert max(max(row.theirs_excess, row.ours_excess) for row in result.outputs) < MARGIN
    assert (result.embedding is None) == name.startswith("face_detection")


MEASURED = """
import json, sys
from pathlib import Path
from refnet.audit.compare import compare
from refnet.audit.oracle import OnnxRuntime
from refnet.network import load
from refnet.zoo.samples import sample_images
path = Path(sys.argv[1])
result = compare(load(path, engine="reference"), sample_images()[: int(sys.argv[2])], OnnxRuntime(path)).to_json()
status = Path("/proc/self/status").read_text()  # getrusage would count this process's parent as well
peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps({"peak": peak, **result}))
"""


@pytest.mark.full
@pytest.mark.parametrize("spatial", [0, 1])
@pytest.mark.parametrize("count", [1, 3])
def test_the_full_model_agrees_in_every_tensor_within_two_gibibytes(tmp_path: Path, spatial: int, count: int) -> None:
    make_model(tmp_path / "model.onnx", spatial=spatial)
    arguments = [sys.executable, "-c", MEASURED, str(tmp_path / "model.onnx"), str(count)]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout)
    assert result["agrees"], result["summary"]
    assert result["compared"] == len(result["tensors"]) == 412
    assert max(row["excess"] for row in result["tensors"]) < MARGIN
    assert all(image["relative_l2"] < 1e-5 for image in result["embedding"]["images"])
    assert len(result["embedding"]["images"]) == count
    assert result["peak"] < 2 * 2**30


@pytest.mark.full
def test_one_weight_by_a_percent_is_found_in_every_convolution_of_the_full_model(tmp_path: Path) -> None:
    make_model(tmp_path / "model.onnx")
    graph = read_model(tmp_path / "model.onnx")
    convolutions = [node for node in graph.nodes if node.op == "Conv"]
    for node in convolutions:
        graph = _weight(node.inputs[1], _one_percent_in_the_middle)(graph)
    result = compare(Network(graph, engine="reference"), sample_images()[:1], OnnxRuntime(tmp_path / "model.onnx"))
    departing = {row.name for row in result.tensors if row.verdict == "departs"}
    assert departing == {node.output for node in convolutions}
