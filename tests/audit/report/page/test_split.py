from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from refnet.audit.report.page.split import SOURCE, Plan, Stretch, split
from refnet.graph import Graph

Layers = list[tuple[list[str], list[str]]]


def chain(*reads: str) -> Layers:
    """Layers 0, 1, ..., each reading the layers whose digits it is given; "x" is the input."""
    return [(list(names), [str(n)]) for n, names in enumerate(reads)]


def test_a_chain_lies_on_the_trunk() -> None:
    plan = split(chain("x", "0", "1"), ["x"])

    assert plan.stretches == (Stretch(SOURCE, (), 0), Stretch(0, (), 1), Stretch(1, (), 2))


def test_a_residual_unit_is_a_branch_beside_a_plain_wire() -> None:
    plan = split(chain("x", "0", "1", "20"), ["x"])

    assert plan.stretches[1:] == (Stretch(0, ((1, 2),), 3),)
    assert plan.producers[3] == (2, 0)


def test_a_shortcut_with_layers_is_a_second_branch() -> None:
    plan = split(chain("x", "0", "1", "0", "23"), ["x"])

    assert plan.stretches[1:] == (Stretch(0, ((1, 2), (3,)), 4),)


def test_branches_that_feed_one_another_are_runs_of_one_stretch() -> None:
    plan = split(chain("x", "0", "0", "12", "13", "4"), ["x"])  # 1 is read twice

    assert plan.stretches[1:] == (Stretch(0, ((1,), (2,), (3,)), 4), Stretch(4, (), 5))


def test_an_input_that_is_read_later_again_keeps_the_trunk_whole() -> None:
    plan = split(chain("x", "0", "1x", "2"), ["x"])

    assert plan.stretches == (Stretch(SOURCE, ((0, 1),), 2), Stretch(2, (), 3))


def test_layers_that_no_image_changes_are_left_out() -> None:
    layers: Layers = [([], ["constant"]), (["constant"], ["shape"]), (["x", "shape"], ["y"])]

    assert split(layers, ["x"]) == Plan((Stretch(SOURCE, (), 2),), {2: (SOURCE,)})


def test_the_real_network_is_49_units_between_a_stem_and_a_head(narrow: Graph) -> None:
    layers = [([*node.inputs], [node.output]) for node in narrow.nodes]
    stretches = split(layers, [tensor.name for tensor in narrow.inputs]).stretches

    units = [stretch for stretch in stretches if stretch.branches]
    assert len(units) == 49
    assert [len(stretch.branches) for stretch in units].count(
        2
    ) == 4  # the first of each stage has a shortcut of its own
    assert {len(stretch.branches[0]) for stretch in units} == {6}
    assert all(narrow.nodes[stretch.end].op == "Add" for stretch in units)


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=25))
def test_every_layer_is_somewhere_once_and_no_wire_passes_the_trunk_by(back: list[list[int]]) -> None:
    reads = [sorted({max(n - step, -1) for step in steps}) for n, steps in enumerate(back)]
    layers: Layers = [(["x" if n < 0 else str(n) for n in read], [str(own)]) for own, read in enumerate(reads)]
    plan = split(layers, ["x"])

    placed = [layer for stretch in plan.stretches for run in (*stretch.branches, (stretch.end,)) for layer in run]
    assert sorted(placed) == list(range(len(layers)))
    for stretch in plan.stretches[:-1]:
        passing = [own for own, read in enumerate(reads) if own > stretch.end for it in read if it < stretch.end]
        assert not passing
    for before, after in pairwise(plan.stretches):
        assert after.start == before.end
