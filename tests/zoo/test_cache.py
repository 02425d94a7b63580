"""A name becomes the right file or none; a file is known by its bytes."""

import hashlib
from pathlib import Path

import pytest

from refnet.errors import ModelError, UnsupportedModelError
from refnet.zoo import cached_file, cards, find_card, model_folder, resolve
from refnet.zoo.identify import departure, identify, matches
from refnet.zoo.place import place
from tests.zoo.fake_card import CONTENT, NAME, card, known, model_file


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("REFNET_MODEL", raising=False)


def put(content: bytes) -> Path:
    path = model_folder(card()) / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_name_or_alias_is_the_cached_file_if_its_bytes_are_right() -> None:
    with known(card()):
        path = put(CONTENT)
        assert resolve("small") == resolve("little") == path == cached_file(card())


def test_a_file_changed_after_it_was_found_right_is_not_trusted_again() -> None:
    with known(card()):
        path = put(CONTENT)
        assert resolve("small") == path
        with path.open("r+b") as file:
            file.write(b"?")
        with pytest.raises(ModelError, match=r"is not small: its sha256 is \w{64}; expected .* `refnet models fetch"):
            resolve("small")


def test_a_file_of_another_size_is_not_read() -> None:
    with known(card()):
        put(b"version https://git-lfs.github.com/spec/v1\noid sha256:f3a6\nsize 300002\n")
        with pytest.raises(ModelError, match=r"it has 71 bytes; expected 300,002: this is a Git LFS pointer"):
            resolve("small")


def test_a_missing_model_is_told_with_every_way_to_get_it() -> None:
    with pytest.raises(ModelError) as caught:
        resolve(None)
    for words in ("refnet models fetch arcfaceresnet100-8", "refnet models import FILE", "refnet models make"):
        assert words in str(caught.value)
    with pytest.raises(ModelError) as caught:
        resolve("glintr100")
    assert "make" not in str(caught.value)


def test_the_quantised_sibling_is_known_and_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"arcfaceresnet100-11-int8 is known and refused: .*8-bit integers"):
        resolve("arcfaceresnet100-11-int8")


def test_a_file_is_identified_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    with known(card(), card(model_file(CONTENT[:-1]), name="smaller", aliases=())):
        (tmp_path / "x").write_bytes(CONTENT[:-1])
        found = identify(tmp_path / "x")
        assert found is not None
        assert (found.card.name, found.note) == ("smaller", "the only one")
        (tmp_path / NAME).write_bytes(CONTENT[:-1] + b"?")
        assert identify(tmp_path / NAME) is None


def test_a_file_whose_digest_is_not_known_is_never_right(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    assert not matches(tmp_path / "x", model_file(sha256=""))
    assert matches(tmp_path / "x", model_file())


def test_sha384_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    by_sha384 = model_file(sha256="", sha384=hashlib.sha384(CONTENT).hexdigest())
    assert matches(tmp_path / "x", by_sha384)
    (tmp_path / "y").write_bytes(CONTENT[:-1] + b"?")
    assert not matches(tmp_path / "y", by_sha384)
    assert departure(tmp_path / "y", [by_sha384]).startswith("its sha384 is ")


def test_a_file_that_is_not_there_is_an_error_and_not_a_no(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="x cannot be read: no such file or directory"):
        identify(tmp_path / "x")


def test_a_file_that_changes_while_it_is_copied_is_not_placed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(ModelError, match="x changed while it was copied; nothing was written"):
        place(tmp_path / "x", tmp_path / "y", model_file())
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_cards_of_a_test_are_gone_after_it() -> None:
    with known(card()):
        assert [known_card.name for known_card in cards()] == ["small"]
    assert find_card("yunet")
