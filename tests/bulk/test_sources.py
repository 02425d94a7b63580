"""Which images are meant by what is given."""

import os
from pathlib import Path

import pytest

from refnet.bulk.sources import image_names
from refnet.errors import InputError


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/er/c.webp", "deep/d.jpeg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def test_a_folder_means_its_images_at_any_depth_in_the_order_of_names(photos: Path) -> None:
    assert [*image_names(["photos"])] == [
        "photos/a.PNG", "photos/b.jpg", "photos/deep/d.jpeg", "photos/deep/er/c.webp",
    ]  # fmt: skip


def test_inputs_keep_their_order_and_their_names(photos: Path) -> None:
    given = ["photos/b.jpg", "./photos/a.PNG", str(photos / "notes.txt")]
    assert [*image_names(given)] == given


def test_patterns_match_files_at_any_depth_where_they_say_so(photos: Path) -> None:
    assert [*image_names(["photos/*.jpg"])] == ["photos/b.jpg"]
    assert [*image_names(["photos/**/*.[jw]*"])] == ["photos/b.jpg", "photos/deep/d.jpeg", "photos/deep/er/c.webp"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(photos: Path) -> None:
    (photos / "x[1].jpg").touch()
    assert [*image_names(["photos/x[1].jpg"])] == ["photos/x[1].jpg"]


def test_links_to_folders_are_not_followed_within_a_folder(photos: Path) -> None:
    (photos / "deep" / "round").symlink_to(photos, target_is_directory=True)
    assert len([*image_names(["photos"])]) == 4


def test_names_that_are_no_text_are_told_as_the_system_has_them(photos: Path) -> None:
    name = os.fsencode(photos) + b"/deep/\xff.jpg"
    Path(os.fsdecode(name)).touch()
    assert os.fsdecode(name) in [*image_names([str(photos / "deep")])]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("absent.jpg", r"absent\.jpg: no such file or folder"),
        ("photos/*.gif", r"no file matches photos/\*\.gif"),
        ("empty", r"no images found in empty; looked for \.bmp, \.jpeg"),
    ],
)
def test_what_means_no_image_is_refused(photos: Path, entry: str, message: str) -> None:
    (photos.parent / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        [*image_names([entry])]


def test_names_are_told_one_by_one(photos: Path) -> None:
    names = image_names(["photos/b.jpg", "absent.jpg"])
    assert next(names) == "photos/b.jpg"
    with pytest.raises(InputError):
        next(names)
