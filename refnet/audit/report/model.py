"""Which file was audited, what it says of itself, what it takes and costs, and whether it is an LResNet100E-IR."""

from pathlib import Path
from typing import Any

from refnet.audit.inspect import Inspection
from refnet.network import Network
from refnet.zoo.identify import identify


def model_section(network: Network, inspection: Inspection) -> dict[str, Any]:
    """As report.schema.json has `model`."""
    known = identify(Path(inspection.path))
    contract = network.contract
    conforms = inspection.conformance.conforms
    return {
        "path": inspection.path,
        "file": Path(inspection.path).name,
        "bytes": inspection.size_bytes,
        "sha256": inspection.sha256,
        "card": None if known is None else known.card.name,
        "card_note": "" if known is None else known.note,
        "synthetic": inspection.synthetic,
        "format": inspection.format,
        "ir_version": inspection.ir_version,
        "opset": inspection.opset,
        "producer": inspection.producer,
        "notes": list(inspection.notes),
        "inputs": [{"name": inspection.input, "shape": list(inspection.input_declared)}],
        "outputs": [{"name": tensor.name, "shape": list(tensor.shape)} for tensor in network.graph.outputs],
        "contract": {
            "sentence": contract.sentence(),
            "values": contract.values,
            "channels": contract.channels,
            "channels_said": contract.channels_said,
            "scales_inside": contract.inside,
            "mean": contract.mean,
            "scale": contract.scale,
        },
        "conformance": {
            "is_lresnet100e_ir": conforms,
            "sentence": "Operators, wiring, strides, epsilons and the shapes of all weights are those of LResNet100E-IR."
            if conforms
            else f"Not an LResNet100E-IR; the first departure: {inspection.conformance.departure}.",
        },
        "operators": inspection.operators,
        "flops": inspection.flops,
        "macs": inspection.macs,
        "parameters": inspection.stored_floats,
        "published_flops": inspection.published_flops,
        "published_parameters": inspection.published_parameters,
    }
