"""The schema: it is one, it describes every field, and it forbids what it does not describe."""

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from refnet.audit.report.schema import schema
from tests.audit.report.audited import complaints


def _objects(part: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(part, dict):
        if "properties" in part:
            yield path, part
        for key, value in part.items():
            yield from _objects(value, f"{path}/{key}")
    elif isinstance(part, list):
        for n, value in enumerate(part):
            yield from _objects(value, f"{path}/{n}")


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_field_is_described_and_no_other_is_allowed() -> None:
    definitions = schema()["$defs"]
    for path, part in _objects(schema()):
        assert part["additionalProperties"] is False, path
        assert sorted(part["required"]) == sorted(part["properties"]), path
        for name, field in part["properties"].items():
            shared = definitions[field["$ref"].rpartition("/")[2]] if "$ref" in field else {}
            assert field.get("description") or shared.get("description"), f"{path}/{name}"


def test_a_document_fits(document: dict[str, Any]) -> None:
    assert complaints(document) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d.update(more=1), "Additional properties are not allowed"),
        (lambda d: d.pop("limits"), "'limits' is a required property"),
        (lambda d: d["layers"][0].update(group="middle"), "'middle' does not match"),
        (lambda d: d["tensors"][0]["fast"].update(verdict="perhaps"), "'perhaps' is not one of"),
        (lambda d: d["weights"][0].update(zeros=1.5), "1.5 is greater than the maximum of 1"),
    ],
)
def test_what_is_not_a_document_does_not_fit(document: dict[str, Any], change: Any, complaint: str) -> None:
    changed = copy.deepcopy(document)
    change(changed)
    assert any(complaint in said for said in complaints(changed))
