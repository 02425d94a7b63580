"""Checks of a run: what is fed, what comes out, whether it comes out twice."""

from dataclasses import replace

import numpy as np
import pytest

from refnet.audit.doctor.alignment import ARCFACE
from refnet.audit.doctor.running import as_pixels, channels_first
from refnet.audit.doctor.statistics import divergence
from refnet.graph import Array, Graph, Node
from refnet.zoo.samples import sample_crops
from tests.audit.doctor.patients import ask, found, running, small, with_constants
from tests.comparison import assert_within

CHECKS = (
    "input-range",
    "blank-image",
    "foreign-statistics",
    "finite-activations",
    "live-activations",
    "distinct-outputs",
    "same-bits",
)


@pytest.mark.parametrize("check", CHECKS)
def test_a_healthy_run_passes(check: str) -> None:
    assert ask(check, running(small())).status == "passed"


@pytest.fixture(scope="module")
def pixels() -> Array:
    return sample_crops().astype(np.float32)


@pytest.fixture(scope="module")
def trained() -> Graph:
    """The small network without its watermark: its statistics are those of the sample portraits, as if of training."""
    return with_constants(small(), fc1_moving_mean=lambda array: array.fill(0))


def test_an_array_as_the_network_takes_it_passes(pixels: Array) -> None:
    for check in ("input-layout", "input-range", "blank-image"):
        assert ask(check, running(small(), pixels, "array")).status == "passed"


@pytest.mark.parametrize(
    ("axes", "severity", "sentence"),
    [
        ((0, 2, 3, 1), "problem", "channels come last in the array; the network takes them first"),
        (None, "warning", "the array lacks the axis of the batch"),
    ],
)
def test_a_wrong_layout_is_found_and_repaired(
    pixels: Array, axes: tuple[int, ...] | None, severity: str, sentence: str
) -> None:
    given = pixels[0] if axes is None else pixels.transpose(axes)
    patient = running(small(), given, "array")
    assert found("input-layout", patient)[:2] == (severity, sentence)
    assert patient.fed is not None
    assert_within(patient.fed, pixels[: len(patient.fed)])


def test_an_array_that_is_no_images_ends_the_examination_of_it(pixels: Array) -> None:
    patient = running(small(), pixels[:, :, :50], "array")
    severity, _, evidence = found("input-layout", patient)
    assert severity == "problem"
    assert "shape (2, 3, 50, 112), float32, expected shape (N, 3, 112, 112), numbers" in evidence
    for check in ("input-range", "blank-image", "channel-order", "live-activations", "same-bits"):
        assert ask(check, patient).status == "skipped"


@pytest.mark.parametrize(
    ("scale", "offset", "sentence"),
    [
        (1 / 255, 0, "pixels are scaled outside, and again in the graph"),
        (1 / 128, -127.5 / 128, "pixels are scaled outside, and again in the graph"),
        (1, -127.5, "a mean is subtracted outside, and again in the graph"),
        (2, 0, "values go beyond those of 8-bit pixels"),
    ],
)
def test_pixels_scaled_twice_are_found_by_range_and_by_the_statistics(
    trained: Graph, pixels: Array, scale: float, offset: float, sentence: str
) -> None:
    severity, said, evidence = found("input-range", running(trained, pixels * scale + offset, "array"))
    assert (severity, said) == ("problem", sentence)
    if scale != 2:
        seen, proper = (float(word.split()[0].rstrip(",")) for word in evidence.split("statistics at 'bn0': divergence ")[1].split(", expected "))  # fmt: skip
        assert seen > 10 * proper


def test_images_with_nan_are_found(pixels: Array) -> None:
    broken = pixels.copy()
    broken[0, 0, 0, 0] = np.nan
    assert found("input-range", running(small(), broken, "array"))[:2] == (
        "problem",
        "the images hold NaN or infinity",
    )


@pytest.mark.parametrize(
    ("scale", "offset", "severity"), [(1, 0, "problem"), (1 / 255, 0, "warning"), (1 / 127.5, -1, None)]
)
def test_a_graph_that_does_not_scale_wants_it_done(
    pixels: Array, scale: float, offset: float, severity: str | None
) -> None:
    nodes = [node for node in small().nodes if node.name not in ("id", "_minusscalar0", "_mulscalar0")]
    nodes[0] = replace(nodes[0], inputs=("data", *nodes[0].inputs[1:]))
    patient = running(replace(small(), nodes=tuple(nodes)), pixels * scale + offset, "array")
    if severity is None:
        assert ask("input-range", patient).status == "passed"
    else:
        assert found("input-range", patient)[0] == severity


def test_a_blank_image_is_found() -> None:
    images = np.stack([np.full((3, 112, 112), 127), sample_crops()[0]])
    severity, said, evidence = found("blank-image", running(small(), images, "pictures"))
    assert (severity, said) == ("warning", "1 of 2 images are blank")
    assert evidence.startswith("image 0: standard deviation 0 of 255")


