"""The picture of the network as the template needs it: strips with their headings and descriptions."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from refnet.audit.report.page.agreement_chart import stage
from refnet.audit.report.page.strips import Drawn, strips
from refnet.audit.report.page.text import shape, visible

Layer = Mapping[str, Any]


def network_map(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every strip, in order; the first of a stage has a heading."""
    layers: Sequence[Layer] = document["layers"]
    kernels = _kernels(document)
    wiring = [(layer["inputs"], [layer["output"]]) for layer in layers]
    found = strips(
        [_drawn(layer, kernels.get(n)) for n, layer in enumerate(layers)],
        wiring,
        [tensor["name"] for tensor in document["model"]["inputs"]],
    )
    return list(_entries(found, layers))


def _kernels(document: Mapping[str, Any]) -> dict[int, tuple[int, ...]]:
    """{layer: extents of its filters}."""
    return {row["layer"]: tuple(row["shape"][2:]) for row in document["weights"] if len(row["shape"]) == 4}


def _entries(found: Sequence[Any], layers: Sequence[Layer]) -> Iterator[dict[str, Any]]:
    before = None
    for strip in found:
        end = layers[strip.end]
        group = end["group"]
        new = group is not None and group != before
        before = group
        unit = f"unit {end['unit']}" if end["unit"] is not None else end["name"] or end["output"]
        last = next(block for block in strip.blocks if block.layer == strip.end)
        yield {
            "strip": strip,
            "heading": stage(group) if new else "",
            "extent": _extent(group, layers) if new else "",
            "title": f"{stage(group)}, {unit}" if group else unit,
            "label_y": round(last.y, 2),
        }


def _extent(group: str, layers: Sequence[Layer]) -> str:
    """How large a stage's tensors are, and how many units it has."""
    own = [layer for layer in layers if layer["group"] == group and not layer["of_constants"]]
    said = shape(own[-1]["shape"][1:])
    units = len({layer["unit"] for layer in own} - {None})
    return f"{said}, {units} unit{'s' if units != 1 else ''}" if units else said


def _drawn(layer: Layer, kernel: tuple[int, ...] | None) -> Drawn:
    """What to write on a layer."""
    extents = layer["shape"]
    name = layer["name"] or layer["output"]
    return Drawn(
        op=layer["op"],
        channels=extents[1] if len(extents) > 1 else None,
        kernel=kernel,
        label=str(layer["unit"]) if layer["unit"] is not None and layer["part"] == "sum" else "",
        words=f"{_cut(visible(name))}  {shape(extents[1:] or extents)}",
    )


def _cut(name: str, most: int = 30) -> str:
    """A name that is not too long to stand beside a block."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
