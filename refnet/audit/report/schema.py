"""The document's schema: report.schema.json, which lies beside this file."""

import json
from importlib import resources
from typing import Any


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the document, every field described."""
    text = (resources.files("refnet.audit.report") / "report.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
