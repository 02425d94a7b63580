"""Names, patterns and lists mean the cards they should."""

from pathlib import Path

import pytest

from refnet.errors import InputError, UsageError
from refnet.zoo import read_list, select


def names(*patterns: str) -> list[str]:
    return [card.name for card in select(patterns)]


def test_names_aliases_and_patterns_in_the_order_asked_for_each_once() -> None:
    assert names("w600k_*") == ["w600k_mbf", "w600k_r50"]
    assert names("yunet") == ["face_detection_yunet_2023mar"]
    assert names("w600k_r50,glintr100", "w600k_*") == ["w600k_r50", "glintr100", "w600k_mbf"]
    assert names("face-recognition-*") == ["arcfaceresnet100-8"]
    assert names("face?recognition-resnet100-arcface-onnx") == ["arcfaceresnet100-8"]
    assert len(names("*")) == 6


@pytest.mark.parametrize("pattern", ["vgg*", "YUNET", "", "yunet,,glintr100"])
def test_a_pattern_without_a_model_is_named(pattern: str) -> None:
    missing = next(part for part in pattern.split(",") if part not in ("yunet", "glintr100"))
    with pytest.raises(UsageError, match=rf"no model matches '{missing.replace('*', '[*]')}'; known are arcface"):
        select((pattern,))


def test_a_list_gives_the_first_word_of_each_line(tmp_path: Path) -> None:
    path = tmp_path / "models.lst"
    path.write_text("# models\n\nw600k_*  --precisions FP16 # two\n'yunet'\n   glintr100\n")
    assert read_list(path) == ("w600k_*", "yunet", "glintr100")


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "models.lst"
    with pytest.raises(InputError, match=r"the list .*models[.]lst: no such file"):
        read_list(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"the list .*models[.]lst: cannot be read"):
        read_list(path)
    path.write_text("yunet\n'glintr100\n")
    with pytest.raises(InputError, match=r"models.lst, line 2: no closing quotation"):
        read_list(path)
