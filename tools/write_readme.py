"""Write the parts of README.md that are measured: the example's real output, the agreement, the speed.

    python tools/write_readme.py [FILE.json]

Between `<!-- name -->` and `<!-- /name -->` stands what the function of that name returns. Makes the full-size
synthetic model in a temporary folder; needs onnxruntime; some minutes. FILE.json is what `refnet bench --json` printed;
without one, the speed beside onnxruntime is measured now.
"""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from pages import replace_block

import refnet
from refnet.bench.machine import sentence
from refnet.runtimes import import_runtime
from refnet.zoo.make import make_model
from refnet.zoo.samples import sample_images

README = Path(__file__).parents[1] / "README.md"

EXAMPLE = """\
import refnet
from refnet.zoo.samples import sample_images            # two portraits drawn for refnet, and their mirror images
net = refnet.load("arcfaceresnet100-8.onnx")
embeddings = net(sample_images())                       # (N, 3, 112, 112) RGB 0..255 -> (N, 512), raw fc1
print(embeddings.shape, refnet.similarity(embeddings[0], embeddings[1]), refnet.similarity(embeddings[0], embeddings[2]))
"""


def main() -> None:
    """Replace every measured block."""
    text = README.read_text()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "arcfaceresnet100-8.onnx"
        make_model(model)
        for name, content in (("example", example(model)), ("figures", figures(model))):
            text = replace_block(text, name, content, README.name)
    README.write_text(text)


def example(model: Path) -> str:
    """Five lines of code and what they print, run on the synthetic model."""
    printed = io.StringIO()
    with contextlib.chdir(model.parent), contextlib.redirect_stdout(printed):
        exec(EXAMPLE, {})
    return (
        f"```python\n{EXAMPLE}```\n\n```\n{printed.getvalue()}```\n\n"
        "(Output with the synthetic weights of `refnet models make arcfaceresnet100-8`, seed 0: there is no identity in "
        "them, but a portrait is closer to its own mirror image than to another one.)"
    )


def figures(model: Path) -> str:
    """The agreement of both engines with onnxruntime, and the speed of the fast one beside it."""
    images = sample_images()
    session = import_runtime("onnxruntime").InferenceSession(model, providers=["CPUExecutionProvider"])
    theirs = np.concatenate([session.run(None, {"data": image[np.newaxis].astype(np.float32)})[0] for image in images])
    del session  # its threads would spin beside ours
    exact = refnet.load(model, engine="reference")(images)
    ours = refnet.load(model)(images)
    errors = [max(np.linalg.norm(side - exact, axis=1) / np.linalg.norm(exact, axis=1)) for side in (ours, theirs)]
    measured = bench(model)
    speed = speeds(measured["rows"])
    return (
        f"**Agreement**: relative L2 distance of the full-size network's embeddings from the float64 reference: refnet "
        f"{errors[0]:.1e}, onnxruntime {errors[1]:.1e}. **Speed**: {speed}. ({sentence(measured['machine'])}; "
        f"`refnet bench`, [how it is measured](docs/benchmarks.md))"
    )


def speeds(rows: list[dict[str, Any]]) -> str:
    """How many times as fast as every other runtime, from the least to the most."""
    taken: dict[str, list[float]] = {}
    for row in rows:
        if row["runtime"] != "refnet":
            taken.setdefault(f"{row['runtime']} {row['version']}", []).append(row["times_as_slow"])
    batches, threads = (sorted({row[what] for row in rows}) for what in ("batch", "threads"))
    beside = ", ".join(f"{min(ratios):.1f} to {max(ratios):.1f} times {name}" for name, ratios in taken.items())
    return f"{beside}; in one run, over batches of {listed(batches)} images with {listed(threads)} threads"


def listed(numbers: list[int]) -> str:
    """Numbers in a sentence."""
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def bench(model: Path) -> dict[str, Any]:
    """What `refnet bench --json` printed: into the file that was named, or now."""
    if len(sys.argv) > 1:
        return json.loads(Path(sys.argv[1]).read_text())
    done = subprocess.run(
        [sys.executable, "-m", "refnet", "bench", model, "--json"], check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