def test_swapped_colours_are_told_by_the_models_own_statistics(trained: Graph, pixels: Array) -> None:
    assert ask("channel-order", running(trained, pixels, "pictures")).status == "passed"
    severity, said, evidence = found("channel-order", running(trained, pixels[:, ::-1], "pictures"))
    assert severity == "problem"
    assert said.startswith("red and blue are swapped for this model: the other order fits it ")
    assert "similarity of the first two images: " in evidence


def test_grey_images_have_no_order(trained: Graph, pixels: Array) -> None:
    grey = np.repeat(pixels.mean(axis=1, keepdims=True), 3, axis=1)
    severity, said, _ = found("channel-order", running(trained, grey, "pictures"))
    assert (severity, said) == ("note", "the channel order cannot be told: the images are grey")


def test_what_the_statistics_cannot_know_is_skipped(trained: Graph, pixels: Array) -> None:
    assert ask("channel-order", running(trained)).reason.startswith("the sample portraits are drawings")
    assert ask("channel-order", running(small(), pixels, "pictures")).reason == "synthetic weights know no colours"
    assert ask("unfamiliar-images", running(small(), pixels, "pictures")).reason == "synthetic weights know no faces"


def test_images_unlike_those_of_training_are_a_warning(trained: Graph, pixels: Array) -> None:
    assert ask("unfamiliar-images", running(trained, pixels, "pictures")).status == "passed"
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape)
    assert found("unfamiliar-images", running(trained, noise, "pictures"))[0] == "warning"


@pytest.mark.parametrize("value", [0, 127, 255])
def test_even_blank_images_do_not_contradict_the_statistics(value: int) -> None:
    images = np.full((1, 3, 112, 112), value)
    assert ask("foreign-statistics", running(small(), images, "pictures")).status == "passed"


def test_weights_and_statistics_that_do_not_belong_together_are_named_where_they_part() -> None:
    graph = with_constants(small(), stage2_unit1_conv1_weight=lambda array: array.__imul__(50))
    severity, said, evidence = found("foreign-statistics", running(graph))
    assert (severity, said) == ("problem", "weights and running statistics do not belong together")
    assert evidence.startswith("statistics at 'stage2_unit1_bn2', the first of ")


def test_landmarks_are_judged_where_they_are_given(pixels: Array) -> None:
    assert ask("alignment", running(small())).reason.startswith("no landmarks were given")
    right = np.stack([ARCFACE, ARCFACE])
    assert ask("alignment", running(small(), pixels, "pictures", landmarks=right)).status == "passed"
    assert found("alignment", running(small(), pixels, "pictures", landmarks=right + 20))[0] == "problem"


def test_the_first_tensor_with_nan_is_named() -> None:
    nodes = list(small().nodes)
    at = next(i for i, node in enumerate(nodes) if node.name == "bn0")
    nodes[at] = replace(nodes[at], output="bn0_unrooted")
    nodes.insert(at + 1, Node("root", "Sqrt", ("bn0_unrooted",), "bn0"))  # of negative numbers too
    severity, said, evidence = found("finite-activations", running(replace(small(), nodes=tuple(nodes))))
    assert (severity, said) == ("problem", "NaN or infinity appears first in 'bn0'")
    assert evidence.startswith("tensor 'bn0' (Sqrt of bn0_unrooted): ")


def test_a_network_that_cannot_be_computed_says_why() -> None:
    graph = with_constants(small(), stage2_unit1_bn2_moving_var=lambda array: array.fill(-1))
    severity, said, _ = found("finite-activations", running(graph))
    assert severity == "problem"
    assert said.startswith("the network cannot be computed: node 'stage2_unit1_bn2' (BatchNormalization): var is -1.0")


def test_what_float32_cannot_hold_is_infinity() -> None:
    graph = with_constants(small(), stage1_unit1_conv1_weight=lambda array: array.fill(3e38))
    assert "above float32's largest" in found("finite-activations", running(graph))[2]


def test_a_dead_layer_is_named_where_it_begins() -> None:
    graph = with_constants(small(), stage3_unit1_conv1_weight=lambda array: array.fill(0))
    severity, said, evidence = found("live-activations", running(graph))
    assert severity == "problem"
    assert said.endswith("the first is named")
    assert evidence.startswith("tensor 'stage3_unit1_conv1' (Conv): 16 of 16 channels have one value everywhere")


def test_a_saturated_clip_is_found() -> None:
    nodes = list(small().nodes)
    at = next(i for i, node in enumerate(nodes) if node.name == "bn0")
    nodes[at] = replace(nodes[at], output="bn0_unclipped")
    nodes.insert(at + 1, Node("clip", "Clip", ("bn0_unclipped", "low", "high"), "bn0"))
    constants = {**small().constants, "low": np.float32(-1e-6), "high": np.float32(1e-6)}
    severity, said, _ = found("live-activations", running(replace(small(), nodes=tuple(nodes), constants=constants)))
    assert (severity, said) == ("warning", "1 tensors are saturated, the first is named")


