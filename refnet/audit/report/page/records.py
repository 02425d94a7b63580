"""What the page knows of each layer: the rows of its table, and what its panel shows; all in words that are ready.

A record is put together once, from the document's layers, tensors and weights. The panel's part goes into the page as
JSON and is drawn by `page.js`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refnet.audit.report.page.agreement_chart import stage
from refnet.audit.report.page.text import MISSING, fixed, large, shape, share, short, whole

AGREEMENT = ("Relative error beside float64", ["by", "gathered", "added here", "of allowance", "1 − cosine"])

Row = Mapping[str, Any]


def layer_records(document: Row) -> list[dict[str, Any]]:
    """One record a layer, in the graph's order."""
    layers: Sequence[Row] = document["layers"]
    tensors: dict[int, Row] = {row["layer"]: row for row in document["tensors"]}
    weights: dict[int, list[Row]] = {}
    for row in document["weights"]:
        weights.setdefault(row["layer"], []).append(row)
    makers = {layer["output"]: number for number, layer in enumerate(layers)}
    readers: dict[str, list[int]] = {}
    for number, layer in enumerate(layers):
        for name in layer["inputs"]:
            readers.setdefault(name, []).append(number)
    records = []
    for number, layer in enumerate(layers):
        tensor = tensors.get(number)
        own = weights.get(number, [])
        records.append(
            {
                "name": layer["name"] or layer["output"],
                "title": f"{layer['name'] or layer['output']} ({layer['op']})",
                "op": layer["op"],
                "group": layer["group"] or "",
                "what": _what(layer),
                "extents": extents(layer),
                "macs": layer["macs"],
                "stored": sum(row["count"] for row in own),
                "fast": _side(tensor, "fast"),
                "other": _side(tensor, "other"),
                "activation_figures": None if tensor is None else tensor["activation"],
                "states": _states(tensor, own),
                "state": _state(tensor),
                "facts": _facts(layer),
                "inputs": [[name, makers.get(name)] for name in layer["inputs"]],
                "readers": [
                    [layers[reader]["name"] or layers[reader]["output"], reader]
                    for reader in readers.get(layer["output"], [])
                ],
                "attributes": [[key, _attribute(value)] for key, value in sorted(layer["attributes"].items())],
                "verdict": _verdict(tensor, document),
                "agreement": [] if tensor is None else _agreement(tensor, document),
                "activation": _activation(tensor),
                "weights": [_weight(row) for row in own],
            }
        )
    return records


PANEL = (
    "name",
    "title",
    "what",
    "facts",
    "inputs",
    "readers",
    "attributes",
    "verdict",
    "state",
    "agreement",
    "activation",
    "weights",
)


