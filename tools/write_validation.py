"""Write docs/validation.md: what `refnet validate` finds, and what it would find.

    python tools/write_validation.py [MODEL.onnx ...]
    python tools/write_validation.py --backend     only the section of the ONNX backend tests; the page stays otherwise

Always the full-size synthetic model in both published forms, with one image and a batch of three; then the models
named. Every comparison runs in a fresh process, whose peak memory stands in the table.

    python tools/write_validation.py --fuzz onnx.json ir.json networks.json

puts summaries that `tools/fuzz_graphs.py` wrote into the page, and leaves the rest of it as it is.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from pages import replace_block
from validation_files import section as damaged_files

from refnet.audit.compare import Other, compare
from refnet.audit.difference import difference
from refnet.audit.floor import STANDARD_DEVIATIONS
from refnet.audit.oracle import OnnxRuntime
from refnet.bench.machine import processor
from refnet.files import sha256
from refnet.graph import Array, Graph, Node
from refnet.network import Network, load
from refnet.runtimes import import_runtime
from refnet.zoo.make import make_model
from refnet.zoo.samples import sample_crops, sample_images

PAGE = Path(__file__).parents[1] / "docs" / "validation.md"
BACKEND = ("<!-- begin: ONNX backend tests -->", "<!-- end: ONNX backend tests -->")
GROUPS = ("stem", "stage1", "stage2", "stage3", "stage4", "head")
Table = dict[str, Any]


def main() -> None:
    """Run every comparison and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, help="other models to compare, one or two images each")
    parser.add_argument("--backend", action="store_true", help="write only the section of the ONNX backend tests")
    parser.add_argument("--job", nargs=2, metavar=("NAME", "ARGUMENT"), help=argparse.SUPPRESS)
    parser.add_argument("--fuzz", nargs="+", type=Path, metavar="JSON", help="summaries of tools/fuzz_graphs.py")
    arguments = parser.parse_args()
    if arguments.fuzz:
        found = _added([json.loads(path.read_text()) for path in arguments.fuzz])
        PAGE.write_text(replace_block(PAGE.read_text(), "fuzz", "\n".join(_fuzzed(found)), PAGE.name))
        return
    if arguments.job:
        name, argument = arguments.job
        table = JOBS[name](arguments.models[0], argument)
        print(json.dumps({**table, "peak": _peak_bytes()}))
        return
    if arguments.backend:
        PAGE.write_text(_with_backend(PAGE.read_text()))
        print(PAGE)
        return
    with tempfile.TemporaryDirectory() as folder:
        kept = PAGE.read_text().partition("<!-- fuzz -->\n")[2].partition("\n<!-- /fuzz -->")[0]
        PAGE.write_text("\n".join(_page(Path(folder), arguments.models, kept)) + "\n")
    print(PAGE)


def _page(folder: Path, others: list[Path], fuzzed: str) -> Iterator[str]:
    """The lines of the page; `fuzzed` is what it says of random graphs."""
    forms = {spatial: folder / f"spatial{spatial}.onnx" for spatial in (0, 1)}
    for spatial, path in forms.items():
        make_model(path, spatial=spatial)
    full = {(spatial, count): _run("compare", path, count) for spatial, path in forms.items() for count in (1, 3)}
    yield from HEAD.format(floor=f"{STANDARD_DEVIATIONS:.0f}").splitlines()
    yield ""
    yield f"Written by `tools/write_validation.py` on {processor()}, {os.cpu_count()} processors; Python {platform.python_version()}, {_versions()}."
    yield ""
    yield "## Every tensor beside onnxruntime"
    yield ""
    yield "| model | images | tensors that agree | largest error of a node, in noise floors | where | output beside float64, relative L2 | angle between embeddings | peak memory |"
    yield "|---|---|---|---|---|---|---|---|"
    for (spatial, _), table in full.items():
        yield _row(f"LResNet100E-IR, synthetic weights, seed 0, `spatial={spatial}`", table)
    tables = [full[0, 1]]
    for path in others:
        table = _run("compare", path, 3 if _is_small(path) else 1)
        tables.append(table)
        yield _row(f"{path.name}, sha256 {sha256(path)[:8]}", table)
    yield ""
    yield "What was changed in the copy that onnxruntime ran, or done otherwise:"
    yield ""
    yield from sorted({f"- {note}" for table in tables for note in table["notes"]})
    yield from ["", "## Where the error comes from", "", *_stages(full[1, 3])]
    yield from ["", "## Other runtimes", "", *_runtimes(forms[1])]
    yield from ["", "## What it would find", "", *_sensitivity(forms[1])]
    yield from ["", *_backend()]
    yield from ["", *FUZZ.splitlines(), "", f"<!-- fuzz -->\n{fuzzed}\n<!-- /fuzz -->"]
    yield from ["", *damaged_files()]


