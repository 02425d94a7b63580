"""What every test and doctest has at hand."""

import numpy as np
import pytest

from refnet.runtimes import silence

silence()  # tests import the runtimes as their users do


@pytest.fixture(autouse=True)
def _numpy_in_doctests(doctest_namespace: dict[str, object]) -> None:
    doctest_namespace["np"] = np
