"""A network as blocks: everything once, units whole."""

import numpy as np

from refnet.graph import Graph, Node, Tensor
from refnet.web.structure import blocks_of


def test_resnet100_is_a_stem_forty_nine_units_and_a_head(narrow):
    blocks = blocks_of(narrow, (3, 112, 112))
    assert [block.title for block in blocks] == [
        "stem",
        *(f"stage{stage}_unit{unit}" for stage, count in enumerate((3, 13, 30, 3), 1) for unit in range(1, count + 1)),
        "head",
    ]
    assert [block.residual for block in blocks] == [False, *[True] * 49, False]


def test_a_unit_ends_in_its_sum_and_holds_its_shortcut(narrow):
    unit = blocks_of(narrow, (3, 112, 112))[1]
    assert [layer.name.removeprefix("stage1_unit1_") for layer in unit.layers] == [
        "bn1", "conv1", "bn2", "relu1", "conv2", "bn3", "conv1sc", "sc", "_plus0",
    ]  # fmt: skip
    assert unit.layers[-1].shape == (4, 56, 56)
    assert unit.layers[-1].reads == ("stage1_unit1_bn3", "stage1_unit1_sc")
    assert unit.layers[0].reads == unit.layers[6].reads == ("relu0",)


def test_every_tensor_made_from_the_image_is_in_one_block(narrow):
    names = [layer.name for block in blocks_of(narrow, (3, 112, 112)) for layer in block.layers]
    slopes = {node.output for node in narrow.nodes if node.op == "Reshape"}
    assert sorted(names) == sorted({node.output for node in narrow.nodes} - slopes)


def test_arithmetic_on_shapes_is_no_layer():
    image, y = Tensor("x", "float32", (None, 2, 4, 4)), Tensor("y", "float32", (None, 32))
    nodes = (
        Node("pixels", "Relu", ("x",), "r"),
        Node("shape", "Shape", ("r",), "s"),
        Node("flat", "Flatten", ("r",), "y", {"axis": 1}),
    )
    (block,) = blocks_of(Graph("g", (image,), (y,), nodes, {}), (2, 4, 4))
    assert [layer.name for layer in block.layers] == ["r", "y"]


def test_a_unit_is_whole_where_the_file_lists_another_layer_amid_it():
    conv = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
    weight = np.ones((1, 1, 1, 1), np.float32)
    nodes = (
        Node("a_in", "Relu", ("x",), "a_in"),
        Node("b_conv", "Conv", ("a_in", "w"), "b_conv", conv),
        Node("beside", "Relu", ("a_in",), "beside"),
        Node("b_relu", "Relu", ("b_conv",), "b_relu"),
        Node("total", "Add", ("b_relu", "a_in"), "total"),
        Node("y", "Add", ("total", "beside"), "y"),
    )
    image, y = Tensor("x", "float32", (None, 1, 2, 2)), Tensor("y", "float32", (None, 1, 2, 2))
    blocks = blocks_of(Graph("g", (image,), (y,), nodes, {"w": weight}), (1, 2, 2))
    assert ["b_conv", "b_relu", "total"] in [[layer.name for layer in block.layers] for block in blocks]