def _backend() -> list[str]:
    """The tally of the ONNX backend tests, in a fresh process; a section that begins and ends with a marker."""
    print("backend tests", file=sys.stderr)
    command = [sys.executable, "-m", "tests.onnx_backend"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=PAGE.parents[1])
    return [BACKEND[0], *done.stdout.splitlines(), BACKEND[1]]


def _with_backend(page: str) -> str:
    """The page with that section written anew, or added at its end."""
    section = "\n".join(_backend())
    if BACKEND[0] not in page:
        return f"{page.rstrip()}\n\n{section}\n"
    before, rest = page.split(BACKEND[0])
    return before + section + rest.split(BACKEND[1])[1]


HEAD = """# Validation

Every tensor of a model is compared with what onnxruntime computes from the same file and the same images, and both with
float64 (`refnet validate`). Each node is also computed in float64 from onnxruntime's own inputs to it: what is left is
the error of that node alone. A tensor agrees if no element of it is further from that than the **noise floor**, {floor} standard
deviations of what rounding makes of the node's own arithmetic (`refnet/audit/rounding.py`, `refnet/audit/floor.py`). Where
numbers are only moved or selected, the bits must be equal. Winograd's convolution has errors of another kind
([numerics.md](numerics.md#winograds-convolution)); the fast engine, and traces and runtimes that may compute that way, are given
eight standard deviations of these besides, onnxruntime is not.

Tensors are those of a session without optimisations, which shows them all; outputs and angles are those of an optimised
one, as users run it.
"""


FUZZ = """## Random graphs

`tools/fuzz_graphs.py` grows valid graphs of every operator that refnet implements, from a seed, and runs each by the
reference, the fast engine and onnxruntime (optimisations off), at several batches. Every number of every output must be
within a bound that is carried from node to node with the reference (`tests/fuzz/bounds.py`), or the graph must be refused
by both engines. Networks run in other topological orders of their nodes, with inner tensors given out: the fast engine's
bits must be those of the first order, and within the noise floor of the reference.
"""


def _added(tables: list[Table]) -> dict[str, Table]:
    """The summaries by what they are of; counts of several runs of one kind are added up."""
    found: dict[str, Table] = {}
    for table in tables:
        first = found.setdefault(table["what"], table)
        if first is table:
            continue
        if first["versions"] != table["versions"]:
            raise SystemExit(f"summaries of {table['what']} were made with different versions")
        for key in ("graphs", "compared", "undecided"):
            first[key] += table[key]
        for key in ("operators", "refused", "not_judged", "differences"):
            first[key] = dict((Counter(first[key]) + Counter(table[key])).most_common())
        first["networks"] |= table["networks"]
        first["seed"] = (
            f"{first['seed']}, {table['seed']}" if str(table["seed"]) not in str(first["seed"]) else first["seed"]
        )
    return found


def _fuzzed(found: dict[str, Table]) -> Iterator[str]:
    """What random graphs found, from the summaries by what they are of."""
    words = {"onnx": "ONNX graphs", "special": "fed infinities and NaN", "ir": "graphs as OpenVINO IR"}
    yield "| | seed | graphs | numbers compared | without a finite bound | differences | versions |"
    yield "|---|---|---|---|---|---|---|"
    for what, title in words.items():
        if what in found:
            table = found[what]
            versions = ", ".join(f"{name} {number}" for name, number in table["versions"].items())
            yield _cells(
                title, table["seed"], table["graphs"], table["compared"], table["undecided"],
                sum(table["differences"].values()), versions,
            )  # fmt: skip
    graphs = {title: found[what] for what, title in words.items() if what in found}
    yield from ["", _cells("graphs with the operator", *graphs), "|---" * (len(graphs) + 1) + "|"]
    for op in sorted({op for table in graphs.values() for op in table["operators"]}):
        yield _cells(op, *(table["operators"].get(op, 0) for table in graphs.values()))
    if "networks" in found:
        yield from ["", "| network | nodes | orders | differences |", "|---|---|---|---|"]
        for name, row in found["networks"]["networks"].items():
            yield _cells(name, row["nodes"], row["orders"], row["findings"])
    yield from [
        "",
        "Refused by both engines, or for a limit that one of them states; # stands for a number, _ for a name:",
        "",
    ]
    yield from ["| who, and what it says | graphs |", "|---|---|"]
    for table in found.values():
        for said, count in table["refused"].items():
            yield _cells(said.replace("|", "\\|"), count)


