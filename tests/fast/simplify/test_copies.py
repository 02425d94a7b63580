from refnet.fast.simplify.copies import drop_copies
from tests.fast.simplify.graphs import Build, assert_same, ops


def test_copies_are_left_out():
    build = Build()
    build.node("Relu", build.node("Dropout", build.node("Identity", "x")))
    simpler = drop_copies(build.graph())
    assert ops(simpler) == ["Relu"]
    assert_same(build.graph(), simpler)


def test_a_copy_that_is_given_out_keeps_its_name():
    build = Build()
    copy = build.node("Identity", build.node("Relu", "x"))
    build.node("Relu", copy)
    simpler = drop_copies(build.graph(copy, build.nodes[-1].output))
    assert ops(simpler) == ["Relu", "Identity", "Relu"]
    assert_same(build.graph(copy), simpler)
