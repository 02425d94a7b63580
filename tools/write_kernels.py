"""Write the measured parts of docs/kernels.md.

    python tools/write_kernels.py [--model MODEL] [--measured FILE] BLOCK...

BLOCK is one or several of ladder, machine, start, layers, bench; without any, all of them: about ten minutes on a
machine that does nothing else. MODEL is the full-size network; without one, the synthetic model is made in a temporary
folder. FILE is what `refnet bench --json` printed; the block bench is written from it instead of measuring anew.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pages import replace_block

from refnet.bench.machine import sentence
from refnet.zoo.make import make_model

TOOLS = Path(__file__).parent
PAGE = TOOLS.parent / "docs" / "kernels.md"


def main() -> None:
    """Replace the named blocks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--measured", type=Path)
    parser.add_argument("blocks", nargs="*", metavar="BLOCK", help=", ".join(BLOCKS))
    given = parser.parse_args()
    if unknown := sorted(set(given.blocks) - BLOCKS.keys()):
        parser.error(f"no block is called {', '.join(unknown)}; there are {', '.join(BLOCKS)}")
    with tempfile.TemporaryDirectory() as folder:
        model = given.model
        measured = {"bench"} if given.measured else set()
        if model is None and set(given.blocks or BLOCKS) & {"start", "layers", "bench"} - measured:
            model = Path(folder) / "arcfaceresnet100-8.onnx"
            make_model(model)
        for name in given.blocks or BLOCKS:
            content = bench_table(json.loads(given.measured.read_text())) if name in measured else BLOCKS[name](model)
            PAGE.write_text(replace_block(PAGE.read_text(), name, content, PAGE.name))


def ladder(_: Path) -> str:
    """From loops to the shipped kernels."""
    return printed(TOOLS / "ladder.py")


def machine(_: Path) -> str:
    """Instructions of the compiled kernels."""
    return f"```\n{printed(TOOLS / 'inspect_kernel.py')}\n```"


def start(model: Path) -> str:
    """Seconds and memory to the first embedding."""
    return f"```\n{printed(TOOLS / 'measure_start.py', model)}\n```"


def layers(model: Path) -> str:
    """A single image layer by layer, on one thread."""
    command = ("bench", model, "--layers", "--batch", "1", "--threads", "1", "--rounds", "25")
    return f"```\n{printed('-m', 'refnet', *command)}\n```"


def bench(model: Path) -> str:
    """A row for every batch and number of threads, a column for every runtime."""
    measured = json.loads(printed("-m", "refnet", "bench", model, "--json"))
    return bench_table(measured)


def bench_table(measured: dict[str, Any]) -> str:
    """What `refnet bench --json` printed, for a page."""
    rows = measured["rows"]
    versions = {row["runtime"]: row["version"] for row in rows}
    lines = [
        "| batch | threads | " + " | ".join(f"{name} {version}" for name, version in versions.items()) + " |",
        "|---|---|" + "---|" * len(versions),
    ]
    for batch, threads in dict.fromkeys((row["batch"], row["threads"]) for row in rows):
        cells = []
        for name in versions:
            here = [row for row in rows if (row["batch"], row["threads"], row["runtime"]) == (batch, threads, name)]
            cells += [f"{row['milliseconds_per_image']:.1f} ({row['times_as_slow']:.2f}x)" for row in here] or ["-"]
        lines.append(f"| {batch} | {threads} | " + " | ".join(cells) + " |")
    about = (
        "Median milliseconds an image, full-size LResNet100E-IR in float32, and how many times as long as refnet: the "
        "median over rounds of the ratio within a round ([how it is measured](benchmarks.md)). `refnet bench`, "
        f"{measured['machine']['time'][:10]}; {sentence(measured['machine'])}."
    )
    differences = {
        name: max(row["relative_difference"] for row in rows if row["runtime"] == name)
        for name in versions
        if name != "refnet"
    }
    ours = {(row["batch"], row["threads"]): row["milliseconds_per_image"] for row in rows if row["runtime"] == "refnet"}
    gains = [
        f"{ours[batch, 1] / ours[batch, 2]:.2f} at batch {batch}"
        for batch, threads in ours
        if threads == 2 and (batch, 1) in ours
    ]
    remarks = (
        "Their outputs lie from refnet's, by relative L2 distance: "
        + ", ".join(f"{name} {difference:.0e}" for name, difference in differences.items())
        + (f". refnet with two threads is as many times as fast as with one: {', '.join(gains)}." if gains else ".")
    )
    return "\n".join([*lines, "", about, "", remarks])


def printed(*command: object) -> str:
    """What Python prints when it is given these arguments."""
    done = subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


BLOCKS: dict[str, Callable[[Path], str]] = {
    "ladder": ladder,
    "machine": machine,
    "start": start,
    "layers": layers,
    "bench": bench,
}


if __name__ == "__main__":
    main()