def _row(title: str, table: Table) -> str:
    """One comparison."""
    worst = max(table["tensors"], key=lambda row: row["excess"])
    output = max(table["outputs"], key=lambda row: row["theirs_excess"])
    angles = [image["angle_degrees"] for image in (table["embedding"] or {"images": []})["images"]]
    return _cells(
        title,
        table["images"],
        f"{sum(row['verdict'] == 'agrees' for row in table['tensors'])} of {len(table['tensors'])}",
        f"{worst['excess']:.2f}",
        f"`{worst['name']}` ({worst['op']})",
        f"{output['theirs']['relative_l2']:.1e} (`{output['name']}`)",
        f"{max(angles):.1e}°" if angles else "no embedding",
        f"{table['peak'] / 2**20:.0f} MiB",
    )


def _stages(table: Table) -> Iterator[str]:
    """One row for each part of the network."""
    yield "LResNet100E-IR, batch of three. The whole error beside float64 is inherited from node to node; the error of a node alone is not."
    yield ""
    yield "| part | tensors | whole error, relative L2 | largest in | error of a node alone, relative L2 | largest in |"
    yield "|---|---|---|---|---|---|"
    parts: dict[str, list[Table]] = {group: [] for group in GROUPS}
    part = "stem"
    for row in table["tensors"]:
        if row["name"].startswith("stage"):
            part = row["name"].split("_")[0]
        elif row["name"] == "bn1":
            part = "head"
        parts[part].append(row)
    for group, rows in parts.items():
        whole = max(rows, key=lambda row: row["theirs"]["relative_l2"])
        local = max(rows, key=lambda row: row["local"]["relative_l2"])
        yield _cells(
            group,
            len(rows),
            f"{whole['theirs']['relative_l2']:.1e}",
            f"`{whole['name']}`",
            f"{local['local']['relative_l2']:.1e}",
            f"`{local['name']}`",
        )


def _runtimes(path: Path) -> Iterator[str]:
    """Embeddings of every runtime that is installed, beside float64."""
    images = sample_images().astype(np.float32)
    exact = load(path, engine="reference")(images)
    yield "Relative L2 of the embeddings of four images (LResNet100E-IR, synthetic) beside float64, and the largest angle; openvino with"
    yield "`INFERENCE_PRECISION_HINT=f32`."
    yield ""
    yield "| runtime | relative L2 | angle |"
    yield "|---|---|---|"
    for name, run in {"refnet": _refnet, "onnxruntime": _onnxruntime, "openvino": _openvino}.items():
        if not _version(name):
            continue
        embeddings = run(path, images)
        unit, exact_unit = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (embeddings, exact))
        chord = np.linalg.norm(unit - exact_unit, axis=1).max()
        angle = np.degrees(2 * np.arcsin(chord / 2))
        yield _cells(f"{name} {_version(name)}", f"{difference(embeddings, exact).relative_l2:.1e}", f"{angle:.1e}°")


def _refnet(path: Path, images: Array) -> Array:
    """By the fast engine."""
    return load(path)(images)


def _onnxruntime(path: Path, images: Array) -> Array:
    return OnnxRuntime(path).outputs(images, {"fc1"})["fc1"]


def _openvino(path: Path, images: Array) -> Array:
    """In float32: by default it takes bfloat16 where the processor has it."""
    openvino = import_runtime("openvino")
    model = openvino.Core().read_model(path)
    model.reshape([-1, *images.shape[1:]])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    embeddings: Array = compiled(images)[0]
    return embeddings


