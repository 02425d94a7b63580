"""How the whole suite draws its examples, and the models it shares."""

import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import settings

from refnet.formats.onnx_writer import write_model
from refnet.graph import Graph
from refnet.zoo.synthetic import synthetic_model

# The first call of a compiled kernel takes seconds, so no example has a deadline; where CI is set, the same examples
# are drawn every time.
settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")


@pytest.fixture(scope="session")
def narrow() -> Graph:
    """The real graph at a sixteenth of its width, synthetic weights, seed 0."""
    return synthetic_model(0, width=Fraction(1, 16))


@pytest.fixture(scope="session")
def narrow_path(tmp_path_factory: pytest.TempPathFactory, narrow: Graph) -> Path:
    """The same as a file in the form of the real one."""
    path = tmp_path_factory.mktemp("models") / "narrow.onnx"
    write_model(narrow, path, like="mxnet", spatial=1)
    return path
