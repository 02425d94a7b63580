"""Real models, faces and files that some tests use; they are never part of the project.

They are looked for in `$REFNET_TEST_DATA`, else in `shared/data` beside the checkout. A test that asks for a file
that is not there is skipped, and says which.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("REFNET_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")


def path(name: str) -> Path:
    """The local file of that name, or a skip that says it is absent."""
    found = ROOT / name
    if not found.exists():
        pytest.skip(f"local test data {name} is absent (looked in $REFNET_TEST_DATA, else shared/data)")
    return found
