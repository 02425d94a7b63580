"""Which images are meant by what is given."""

import os
import shutil
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from refnet.bulk.prepared import Found, prepare
from refnet.bulk.sources import image_names
from refnet.errors import InputError
from refnet.faces import folders
from refnet.faces.image import find_images


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


@contextmanager
def nested(folder: Path, name: str) -> Iterator[Path]:
    """1,100 folders in one another, an image in every hundredth."""
    here = Path.cwd()
    os.chdir(folder)
    for level in range(1100):
        os.mkdir(name)  # noqa: PTH102
        os.chdir(name)
        if level % 100 == 99:
            Path("a.png").touch()
    os.chdir(here)
    yield folder / name
    while (folder / name).exists():  # level by level: what calls itself does not get through
        (folder / name).rename(folder / "gone")
        if (folder / "gone" / name).exists():
            (folder / "gone" / name).rename(folder / name)
        shutil.rmtree(folder / "gone")


def test_a_thousand_folders_in_one_another_are_walked(tmp_path: Path) -> None:
    with nested(tmp_path, "d") as deep:
        names = [*image_names([str(deep)])]
        assert [name.count("d/") for name in names] == [100 * n for n in range(1, 12)]
        assert names == [str(path) for path in find_images([deep])]


def test_what_no_path_reaches_is_told_once_and_fails_as_one_input(tmp_path: Path) -> None:
    with nested(tmp_path, "dddd") as deep:
        *images, lost = image_names([str(deep)])
        assert [name.count("/dddd") for name in images] == [100 * n for n in range(1, 9)]
        assert len(os.fsencode(lost)) >= os.pathconf("/", "PC_PATH_MAX")
        assert "more than the system can open" in prepare(lost, unreadable).reason


def test_a_pattern_too_deep_to_follow_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with nested(tmp_path, "d") as deep, pytest.raises(InputError, match="too deep for a pattern; give the folder"):
        [*image_names([f"{deep}/**/*.png"])]


def test_the_order_is_that_of_names_as_python_compares_them_however_many_runs_they_fill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_RUN", 3)
    names = ["b.png", "a.png", "\udcff.png", "\ue000.png", "é.png", "B.png", "a b.png", "a.b.png", "c/x.png", "c.png"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [*image_names([str(tmp_path)])] == [
        str(tmp_path / name) for name in sorted(names, key=lambda n: n.split("/"))
    ]


def test_a_folder_that_cannot_be_listed_fails_as_an_image_and_the_others_go_on(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert [*image_names(["photos"])] == ["photos/a.PNG", "photos/b.jpg", "photos/deep"]
    assert prepare("photos/deep", unreadable).reason == "photos/deep: the folder cannot be read: permission denied"
    with pytest.raises(InputError, match="photos/deep: the folder cannot be read: permission denied"):
        [*image_names(["photos/deep"])]


def unreadable(name: str) -> Found:
    raise InputError(f"{name}: damaged")


def test_a_name_costs_its_bytes_and_little_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "many").mkdir()
    for n in range(20_000):
        (tmp_path / "many" / f"{n:016}.png").touch()
    names = image_names([str(tmp_path / "many")])
    tracemalloc.start()
    try:
        next(names)
        held, most = tracemalloc.get_traced_memory()
        assert held < 20_000 * 30  # 20 bytes of the name, one between
        assert most < 20_000 * 30 + folders._RUN * 200  # and one run that is being sorted
        assert sum(1 for _ in names) == 19_999
    finally:
        tracemalloc.stop()


def test_a_name_that_is_too_long_is_no_such_file() -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        [*image_names(["x" * 5000])]


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
