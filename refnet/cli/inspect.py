"""`refnet inspect`: what a model is, layer by layer."""

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from refnet.audit.inspect import Inspection, inspect_network
from refnet.cli.console import out, print_json
from refnet.cli.options import JsonFlag, MemoryOption, ThreadsOption, open_model
from refnet.network import Memory, Network


def inspect(
    model: str | None = None,
    /,
    *,
    layers: Annotated[bool, Parameter(negative="--no-layers")] = True,
    plan: Annotated[bool, Parameter(negative="")] = False,
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    json: JsonFlag = False,
) -> None:
    """Print a model's layers, cost, input contract and whether it is an LResNet100E-IR.

    Parameters
    ----------
    model
        Model file or a card's name. Default: $REFNET_MODEL, else the cached arcfaceresnet100-8.
    layers
        Print the table of layers.
    plan
        Instead, what the fast engine would run here: of every layer the kernel, its arithmetic by definition and as
        executed, its bytes, and the share of the time that follows from them. --threads and --memory are for this.
    """
    if plan:
        _print_plan(open_model(model), threads, memory, json=json)
        return
    inspection = inspect_network(open_model(model))
    if json:
        print_json(inspection.to_json())
        return
    if layers:
        table = Table("layer", "operator", "output", "FLOPs", "parameters", box=None, header_style="bold")
        for column in table.columns[3:]:
            column.justify = "right"
        for layer in inspection.layers:
            shape = " x ".join(map(str, layer.output_shape))
            table.add_row(layer.name, layer.op, shape, f"{layer.flops:,}", f"{layer.parameters:,}")
        out.print(table)
        out.print()
    for label, value in _summary(inspection):
        out.print(f"{label:<14} {value}")


def _print_plan(network: Network, threads: int | None, memory: Memory, *, json: bool) -> None:
    """The plan of the fast engine; nothing is run."""
    from refnet import fast  # numba takes a third of a second to import
    from refnet.fast.costs import expected_shares

    engine = fast.compile(network.graph, threads=threads, memory=memory, cache=True)
    if not json:
        for line in str(engine.plan).splitlines():
            out.print(line)
        return
    costs = engine.plan.costs
    layers = []
    for cost, share in zip(costs, expected_shares(costs), strict=True):
        fields = asdict(cost)
        layers.append({"layer": fields.pop("name"), **fields, "bytes": cost.bytes, "expected_share": share})
    print_json(
        {
            "schema_version": 1,
            "model": str(network.graph.source.path or ""),
            "threads": engine.team.threads,
            "memory": memory,
            "layers": layers,
        }
    )


def _summary(inspection: Inspection) -> list[tuple[str, str]]:
    """The lines under the table."""
    declared = " x ".join("free" if extent is None else str(extent) for extent in inspection.input_declared)
    conforms = "yes" if inspection.conformance.conforms else f"no; {inspection.conformance.departure}"
    operators = ", ".join(f"{count} {op}" for op, count in inspection.operators.items())
    producer = inspection.producer or "unnamed"
    opset = f", opset {inspection.opset}" if inspection.opset else ""
    plain = f"{inspection.flops / 1e9:.4f} GFLOPs, {inspection.macs:,} multiply-accumulates, "
    published = f"{inspection.published_flops / 1e9:.4f} GFLOPs, {inspection.published_parameters / 1e6:.4f} MParams"
    return [
        ("file", f"{inspection.path}, {inspection.size_bytes:,} bytes"),
        ("sha256", inspection.sha256),
        *([("weights", inspection.synthetic)] if inspection.synthetic else []),
        ("format", f"{inspection.format}, IR {inspection.ir_version}{opset}, producer {producer}"),
        *(("note", note) for note in inspection.notes),
        ("input", f"{inspection.input}, declared {declared}; {inspection.input_contract}"),
        ("outputs", ", ".join(inspection.outputs)),
        ("operators", operators),
        ("LResNet100E-IR", conforms),
        ("plain", plain + f"{inspection.stored_floats:,} stored floats"),
        ("published", f"{published} (as Open Model Zoo counts the converted model)"),
    ]
