from typing import Any

from refnet.audit.report.page.measures import measures
from refnet.audit.report.page.records import layer_records
from tests.audit.report.page import documents


def found(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {it["key"]: it for it in measures(layer_records(document), document)}


def test_every_measure_has_a_class_and_words_for_every_layer_and_a_legend_of_all_its_classes() -> None:
    for document in (documents.document(), documents.sick(), documents.large(30)):
        for measure in found(document).values():
            assert len(measure["classes"]) == len(measure["said"]) == len(document["layers"])
            assert set(measure["classes"]) <= {name for name, _ in measure["legend"]} | {""}


def test_the_picture_opens_with_agreement_of_the_fast_engine() -> None:
    assert next(iter(found(documents.document()))) == "excess-fast"


def test_shares_of_the_allowance_fall_into_their_classes_and_departures_stand_out() -> None:
    document = documents.sick()
    for row, excess in zip(document["tensors"], (0.0, 0.05, 0.1, 12.5, 0.3, 0.5, 0.7, 0.999), strict=False):
        row["fast"]["excess"] = excess

    classes = found(document)["excess-fast"]["classes"]
    assert classes[:8] == ["level-0", "level-1", "level-2", "over", "level-3", "level-4", "level-5", "level-5"]


def test_a_departure_without_a_number_stands_out_too() -> None:
    document = documents.document()
    document["tensors"][0]["fast"] |= {"excess": None, "verdict": "departs", "relative_l2": None}

    assert found(document)["excess-fast"]["classes"][0] == "over"


def test_magnitudes_are_classed_by_their_logarithms() -> None:
    document = documents.document()
    for layer, macs in zip(document["layers"], (1, 9, 11, 99, 10**3, 10**6, 0), strict=False):
        layer["macs"] = macs
    for layer in document["layers"][7:]:
        layer["macs"] = 0

    classes = found(document)["macs"]["classes"]
    assert classes == ["level-0", "level-0", "level-1", "level-1", "level-3", "level-5", "", "", "", "", ""]


def test_without_another_runtime_there_are_no_measures_of_it() -> None:
    assert not [key for key in found(documents.sick()) if "other" in key]
    assert [key for key in found(documents.document()) if "other" in key] == ["excess-other", "error-other"]