def _sensitivity(path: Path) -> Iterator[str]:
    """Faults planted in the network, the file left as it is."""
    yield "Faults planted in every node of a kind at once, in the network and not in the file (LResNet100E-IR, one image). Each node is"
    yield "judged by itself, so that this is what each fault alone would show."
    yield ""
    yield "| fault | planted in | found | departures elsewhere | not found (largest error in noise floors) |"
    yield "|---|---|---|---|---|"
    for name, (title, op, _) in FAULTS.items():
        rows = _run("fault", path, name)["tensors"]
        planted = [row for row in rows if row["op"] == op]
        missed = [f"`{row['name']}` ({row['excess']:.2f})" for row in planted if row["verdict"] != "departs"]
        found = len(planted) - len(missed)
        elsewhere = sum(row["verdict"] == "departs" for row in rows) - found
        yield _cells(title, f"{len(planted)} {op}", found, elsewhere, ", ".join(missed) or "-")


def _one_weight(graph: Graph, node: Node) -> Graph:
    """The weight of median size, one percent larger."""
    weight = graph.constants[node.inputs[1]].copy()
    weight.reshape(-1)[np.argsort(abs(weight), axis=None)[weight.size // 2]] *= np.float32(1.01)
    return replace(graph, constants={**graph.constants, node.inputs[1]: weight})


def _epsilon(graph: Graph, node: Node) -> Graph:
    return _changed(graph, node, attributes={"epsilon": float(np.float32(1e-5))})


def _swapped(graph: Graph, node: Node) -> Graph:
    return _changed(graph, node, inputs=(node.inputs[0], node.inputs[2], node.inputs[1], *node.inputs[3:]))


def _changed(graph: Graph, node: Node, **changes: Any) -> Graph:
    """The graph with another node of the same name."""
    nodes = tuple(replace(node, **changes) if other.name == node.name else other for other in graph.nodes)
    return replace(graph, nodes=nodes)


FAULTS: dict[str, tuple[str, str, Callable[[Graph, Node], Graph]]] = {
    "weight": ("one weight, of median size, one percent larger", "Conv", _one_weight),
    "weight of the head": ("the same", "Gemm", _one_weight),
    "epsilon": ("epsilon 1e-5 instead of 2e-5", "BatchNormalization", _epsilon),
    "swapped": ("gamma and beta swapped", "BatchNormalization", _swapped),
}


def _compare_job(path: Path, count: str) -> Table:
    """Compare a model as it is, with so many images."""
    network = load(path, engine="reference")
    crops = sample_crops(*network.contract.shape[1:])  # type: ignore[arg-type]
    images = np.concatenate([crops, crops[..., ::-1]])[: int(count)]
    return _compared(network, network.contract.prepare(images), OnnxRuntime(path))


def _fault_job(path: Path, name: str) -> Table:
    """Compare a network with a fault in every node of a kind with its healthy file."""
    _, op, plant = FAULTS[name]
    graph = load(path, engine="reference").graph
    for node in [node for node in graph.nodes if node.op == op]:
        graph = plant(graph, node)
    return _compared(Network(graph, engine="reference"), sample_images()[:1], OnnxRuntime(path))


def _compared(network: Network, images: Array, other: Other) -> Table:
    return compare(network, images, other).to_json()


JOBS = {"compare": _compare_job, "fault": _fault_job}


def _run(job: str, path: Path, argument: object) -> Table:
    """A job in a fresh process."""
    print(f"{job} {path.name} {argument}", file=sys.stderr)
    command = [sys.executable, __file__, str(path), "--job", job, str(argument)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    table: Table = json.loads(done.stdout)
    return table


def _peak_bytes() -> int:
    """The most memory this process has had; getrusage would count its parent's before exec."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _is_small(path: Path) -> bool:
    """Whether the model takes face crops rather than whole photographs."""
    return (load(path, engine="reference").contract.shape[1] or 112) <= 112


def _cells(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _versions() -> str:
    """Of everything that has a part in the numbers."""
    return ", ".join(
        f"{name} {_version(name)}" for name in ("numpy", "onnx", "onnxruntime", "openvino") if _version(name)
    )


def _version(name: str) -> str:
    """The installed version; empty if there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
