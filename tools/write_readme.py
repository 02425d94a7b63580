"""Write the parts of README.md that are measured: the example's real output, the agreement, the speed.

    python tools/write_readme.py

Between `<!-- name -->` and `<!-- /name -->` stands what the function of that name returns. Makes the full-size
synthetic model in a temporary folder; needs onnxruntime; about a minute.
"""

import contextlib
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime
from pages import replace_block

import refnet
from refnet.bench.machine import processor
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
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    theirs = np.concatenate([session.run(None, {"data": image[np.newaxis].astype(np.float32)})[0] for image in images])
    del session  # its threads would spin beside ours
    exact = refnet.load(model, engine="reference")(images)
    ours = refnet.load(model)(images)
    errors = [max(np.linalg.norm(side - exact, axis=1) / np.linalg.norm(exact, axis=1)) for side in (ours, theirs)]
    ratios = bench(model)
    speed = ", ".join(f"{ratio:.1f} at batch {batch} on {threads}" for (batch, threads), ratio in ratios.items())
    return (
        f"**Agreement**: relative L2 distance of the full-size network's embeddings from the float64 reference: refnet "
        f"{errors[0]:.1e}, onnxruntime {errors[1]:.1e}. **Speed**: how many times faster than onnxruntime, by number of "
        f"threads: {speed}. ({processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, NumPy {version('numpy')}, "
        f"numba {version('numba')}, onnxruntime {version('onnxruntime')}; `make pages`, `refnet bench`)"
    )


def bench(model: Path) -> dict[tuple[int, int], float]:
    """Times as fast as onnxruntime, by batch and threads."""
    options = ("--batch", "1", "8", "--against", "onnxruntime", "--json")
    command = [sys.executable, "-m", "refnet", "bench", model, *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    rows = json.loads(done.stdout)["rows"]
    return {(row["batch"], row["threads"]): row["times_as_slow"] for row in rows if row["runtime"] == "onnxruntime"}


if __name__ == "__main__":
    main()
