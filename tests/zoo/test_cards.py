"""What the cards say is whole and of the right form, and is what is known elsewhere."""

import hashlib
import json
import re

import pytest

from refnet.errors import UsageError
from refnet.zoo import Card, card_of, cards, find_card
from tests import localdata

CARDS = pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)


@CARDS
def test_a_card_says_all_that_one_has_to_know(card: Card) -> None:
    assert card.files
    for words in (card.title, card.home, card.licence, card.training, card.input.shape, card.input.values):
        assert words
    assert card.home.startswith("https://")
    assert card.input.channels in ("RGB", "BGR")
    assert re.fullmatch(r"[0-9a-zA-Z._-]+", card.name)


@CARDS
def test_files_are_of_the_right_form(card: Card) -> None:
    for file in card.files:
        assert re.fullmatch(r"[0-9a-zA-Z._-]+\.onnx", file.name)
        assert file.size_bytes > 0
        assert re.fullmatch(r"[0-9a-f]{64}|", file.sha256)
        assert re.fullmatch(r"[0-9a-f]{96}|", file.sha384)
        assert file.digests
        assert file.mirrors
        assert all(url.startswith("https://") and "?" not in url for url in file.mirrors)


@CARDS
def test_figures_have_a_protocol_that_refnet_can_repeat(card: Card) -> None:
    for figure in card.figures:
        assert figure.metric == "accuracy"
        assert figure.protocol in ("insightface", "omz")
        assert 0.9 < figure.value < 1
        assert figure.pairs in (6000, 7000)
        assert figure.source


@CARDS
def test_a_card_as_json_is_plain_and_tells_unknown_from_empty(card: Card) -> None:
    plain = json.loads(json.dumps(card.to_json()))
    assert plain["name"] == card.name
    assert plain["files"][0]["sha384"] == (card.files[0].sha384 or None)
    assert plain["refused"] == (card.refused or None)


def test_names_and_digests_are_of_one_card_only() -> None:
    names = [name for card in cards() for name in card.names]
    digests = [file.sha256 for card in cards() for file in (*card.files, *card.synthetic)]
    assert len(names) == len(set(names))
    assert len(digests) == len(set(digests))


def test_the_published_files_of_the_model_are_the_two_that_are_known() -> None:
    """LFS pointers of onnx/models at bd206494 and bb0d4cf3; Open Model Zoo's model.yml, then and now."""
    newer, older = find_card("face-recognition-resnet100-arcface-onnx").files
    assert (newer.size_bytes, older.size_bytes) == (261_036_388, 261_036_388)
    assert newer.sha256 == "f3a6bc281e72f88862f5748b53be3d76b3b48f8f1ab1f4a537941bdc4e1b01da"
    assert newer.sha384 == ""
    assert older.sha256 == "f0a2e278b430372d308fef67c1aea308c2baf37f32e8908d9bfce035c26a3fb4"
    assert older.sha384.startswith("4bceb34ee96c")
    assert older.sha384.endswith("26ec72")


def test_the_published_figures_are_whole_numbers_of_pairs() -> None:
    found = {(figure.dataset, figure.protocol): figure for figure in find_card("arcfaceresnet100-8").figures}
    for key, right, decimals in ((("lfw", "insightface"), 5986, 5), (("lfw", "omz"), 5981, 4)):
        assert round(right / found[key].pairs, decimals) == found[key].value


def test_yunets_card_is_of_the_file() -> None:
    content = localdata.path("models/face_detection_yunet_2023mar.onnx").read_bytes()
    (file,) = find_card("yunet").files
    assert file.size_bytes == len(content)
    assert file.digests == {name: hashlib.new(name, content).hexdigest() for name in ("sha256", "sha384")}


def test_a_card_is_found_by_its_files_digest_and_not_by_none() -> None:
    card = card_of("f0a2e278b430372d308fef67c1aea308c2baf37f32e8908d9bfce035c26a3fb4")
    assert card is not None
    assert card.name == "arcfaceresnet100-8"
    assert card_of("") is None
    assert card_of("0" * 64) is None


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no model is called 'vgg'; known are .*arcfaceresnet100-8.*w600k_r50"):
        find_card("vgg")