def panel(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the panel needs of a record."""
    return {key: record[key] for key in PANEL}


def _side(tensor: Row | None, side: str) -> Row | None:
    """One side's tensor; None where it has none."""
    found = None if tensor is None else tensor[side]
    return None if found is None or found["verdict"] == "absent" else found


def _what(layer: Row) -> str:
    """Operator and place."""
    place = stage(layer["group"])
    if layer["unit"] is not None:
        place += f", unit {layer['unit']}" + (f", {layer['part']}" if layer["part"] else "")
    return f"{layer['op']} · {place}" if place else str(layer["op"])


def _facts(layer: Row) -> list[list[str]]:
    """Shape, cost and what runs it."""
    found = [["output", f"{extents(layer)}, {layer['output']}"]]
    if layer["macs"]:
        found.append(["multiply-adds", f"{large(layer['macs'])} for each image"])
    if layer["of_constants"]:
        found.append(["made of", "constants alone: no image changes it"])
    else:
        found.append(["fast engine", layer["fast_step"] or "part of another step, or nothing to do"])
    return found


def extents(layer: Row) -> str:
    """The shape of the output, for one image; that of constants as it is."""
    found = layer["shape"]
    return shape(found if layer["of_constants"] or len(found) < 2 else found[1:])


def _attribute(value: Any) -> str:
    """An attribute's value."""
    if isinstance(value, list):
        return ", ".join(_attribute(item) for item in value)
    if isinstance(value, float) and float(np.float32(value)) == value:
        return str(np.float32(value))  # 2e-05, and not the digits of that float32 in float64
    return str(value)


def _state(tensor: Row | None) -> str:
    """Departs if either side does; agrees if one was compared; else absent."""
    verdicts = [
        tensor[side]["verdict"] for side in ("fast", "other") if tensor is not None and tensor[side] is not None
    ]
    return "departs" if "departs" in verdicts else "agrees" if "agrees" in verdicts else "absent"


def _states(tensor: Row | None, weights: Sequence[Row]) -> list[str]:
    """Everything that the table can be filtered by."""
    found = [_state(tensor)]
    if tensor is not None and tensor["activation"] and tensor["activation"]["dead_channels"]:
        found.append("dead")
    if any(_flags(row) for row in weights):
        found.append("flagged")
    return found


def _names(document: Row) -> list[tuple[str, str]]:
    """The sides that were compared, with their names."""
    other = document["agreement"]["other"]
    return [("fast", "refnet, fast")] + ([("other", other["name"])] if other else [])


def _verdict(tensor: Row | None, document: Row) -> str:
    """A sentence on whether the layer agrees."""
    if tensor is None:
        return "This tensor was not compared."
    if tensor["kind"] == "shape":
        return "Arithmetic on shapes, not on numbers of the image."
    said = []
    for side, name in _names(document):
        found = tensor[side]
        if found is None:
            continue
        if found["verdict"] == "departs":
            said.append(f"{name} departs: {found['reason']}.")
        elif found["verdict"] == "absent":
            said.append(f"{name} does not show this tensor: it computes it within another step.")
        elif found["excess"] is not None:
            what = "error so far" if side == "fast" else "error here"
            said.append(f"{name} agrees: its largest {what} is {short(found['excess'], 2)} of what rounding allows.")
    return " ".join(said)


def _agreement(tensor: Row, document: Row) -> list[list[str]]:
    """A line for each side."""
    lines = []
    for side, name in _names(document):
        found = tensor[side]
        if found is None or found["verdict"] == "absent":
            continue
        errors = [short(found.get(figure), 2) for figure in ("relative_l2", "local_relative_l2")]
        lines.append([name, *errors, fixed(found["excess"]), short(found["one_minus_cosine"], 2)])
    return lines


def _activation(tensor: Row | None) -> dict[str, Any] | None:
    """The numbers of a tensor over the images."""
    seen = None if tensor is None else tensor["activation"]
    if seen is None:
        return None
    facts = [*_figures(seen), ["negative", share(seen["negatives"])]]
    dead = seen["dead_channels"]
    if seen["channels"]:
        facts.append(["channels", whole(seen["channels"])])
    if dead:
        facts.append(["dead channels", f"{len(dead)}: {_some(dead)}"])
    return {"facts": facts, "histogram": _histogram(seen)}


def _weight(row: Row) -> dict[str, Any]:
    """One tensor of constants."""
    return {
        "title": f"{row['role']}: {row['name']}" if row["role"] else row["name"],
        "flags": _flags(row),
        "facts": [["shape", shape(row["shape"])], *_figures(row), ["denormal", share(row["denormals"])]],
        "histogram": _histogram(row),
    }


def _flags(row: Row) -> list[str]:
    """What stands out in a tensor of constants."""
    found = []
    if row["not_finite"]:
        found.append(f"{whole(row['not_finite'])} are NaN or infinite")
    if row["dead_filters"]:
        found.append(f"filters of zeros: {_some(row['dead_filters'])}")
    if row["equal_filters"]:
        found.append("equal filters: " + _some([f"{a} and {b}" for a, b in row["equal_filters"]]))
    return found


def weight_flags(row: Row) -> str:
    """The same as one sentence, for the table of weights."""
    return "; ".join(_flags(row))


def _figures(seen: Row) -> list[list[str]]:
    """What every tensor is told by."""
    if seen["low"] is None:
        return [["numbers", "none that are finite"]]
    facts = [
        ["range", f"{short(seen['low'])} to {short(seen['high'])}"],
        ["mean ± deviation", f"{short(seen['mean'])} ± {short(seen['deviation'])}"],
        ["zeros", share(seen["zeros"])],
    ]
    if seen["not_finite"]:
        facts.append(["NaN or infinite", whole(seen["not_finite"])])
    return facts


def _histogram(seen: Row) -> Any:
    """A histogram in the document's form; None if it is empty."""
    return seen["histogram"] if seen["histogram"][1] else None


def _some(items: Sequence[Any], most: int = 12) -> str:
    """A list in words, cut short."""
    said = ", ".join(str(item) for item in items[:most])
    return f"{said} and {len(items) - most:,} more" if len(items) > most else said or MISSING
