"""Published figures are held against runs of the same set, with the test that SciPy makes."""

import pytest
from scipy.stats import binomtest

from refnet.evaluation.insightface import InsightFaceResult
from refnet.evaluation.omz import OmzResult
from refnet.evaluation.published import Result, beside_published
from refnet.zoo.cards import card_of, find_card

CARD = find_card("arcfaceresnet100-8")


def insightface_found(correct: int, count: int = 6000) -> dict[str, Result]:
    return {"insightface": InsightFaceResult(correct / count, 0.0, correct, None, None, None, None, 1.0)}  # type: ignore[arg-type]


def test_the_card_has_the_two_figures_of_the_same_weights_on_lfw() -> None:
    figures = {figure.protocol: figure for figure in CARD.figures if figure.dataset == "lfw"}
    assert round(figures["insightface"].value * 6000) == 5986
    assert round(figures["omz"].value * 6000) == 5981
    assert {figure.pairs for figure in figures.values()} == {6000}


@pytest.mark.parametrize("correct", [5986, 5980, 5970])
def test_a_run_on_all_of_the_set_is_tested_against_the_figure(correct: int) -> None:
    (row,) = beside_published(CARD, "LFW.bin", 6000, insightface_found(correct))
    assert row.difference == pytest.approx(correct / 6000 - 0.99767, abs=1e-15)
    assert row.p_value == pytest.approx(binomtest(correct, 6000, 0.99767).pvalue, rel=1e-8)
    assert (row.p_value < 0.05) == (correct == 5970)
    assert row.why_not == ""


def test_both_protocols_have_their_own_figure() -> None:
    results = {**insightface_found(5986), "omz": OmzResult(5981 / 6000, 5981, None)}  # type: ignore[arg-type]
    rows = beside_published(CARD, "lfw.bin", 6000, results)
    assert [(row.protocol, row.value) for row in rows] == [("insightface", 0.99767), ("omz", 0.9968)]
    assert all(row.p_value is not None and row.p_value > 0.8 for row in rows)


@pytest.mark.parametrize(("name", "count"), [("lfw-fold1.bin", 600), ("lfw.bin", 5999), ("lfw_masked.bin", 6000)])
def test_a_part_of_the_set_is_not_tested_and_says_why(name: str, count: int) -> None:
    (row,) = beside_published(CARD, name, count, insightface_found(count, count))
    assert row.p_value is None
    assert row.why_not == f"it was published for the 6,000 pairs of lfw; this is {name}, of {count:,}"


def test_another_set_has_no_figure() -> None:
    assert beside_published(CARD, "calfw.bin", 6000, insightface_found(5986)) == ()


def test_a_card_is_found_by_the_digest_of_a_published_file_only() -> None:
    assert [card_of(file.sha256) for file in CARD.files] == [CARD] * len(CARD.files)
    assert [card_of(made.sha256) for made in CARD.synthetic] == [None] * len(CARD.synthetic)
    assert card_of("") is None
