"""What every lesson begins with, whichever ran before it: the style of the figures, and warnings as errors."""

import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

STYLE = Path(__file__).parents[1] / "lessons" / "refnet.mplstyle"


def prepare(_gallery: dict[str, Any], _lesson: str) -> None:
    """Set matplotlib to the lessons' style, and Python to stop at a warning."""
    plt.rcdefaults()
    plt.style.use(STYLE)
    warnings.simplefilter("error")
