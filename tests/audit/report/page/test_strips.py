import re

import pytest

from refnet.audit.report.page.network_map import network_map
from refnet.audit.report.page.strips import TRUNK, WIDTH, Block, Drawn, Strip, strips
from tests.audit.report.page import documents


def layer(op: str = "Conv", channels: int | None = 64) -> Drawn:
    return Drawn(op, channels, (3, 3) if op == "Conv" else None, "", "words")


def drawn(*reads: str, channels: int = 64) -> list[Strip]:
    """Layers 0, 1, ..., each reading the layers whose digits it is given; "x" is the input."""
    wiring = [(list(names), [str(n)]) for n, names in enumerate(reads)]
    return strips([layer(channels=channels)] * len(reads), wiring, ["x"])


def overlap(a: Block, b: Block) -> bool:
    return abs(a.x - b.x) < (a.width + b.width) / 2 and abs(a.y - b.y) < (a.height + b.height) / 2


GRAPHS = {
    "a chain": ("x", "0", "1"),
    "a unit": ("x", "0", "1", "20"),
    "a unit with a shortcut of its own": ("x", "0", "1", "0", "3", "24"),
    "three branches": ("x", "0", "0", "0", "123"),
    "branches that feed one another": ("x", "0", "0", "12", "13", "4"),
    "a branch too long for one row": ("x", "0", "1", "2", "3", "4", "5", "6", "7", "80"),
    "two outputs": ("x", "0", "0"),
}


@pytest.mark.parametrize("channels", [1, 64, 4096])
@pytest.mark.parametrize("reads", GRAPHS.values(), ids=GRAPHS)
def test_blocks_lie_apart_and_within_their_strip(reads: tuple[str, ...], channels: int) -> None:
    found = drawn(*reads, channels=channels)

    assert sorted(block.layer for strip in found for block in strip.blocks) == list(range(len(reads)))
    for strip in found:
        for n, block in enumerate(strip.blocks):
            assert block.width / 2 <= block.x <= WIDTH - block.width / 2
            assert block.height / 2 <= block.y <= strip.height - block.height / 2
            assert not any(overlap(block, other) for other in strip.blocks[n + 1 :])


@pytest.mark.parametrize("reads", GRAPHS.values(), ids=GRAPHS)
def test_wires_are_as_many_as_what_is_read_and_stay_within_the_strip(reads: tuple[str, ...]) -> None:
    for strip in drawn(*reads):
        inside = {str(block.layer) for block in strip.blocks} - {str(strip.end)}
        trunk = [block for block in strip.blocks if block.x == TRUNK and block.layer != strip.end]
        branch_reads = sum(
            len(reads[block.layer]) for block in strip.blocks if block not in trunk and block.layer != strip.end
        )
        returns = len([name for name in reads[strip.end] if name in inside - {str(block.layer) for block in trunk}])
        assert len(strip.wires) == 1 + branch_reads + returns
        assert all(re.fullmatch(r"[MHVvhqC0-9. -]+", wire) for wire in strip.wires)


def test_what_joins_is_a_circle_and_blocks_are_wider_for_more_channels() -> None:
    joined = drawn("x", "0", "1", "20")[-1].blocks[-1]
    widths = [drawn("x", channels=channels)[0].blocks[0].width for channels in (3, 64, 128, 256, 512)]

    assert joined.round
    assert joined.x == TRUNK
    assert widths == sorted(widths)
    assert widths[-1] > widths[1]


def test_the_map_names_stages_once_and_units_by_their_numbers() -> None:
    found = network_map(documents.document())

    assert [(entry["heading"], entry["extent"]) for entry in found if entry["heading"]] == [
        ("Stem", "8×12×12"), ("Stage 1", "16×6×6, 2 units"), ("Head", "512"),
    ]  # fmt: skip
    assert [entry["strip"].label for entry in found] == ["", "", "1", "2", "", ""]
    assert found[0]["strip"].words == "conv0  8×12×12"
    assert found[2]["title"] == "Stage 1, unit 1"
    assert [block.text for block in found[2]["strip"].blocks] == ["BN", "Co", "Co", "+"]


def test_a_graph_without_stages_is_drawn_all_the_same() -> None:
    found = network_map(documents.large(20))

    assert len(found) == 20
    assert {entry["heading"] for entry in found} == {""}
    assert found[7]["title"] == "layer7"
    assert [block.text for block in found[7]["strip"].blocks] == ["3×3"]