def test_numbers_far_larger_than_their_neighbours_are_found() -> None:
    """The eighth power leaves single numbers that are a million times larger than those beside them."""
    nodes, powers = list(small().nodes), 3
    at = next(i for i, node in enumerate(nodes) if node.name == "stage3_unit1_bn1")
    nodes[at] = replace(nodes[at], output="power0")
    for n in range(powers):
        output = "stage3_unit1_bn1" if n == powers - 1 else f"power{n + 1}"
        nodes.insert(at + 1 + n, Node(f"square{n}", "Mul", (f"power{n}", f"power{n}"), output))
    severity, said, evidence = found("uneven-tiles", running(replace(small(), nodes=tuple(nodes))))
    assert (severity, said) == ("warning", "numbers far larger than their neighbours cost the fast engine digits")
    assert evidence.startswith("node 'stage3_unit1_conv1', the worst of 1: an error of up to ")
    healthy = running(small())
    assert ask("uneven-tiles", healthy).status == "passed"
    names = [it.node.name for it in healthy.forward.roundings]
    assert names == ["stage3_unit1_conv1", "stage4_unit1_conv1"]  # the others read four channels, or have stride two


def test_a_network_without_such_convolutions_has_no_uneven_tiles() -> None:
    nodes = [node for node in small().nodes if node.name in ("id", "_minusscalar0", "_mulscalar0", "conv0")]
    graph = replace(
        small(), nodes=tuple(nodes), outputs=(replace(small().outputs[0], name="conv0", shape=(1, 4, 112, 112)),)
    )
    said = ask("uneven-tiles", running(graph))
    assert said.reason == "the fast engine computes no convolution of it by Winograd's algorithm"


def test_a_network_that_ignores_its_input_is_found() -> None:
    graph = with_constants(small(), pre_fc1_weight=lambda array: array.fill(0))
    severity, said, _ = found("distinct-outputs", running(graph))
    assert (severity, said) == ("problem", "1 of 1 pairs of different images have the same embedding")
    assert ask("distinct-outputs", running(small(), sample_crops()[:1], "pictures")).status == "skipped"


def test_an_output_without_a_row_for_an_image_is_no_embedding() -> None:
    graph = replace(
        small(),
        nodes=(*small().nodes, Node("flat", "Reshape", ("fc1", "target"), "flat", {"allow_zero": 0})),
        constants={**small().constants, "target": np.array([-1, 1])},
        outputs=(replace(small().outputs[0], name="flat", shape=(512, 1)),),
    )
    said = ask("distinct-outputs", running(graph))
    assert (said.status, said.reason) == ("skipped", "the network does not give one finite embedding an image")


def test_raw_and_unit_embeddings_are_told_apart() -> None:
    assert found("raw-embedding", running(small()))[1].startswith("embeddings come out raw")
    length = Node("length", "ReduceL2", ("fc1",), "length", {"axes": (1,), "keepdims": 1})
    unit = Node("unit", "Div", ("fc1", "length"), "unit")
    graph = replace(small(), nodes=(*small().nodes, length, unit), outputs=(replace(small().outputs[0], name="unit"),))
    assert found("raw-embedding", running(graph))[1] == "embeddings come out of the graph with length 1"


def test_bits_that_depend_on_the_run_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    patient = running(small())
    honest = patient.network.run
    runs = iter(range(9))

    def drifting(images: Array, **how: bool) -> dict[str, Array]:
        return {name: array + np.float32(1e-3) * next(runs) for name, array in honest(images, **how).items()}

    monkeypatch.setattr(patient.network, "run", drifting)
    severity, said, evidence = found("same-bits", patient)
    assert (severity, said) == ("problem", "the same images have different embeddings")
    assert "output 'fc1', a second run: " in evidence
    assert "output 'fc1', one image at a time: " in evidence


def test_divergence_is_that_of_two_normal_distributions() -> None:
    x = np.random.default_rng(0).normal(3, 2, (4, 2, 50, 50))
    mean, var = np.array([1.0, 3.0]), np.array([9.0, 4.0])
    expected = []
    for c in range(2):  # KL(N(m', v') || N(m, v)), written with standard deviations
        m, s = float(x[:, c].mean()), float(x[:, c].std())
        expected.append(np.log(var[c] ** 0.5 / s) + (s**2 + (m - mean[c]) ** 2) / (2 * var[c]) - 0.5)
    assert_within(divergence(x, mean, var), float(np.mean(expected)), 1e-12)
    assert divergence(x, mean, -var) == np.inf


def test_layouts_that_fit_are_taken_and_no_others() -> None:
    shape = (3, 8, 8)
    assert channels_first(np.zeros((2, 8, 8, 3)), shape) is not None
    assert channels_first(np.zeros((2, 8, 3, 8)), shape) is None
    assert channels_first(np.zeros((8, 8)), shape) is None
    assert channels_first(np.array([["a"]]), shape) is None


@pytest.mark.parametrize("inside", [True, False])
def test_pixels_come_back_from_every_common_range(inside: bool) -> None:
    pixels = np.linspace(0, 255, 50)
    for fed in (pixels / 255, pixels / 127.5 - 1, pixels - 127.5, pixels):
        back = as_pixels(fed, inside=inside)
        if back is None:  # already what the input takes
            assert fed.max() == 255 if inside else fed.min() == -1
        else:
            assert_within(back, pixels, 1e-10)
