"""One face for the engines: what goes in, what comes out, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import refnet
from refnet import InputError, ModelError, Network, ShapeError, UsageError, reference
from refnet.graph import Graph, Node
from refnet.zoo.samples import sample_images


@pytest.fixture(scope="module")
def net(narrow: Graph) -> Network:
    return Network(narrow, engine="reference")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return sample_images()


def test_a_call_gives_one_raw_embedding_an_image(net: Network, images: np.ndarray) -> None:
    embeddings = net(images)
    assert embeddings.shape == (4, 512)
    assert embeddings.dtype == np.float64
    assert not np.allclose(np.linalg.norm(embeddings, axis=1), 1)


def test_an_image_has_the_same_bits_alone_and_at_any_place_in_any_batch(net: Network, images: np.ndarray) -> None:
    alone = np.concatenate([net(images[i : i + 1]) for i in range(4)])
    assert np.array_equal(net(images), alone)
    assert np.array_equal(net(images[::-1]), alone[::-1])
    many = net(np.concatenate([images] * 5))  # more than one chunk
    assert np.array_equal(many, np.concatenate([alone] * 5))


def test_the_declared_batch_binds_nobody(net: Network, images: np.ndarray) -> None:
    assert net.graph.inputs[0].shape[0] == 1
    assert len(net(images[:3])) == 3


def test_uint8_float32_and_float64_pixels_are_the_same_pixels(net: Network, images: np.ndarray) -> None:
    assert np.array_equal(net(images.astype(np.uint8)), net(images))
    assert np.array_equal(net(images.astype(np.float32)), net(images))


def test_views_and_read_only_images_are_taken_as_they_are(net: Network, images: np.ndarray) -> None:
    rows_last = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    rows_last.flags.writeable = False
    assert np.array_equal(net(rows_last.transpose(0, 3, 1, 2)), net(images))


def test_trace_keeps_what_matches_and_the_embedding(net: Network, images: np.ndarray) -> None:
    embeddings, tensors = net.trace(images[:2], ["stage4_unit3_*", "relu0"])
    assert list(tensors) == [
        "relu0", "stage4_unit3_bn1", "stage4_unit3_conv1", "stage4_unit3_bn2", "stage4_unit3_relu1", "stage4_unit3_conv2",
        "stage4_unit3_bn3",
    ]  # fmt: skip
    assert tensors["relu0"].shape == (2, 4, 112, 112)
    assert np.array_equal(embeddings, net(images[:2]))


def test_stream_yields_every_tensor_of_the_graph_in_order(net: Network, images: np.ndarray) -> None:
    names = [name for name, _ in net.stream(images[:1])]
    assert names == [node.output for node in net.graph.nodes]
    assert len(names) == 412


def test_run_gives_the_outputs_by_name(net: Network, images: np.ndarray) -> None:
    assert np.array_equal(net.run(images[:1])["fc1"], net(images[:1]))


def test_the_network_says_that_its_weights_are_synthetic(net: Network) -> None:
    assert net.synthetic == "synthetic weights: numerically complete, no identity in them (seed 0)"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 112, 112, 3), r"shape \(1, 112, 112, 3\); expected \(N, 3, 112, 112\). Transpose to channels-first"),
        ((3, 112, 112), r"Add the batch axis: images\[np.newaxis\]"),
        ((1, 3, 128, 128), r"shape \(1, 3, 128, 128\); expected \(N, 3, 112, 112\)\."),
        ((1, 1, 112, 112), r"expected \(N, 3, 112, 112\)"),
        ((0, 3, 112, 112), "there are zero images"),
        ((), r"shape \(\); expected"),
    ],
)
def test_images_of_another_shape_are_refused(net: Network, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        net(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("dtype", ["complex64", "bool", "U3", "O", "M8[s]"])
def test_images_that_are_not_numbers_are_refused(net: Network, dtype: str) -> None:
    with pytest.raises(ShapeError, match=r"images have dtype .*; expected numbers \(uint8 or float32\), 0..255"):
        net(np.zeros((1, 3, 112, 112), dtype=dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_images_that_are_not_finite_are_refused(net: Network, images: np.ndarray, value: float) -> None:
    broken = images[:1].copy()
    broken[0, 1, 2, 3] = value
    with pytest.raises(InputError, match="images hold NaN or infinite values"):
        net(broken)
    with pytest.raises(InputError, match="images hold NaN or infinite values"):
        net.trace(broken)


def test_normalised_images_are_refused_where_the_graph_scales(net: Network, images: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"span -.* expected 0 to 255: the graph scales pixels itself.*not normalised"):
        net((images - 127.5) / 127.5)
    with pytest.raises(InputError, match="expected 0 to 255"):
        net(images + 1)


def test_an_unknown_pattern_names_the_nearest_tensors(net: Network, images: np.ndarray) -> None:
    with pytest.raises(UsageError, match="stage3_unit7_conv1"):
        net.trace(images[:1], ["stage3_unit7_con1"])


def test_an_unknown_engine_is_refused(narrow: Graph) -> None:
    with pytest.raises(UsageError, match="engine is 'gpu'; expected one of"):
        Network(narrow, engine="gpu")  # type: ignore[arg-type]


def test_a_call_needs_one_output(narrow: Graph, images: np.ndarray) -> None:
    two = replace(narrow, outputs=(*narrow.outputs, replace(narrow.outputs[0], name="pre_fc1")))
    with pytest.raises(ModelError, match=r"the model has 2 outputs \(fc1, pre_fc1\); use run\(\)"):
        Network(two)(images)
    assert set(Network(two).run(images[:1])) == {"fc1", "pre_fc1"}


def test_a_model_that_mixes_the_batch_with_other_axes_computes_what_it_declares(
    narrow: Graph, images: np.ndarray
) -> None:
    flat = Node("flat", "Reshape", ("fc1", "target"), "flat", {"allow_zero": 0})
    graph = replace(
        narrow,
        nodes=(*narrow.nodes, flat),
        constants={**narrow.constants, "target": np.array([-1, 1])},
        outputs=(replace(narrow.outputs[0], name="flat", shape=(512, 1)),),
    )
    net = Network(graph, engine="reference")
    assert net.run(images[:1])["flat"].shape == (512, 1)
    with pytest.raises(
        ModelError, match=r"output 'flat' has shape \(512, 1\) for 1 images; expected embeddings, \(N, D\)"
    ):
        net(images[:1])
    with pytest.raises(ShapeError, match="there are 2 images; the model computes 1 at a time"):
        net(images[:2])


def test_load_reads_a_file_and_keeps_its_path(narrow_path: Path, narrow: Graph, images: np.ndarray) -> None:
    net = refnet.load(narrow_path, engine="reference")
    assert net.graph.source.path == narrow_path
    assert np.array_equal(net(images[:1]), reference.run(narrow, {"data": images[:1]})["fc1"])


def test_importing_refnet_imports_neither_onnx_nor_numba() -> None:
    import subprocess
    import sys

    code = "import sys, refnet; print([m for m in ('onnx', 'numba', 'onnxruntime', 'PIL', 'rich') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_everything_public_is_in_all() -> None:
    public = {
        name for name, value in vars(refnet).items() if not name.startswith("_") and not hasattr(value, "__path__")
    }
    modules = {name for name in public if type(getattr(refnet, name)).__name__ == "module"}
    assert public - modules == set(refnet.__all__)


def test_a_batch_whose_outputs_cannot_fit_is_refused_with_an_estimate(narrow):
    absurd = np.broadcast_to(np.zeros((3, 112, 112), np.uint8), (10**12, 3, 112, 112))
    for engine in ("fast", "reference"):
        with pytest.raises(
            ShapeError, match=r"the outputs of 1,000,000,000,000 images take [\d,]+ GB; this machine has"
        ):
            Network(narrow, engine=engine)(absurd)


def test_the_fast_engine_tells_what_it_runs_and_the_reference_has_no_plan(narrow: Graph, net: Network) -> None:
    kernels = {cost.name: cost.kernel for cost in Network(narrow).costs}
    assert kernels["pre_fc1"] == "dense"
    assert net.costs == ()
