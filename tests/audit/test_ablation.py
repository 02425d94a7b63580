import numpy as np
import pytest

from refnet import reference
from refnet.audit.ablation import ablate_channels, ablate_unit, residual_units
from refnet.errors import ShapeError, UsageError
from refnet.formats.onnx_reader import read_model
from refnet.graph import Node
from refnet.network import Network
from refnet.zoo.samples import sample_images
from tests import localdata
from tests.comparison import assert_within
from tests.test_reference import graph, images, residual_unit


def streamed(unit, x, **how):
    return {name: array.copy() for name, array in reference.stream(unit, {"x": x}, **how)}


def test_channels_are_held_at_zero_and_the_rest_goes_on():
    unit, x = residual_unit(), images()
    there = streamed(unit, x)
    without = streamed(unit, x, patch=ablate_channels("relu1", [1, 3]))
    expected = there["relu1"].copy()
    expected[:, [1, 3]] = 0
    assert_within(without["relu1"], expected, 0)
    assert_within(without["plus"], expected + there["conv0"], 0)
    assert_within(without["conv1"], there["conv1"], 0)


def test_channels_are_held_at_a_number_at_numbers_or_at_their_mean():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))

    def ablated(value):
        return ablate_channels("t", [2, 0], value)["t"](x.copy())

    assert (ablated(7.0)[:, [0, 2]] == 7).all()
    assert (ablated(np.array([5.0, 6.0]))[:, [2, 0]] == np.array([5.0, 6.0])[:, np.newaxis, np.newaxis]).all()
    for i in range(2):
        assert_within(ablated("mean")[i, 2], np.full((4, 5), x[i, 2].mean()), 1e-15)
    assert_within(ablated("mean")[:, 1], x[:, 1], 0)


def test_what_channels_cannot_be_is_refused():
    with pytest.raises(ShapeError, match=r"tensor 'relu1' has no channel 4; it has 4, from 0"):
        streamed(residual_unit(), images(), patch=ablate_channels("relu1", [4]))
    with pytest.raises(ShapeError, match=r"tensor 'relu1' has no channel -1"):
        streamed(residual_unit(), images(), patch=ablate_channels("relu1", [-1]))
    with pytest.raises(ShapeError, match=r"tensor 't' has shape \(3,\); channels are ablated of \(N, C\)"):
        ablate_channels("t", [0])["t"](np.ones(3))
    with pytest.raises(UsageError, match="value is 'median'; expected a number"):
        ablate_channels("t", [0], "median")
    with pytest.raises(ShapeError, match=r"value has shape \(3,\); expected one number, or one for each of 2 channels"):
        ablate_channels("t", [0, 1], np.ones(3))


def test_a_unit_without_its_branch_is_its_shortcut():
    unit, x = residual_unit(), images()
    without = streamed(unit, x, patch=ablate_unit(unit, "plus"))
    assert_within(without["plus"], streamed(unit, x)["conv0"], 0)


def test_the_network_has_forty_nine_units_and_their_branches_end_in_the_third_normalisation(narrow):
    units = residual_units(narrow)
    stages = {1: 3, 2: 13, 3: 30, 4: 3}
    names = [f"stage{stage}_unit{i + 1}" for stage, count in stages.items() for i in range(count)]
    assert [unit.branch for unit in units] == [f"{name}_bn3" for name in names]
    assert [unit.output for unit in units] == [f"_plus{i}" for i in range(49)]
    first_of_stage = [unit.shortcut for unit in units if unit.shortcut.endswith("_sc")]
    assert first_of_stage == [f"stage{stage}_unit1_sc" for stage in stages]
    assert units[0].inside == tuple(f"stage1_unit1_{part}" for part in ("bn1", "conv1", "bn2", "relu1", "conv2", "bn3"))


@pytest.mark.parametrize("name", ["stage3_unit7", "_plus22", "stage3_unit7_relu1"])
def test_units_of_the_network_answer_to_what_they_are_called(narrow, name):
    network = Network(narrow)
    _, tensors = network.trace(sample_images()[:1], ["_plus21", "_plus22"], patch=ablate_unit(narrow, name))
    assert_within(tensors["_plus22"], tensors["_plus21"], 0)


def test_units_of_a_trained_relative_are_found():
    units = residual_units(read_model(localdata.path("models/mobilefacenet-arcface-opset19.onnx")))
    assert units
    assert units[0].output == "/arcface/conv_3/model/0/Add_output_0"
    assert units[0].branch == "/arcface/conv_3/model/0/project/conv/Conv_output_0"
    assert units[0].shortcut == "/arcface/conv_23/project/conv/Conv_output_0"


def test_a_name_that_is_no_unit_or_several_is_refused(narrow):
    with pytest.raises(UsageError, match=r"no residual unit answers to 'stage5_unit1'; the model has 49; nearest are"):
        ablate_unit(narrow, "stage5_unit1")
    with pytest.raises(UsageError, match="30 residual units answer to 'stage3'"):
        ablate_unit(narrow, "stage3")


def test_an_addition_of_equals_is_no_unit():
    equals = graph(
        [
            Node("a", "Conv", ("x", "w"), "a"),
            Node("b", "Conv", ("x", "w"), "b"),
            Node("sum", "Add", ("a", "b"), "s"),
            Node("twice", "Add", ("s", "s"), "t"),
            Node("offset", "Add", ("t", "c"), "y"),
        ],
        w=np.ones((3, 3, 1, 1)),
        c=np.ones(1),
    )
    assert residual_units(equals) == ()


def test_a_branch_that_is_read_elsewhere_is_no_unit():
    shared = graph(
        [
            Node("a", "Conv", ("x", "w"), "a"),
            Node("sum", "Add", ("a", "x"), "s"),
            Node("again", "Mul", ("s", "a"), "y"),
        ],
        w=np.ones((3, 3, 1, 1)),
    )
    assert residual_units(shared) == ()
