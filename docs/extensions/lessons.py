"""What every lesson begins with: compiled kernels, the style of the figures, and warnings as errors."""

import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from sphinx.application import Sphinx

import refnet
from refnet.zoo.lesson import lesson_graph
from refnet.zoo.samples import sample_images

STYLE = Path(__file__).parents[1] / "lessons" / "refnet.mplstyle"


def prepare(_gallery: dict[str, Any], _lesson: str) -> None:
    """Set matplotlib to the lessons' style, and Python to stop at a warning."""
    plt.rcdefaults()
    plt.style.use(STYLE)
    warnings.simplefilter("error")


def compile_kernels(_app: Sphinx) -> None:
    """Fill the kernel cache once, so that lessons that run side by side do not all compile the same kernels."""
    network = refnet.Network(lesson_graph())
    network(network.contract.prepare(sample_images()))


def setup(app: Sphinx) -> dict[str, Any]:
    """Go before sphinx-gallery runs the lessons, at the usual priority of 500."""
    app.connect("builder-inited", compile_kernels, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
