"""The documents that several tests look at, made once."""

from pathlib import Path
from typing import Any

import pytest

from refnet.audit.report.document import Audit
from refnet.formats.onnx_writer import write_model
from tests.audit.doctor.patients import small
from tests.audit.report.audited import audited


@pytest.fixture(scope="session")
def small_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real graph with one unit a stage at a sixteenth of its width, as a file."""
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    write_model(small(), path, like="mxnet", spatial=1)
    return path


@pytest.fixture(scope="session")
def small_audit(small_path: Path) -> Audit:
    """Its audit beside onnxruntime, on the sample portraits."""
    return audited(small_path)


@pytest.fixture(scope="session")
def document(small_audit: Audit) -> dict[str, Any]:
    """The document of that audit."""
    return small_audit.document
