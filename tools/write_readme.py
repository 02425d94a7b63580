"""Write the parts of README.md that are measured: the example's real output, the agreement, the speed.

    python tools/write_readme.py

Between `<!-- name -->` and `<!-- /name -->` stands what the function of that name returns. Makes the full-size
synthetic model in a temporary folder; needs onnxruntime; about a minute.
"""

import contextlib
import io
import platform
import re
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnxruntime

import refnet
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
            block = f"<!-- {name} -->\n{content}\n<!-- /{name} -->"
            text, count = re.subn(
                rf"<!-- {name} -->.*?<!-- /{name} -->", lambda _, block=block: block, text, flags=re.S
            )
            if count != 1:
                raise SystemExit(f"README.md has {count} blocks named {name}; expected one")
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
    """The agreement with onnxruntime and the speed of the reference beside it."""
    images = sample_images()
    net = refnet.load(model, engine="reference")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    theirs = np.concatenate([session.run(None, {"data": image[np.newaxis].astype(np.float32)})[0] for image in images])
    ours = net(images)
    error = max(np.linalg.norm(theirs - ours, axis=1) / np.linalg.norm(ours, axis=1))
    one = images[:1]
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(5):
        for name, call in (
            ("ours", lambda: net(one)),
            ("theirs", lambda: session.run(None, {"data": one.astype(np.float32)})),
        ):
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    ours_seconds, theirs_seconds = (statistics.median(seconds[name]) for name in ("ours", "theirs"))
    return (
        f"**Agreement**: onnxruntime's float32 embeddings of the full-size network lie within {error:.1e} (relative L2) of "
        f"refnet's float64 ones. **Speed**: the float64 reference takes {ours_seconds:.2f} s an image, "
        f"{ours_seconds / theirs_seconds:.1f} times what onnxruntime takes in float32. "
        f"({cpu()}, {platform.system()}, Python {platform.python_version()}, NumPy {version('numpy')}, "
        f"onnxruntime {version('onnxruntime')}; `make docs`)"
    )


def cpu() -> str:
    """What the processor calls itself, and how many of it there are here."""
    import os

    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()}, {os.cpu_count()} cores"
    return f"{platform.machine()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
