"""Who an image is of, from where it lies."""

from pathlib import Path, PurePath

import pytest

from refnet import InputError, UsageError
from refnet.faces.gallery.labels import clean_label, label_of, labelled_images


@pytest.mark.parametrize(
    ("path", "below", "rule", "label"),
    [
        ("people/Ann/1.png", "people", None, "Ann"),
        ("people/Ann/2019/may/1.png", "people", None, "Ann"),
        ("people/Ann-1.png", "people", None, "Ann"),
        ("people/Ann-Lee-0012.png", "people", None, "Ann-Lee"),
        ("people/Ann-1-2.png", "people", None, "Ann-1"),
        ("Ann.0.png", None, None, "Ann.0"),
        ("Ann-0.png", None, None, "Ann"),
        ("Ann-.png", None, None, "Ann-"),
        ("Ann12.png", None, None, "Ann12"),
        ("people/Ann/Bob-1.png", "people", "stem", "Bob"),
        ("people/Ann/1.png", None, "folder", "Ann"),
        ("people/1.png", "people", "folder", "people"),
        ("Ann-\u0663.png", None, None, "Ann-\u0663"),
    ],
)
def test_folder_or_stem(path, below, rule, label):
    assert label_of(PurePath(path), None if below is None else PurePath(below), rule) == label


def test_case_is_kept_unless_it_is_asked_away():
    assert label_of(PurePath("Ann-0.jpg")) == "Ann"
    assert label_of(PurePath("Ann-0.jpg"), lower=True) == "ann"


def test_two_spellings_of_one_text_are_one_label():
    assert clean_label("Zoe\u0308") == clean_label("Zo\u00eb") == "Zo\u00eb"


@pytest.mark.parametrize(
    "text",
    ["\n\x1b[31m", "../../etc/passwd", "\U0001f469\u200d\U0001f680", "\udcff", " Ann ", ":smile:", "[red]", "a\0b"],
)
def test_hostile_labels_stay_what_they_are(text):
    assert clean_label(text) == text


@pytest.mark.parametrize(("text", "message"), [("", "a label is ''"), (" \t\n", "a label is ' .t.n'"), ("x" * 1001, "a label has 1,001 characters .'xxxxx")])  # fmt: skip
def test_labels_that_name_nobody_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        clean_label(text)


def test_an_image_in_no_folder_cannot_be_labelled_by_one():
    with pytest.raises(InputError, match=r"it lies in no folder to be labelled by; say --label or --label-from stem"):
        label_of(PurePath("1.png"), None, "folder")


def test_the_images_of_a_folder_with_their_labels(tmp_path: Path):
    for name in ("Ann/1.png", "Ann/old/2.png", "Bob-3.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {path.relative_to(tmp_path).as_posix(): label for path, label in labelled_images(tmp_path)}
    assert found == {"Ann/1.png": "Ann", "Ann/old/2.png": "Ann", "Bob-3.png": "Bob"}
    assert labelled_images(tmp_path / "Bob-3.png") == [(tmp_path / "Bob-3.png", "Bob")]
