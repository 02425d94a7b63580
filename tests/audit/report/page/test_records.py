from refnet.audit.report.page.records import layer_records, panel
from tests.audit.report.page import documents


def test_a_layer_knows_what_it_reads_and_what_reads_it() -> None:
    records = layer_records(documents.document())

    assert records[0]["inputs"] == [["data", None]]
    assert records[5]["inputs"] == [["unit1_conv1", 3], ["unit1_sc", 4]]
    assert records[5]["readers"] == [["unit2_conv1", 6], ["plus1", 7]]


def test_extents_are_of_one_image_but_for_constants() -> None:
    records = layer_records(documents.document())

    assert (records[0]["extents"], records[9]["extents"], records[10]["extents"]) == ("8×12×12", "1×8×1×1", "512")


def test_verdicts_are_sentences_about_either_side() -> None:
    records = layer_records(documents.document())
    sick = layer_records(documents.sick())

    assert records[4]["verdict"] == (
        "refnet, fast agrees: its largest error so far is 0.1 of what rounding allows. "
        "onnxruntime 1.30 agrees: its largest error here is 0.15 of what rounding allows."
    )
    assert sick[3]["verdict"] == "refnet, fast departs: an error 12.5 times the noise floor."
    assert [record["state"] for record in sick].count("departs") == 1


def test_layers_can_be_found_by_what_is_the_matter_with_them() -> None:
    sick = layer_records(documents.sick())

    assert sick[0]["states"] == ["agrees", "flagged"]
    assert sick[2]["states"] == ["agrees", "dead"]
    assert sick[3]["states"] == ["departs"]


def test_what_stands_out_in_weights_is_told_in_words() -> None:
    (weight,) = layer_records(documents.sick())[0]["weights"]

    assert weight["flags"] == ["3 are NaN or infinite", "filters of zeros: 2", "equal filters: 0 and 1"]


def test_attributes_are_written_as_the_file_has_them_and_no_digit_more() -> None:
    document = documents.document()
    document["layers"][0]["attributes"] = {"epsilon": 1.9999999494757503e-05, "alpha": 0.1, "pads": [1, 1], "mode": "x"}

    said = layer_records(document)[0]["attributes"]
    assert said == [["alpha", "0.1"], ["epsilon", "2e-05"], ["mode", "x"], ["pads", "1, 1"]]


def test_a_tensor_that_a_side_does_not_show_is_not_called_equal() -> None:
    document = documents.document()
    absent = {
        "verdict": "absent",
        "relative_l2": None,
        "local_relative_l2": None,
        "one_minus_cosine": None,
        "excess": None,
    }
    document["tensors"][4]["other"] |= absent
    record = layer_records(document)[4]

    assert record["other"] is None
    assert [line[0] for line in record["agreement"]] == ["refnet, fast"]
    assert "onnxruntime 1.30 does not show this tensor" in record["verdict"]


def test_long_lists_are_cut_short_and_say_so() -> None:
    document = documents.document()
    document["tensors"][2]["activation"]["dead_channels"] = list(range(100))

    facts = dict(panel(layer_records(document)[2])["activation"]["facts"])
    assert facts["dead channels"] == "100: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 88 more"
