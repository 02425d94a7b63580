"""What the pages show can be done: their Python runs, their command lines are taken, their links lead somewhere."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from cyclopts import App
from PIL import Image

from refnet.cli import app
from refnet.faces.gallery import write_gallery
from refnet.formats.onnx_writer import write_model
from refnet.zoo.samples import sample_images, sample_paths
from tests.faces.detect.graphs import scrfd_form
from tests.faces.gallery.people import crowd, gallery_of

ROOT = Path(__file__).parents[1]
LESSONS = sorted((ROOT / "docs" / "lessons").glob("*.py"))
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
FENCES = re.compile(r"^```([\w{}-]*)\n(.*?)^```$", flags=re.S | re.M)
A_PLACEHOLDER = re.compile(r"\b[A-Z]+\b(?!\.\w)")  # MODEL, T, NAME; but not A.png


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for language, text in FENCES.findall(page.read_text("utf-8")) if language in languages]


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrow_path: Path) -> dict[str, object]:
    """A folder with the files that pages name, as the current one, and the names that they take as given."""
    monkeypatch.chdir(tmp_path)
    Path("arcfaceresnet100-8.onnx").symlink_to(narrow_path)
    write_model(scrfd_form(), Path("face_detection_yunet_2023mar.onnx"))  # what a file is, is seen in its content
    Image.open(sample_paths()[0]).resize((320, 320)).save("photo.jpg")
    write_gallery(Path("known.npz"), gallery_of(*crowd(people=3)))
    images = sample_images().astype(np.float32)
    bgr = np.ascontiguousarray(images[:, ::-1].transpose(0, 2, 3, 1).astype(np.uint8))
    return {"images": images, "bgr_a": bgr[0], "bgr_b": bgr[1]}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=name_of)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: Path, names: dict[str, object]) -> None:
    for number, block in enumerate(blocks(page, "python"), start=1):
        exec(compile(block, f"{name_of(page)}, block {number}", "exec"), names)


def lines_of(page: Path) -> list[str]:
    """The command lines of a page: in its blocks, without what is said beside them, and within its sentences."""
    text = page.read_text("utf-8")
    if page in LESSONS:
        return re.findall(r"``(refnet [a-z-][^`\n]*)``", text)
    shown = [
        re.split(r"\s{2,}|\s#", match)[0]
        for block in blocks(page, "", "bash", "console", "sh", "text")
        for match in re.findall(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(refnet [a-z-].*)$", block, flags=re.M)
    ]
    return [*shown, *re.findall(r"`(refnet [a-z-][^`\n]*)`", FENCES.sub("", text))]


def command_of(words: list[str]) -> tuple[App, list[str]]:
    """The command that words call, and the words that are left."""
    command, rest = app, words[1:]
    while rest and rest[0] in command and not rest[0].startswith("-"):
        command, rest = command[rest[0]], rest[1:]
    return command, rest


def why_not(line: str) -> str | None:
    """What the command line would not take of a line, if anything.

    A line that stands for several (a placeholder, an alternative, what may be left out) is held to its commands and its
    options, and so is a command that is only named; a line that could be typed is parsed.
    """
    typed = not re.search(r"[|\[\]]|\.\.\.|\*", line) and not A_PLACEHOLDER.search(line)
    first, *others = re.split(r"\s\|\s", re.sub(r"[\[\]]|\.\.\.", "", line))
    command, rest = command_of(shlex.split(first))
    if command is app and rest[:1] != ["--help"]:
        return f"there is no command {rest[0]!r}"
    group, _ = command_of(shlex.split(first)[:2])
    for other in others:
        word = other.split()[0]
        if word.islower() and not word.startswith("-") and word not in group:
            return f"there is no command {word!r}"
    if not rest:
        return None
    options = {name for argument in command.assemble_argument_collection() for name in argument.names}
    for word in rest:
        if word.startswith("-") and word.split("=")[0] not in {*options, "--help", "--version"}:
            return f"there is no option {word!r}; there are {', '.join(sorted(options))}"
    if typed and rest != ["--help"]:
        app.parse_args(shlex.split(first)[1:], exit_on_error=False, print_error=False)
    return None


LINES = [(page, line) for page in [*PAGES, *LESSONS] for line in lines_of(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page.stem}: {line}" for page, line in LINES])
def test_the_command_line_takes_what_a_page_shows(page: Path, line: str) -> None:
    del page
    assert why_not(line) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("refnet resemble a.png", "no command 'resemble'"),
        ("refnet compare a.png b.png --treshold 0.4", "no option '--treshold'"),
        ("refnet gallery build | merge", "no command 'merge'"),
    ],
)
def test_a_line_that_is_not_taken_is_seen(line: str, why: str) -> None:
    assert why in str(why_not(line))


def test_there_is_something_to_hold_pages_to() -> None:
    assert len(LINES) > 80


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_links_is_there(page: Path) -> None:
    written = ("learn/", "commands/")  # when the site is built, which holds its links itself
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", FENCES.sub("", page.read_text("utf-8"))):
        assert target.startswith(written) or (page.parent / target).exists(), target
