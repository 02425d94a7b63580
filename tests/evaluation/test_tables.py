"""Tables of pairs: LFW's form and CSV, and what is refused of them."""

from pathlib import Path

import pytest
from PIL import Image

from refnet.errors import InputError
from refnet.evaluation.pairs import read_pairs
from tests import localdata


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder with images of two persons; the names count, not the pixels."""
    for name, number in (("Ann", 1), ("Ann", 2), ("Bob_B", 1), ("Bob_B", 3)):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name / f"{name}_{number:04d}.png")
    return tmp_path


@pytest.mark.parametrize("header", ["1\t1\n", "", "1 1\n", "1\n", "\n\n"])
@pytest.mark.parametrize("lines", ["Ann\t1\t2\nAnn\t2\tBob_B\t3\n", "Ann 1 2\r\n\r\nAnn 2  Bob_B 03"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lfws_table_names_images_by_person_and_number(people: Path, mark: str, header: str, lines: str) -> None:
    (people / "pairs.txt").write_text(mark + header + lines, "utf-8", newline="")
    pairs = read_pairs(people / "pairs.txt")
    assert pairs.same.tolist() == [True, False]
    assert [Path(pairs.images[n]).name for n in (pairs.second[1], pairs.first[1])] == ["Bob_B_0003.png", "Ann_0002.png"]
    assert pairs.people is not None
    assert [pairs.people[n] for n in (pairs.first[1], pairs.second[1])] == ["Ann", "Bob_B"]
    assert len(pairs.images) == 3


@pytest.mark.parametrize(
    ("header", "said"), [("10\t300", r"'10 300', says 3,000 genuine and as many"), ("2", "'2', says 2 genuine")]
)
def test_a_header_that_promises_other_pairs_is_refused(people: Path, header: str, said: str) -> None:
    (people / "p.txt").write_text(f"{header}\nAnn\t1\t2\nAnn\t2\tBob_B\t3\n")
    with pytest.raises(InputError, match=rf"{said}.*there are 1 and 1\. The table is cut off"):
        read_pairs(people / "p.txt")


def test_the_first_fold_of_lfw_has_the_header_of_one_fold(tmp_path: Path) -> None:
    text = localdata.path("lfw/pairs-fold1.txt").read_text()
    (tmp_path / "cut.txt").write_text(text[: len(text) // 2].rpartition("\n")[0])
    with pytest.raises(InputError, match=r"says 300 genuine and as many impostor pairs; there are"):
        read_pairs(tmp_path / "cut.txt")
    (tmp_path / "whole.txt").write_text(text)
    with pytest.raises(InputError, match=r"names images that are not there: .*Abel_Pacheco_0001\.jpg"):
        read_pairs(tmp_path / "whole.txt")


def test_a_table_may_tell_groups(people: Path) -> None:
    (people / "p.csv").write_text(
        "group,a,b,same\nx,Ann/Ann_0001.png,Ann/Ann_0002.png,1\ny,Ann/Ann_0001.png,Bob_B/Bob_B_0001.png,FALSE\n"
    )
    pairs = read_pairs(people / "p.csv")
    assert pairs.groups == ("x", "y")
    assert pairs.people is None


BOTH = "Ann/Ann_0001.png,Ann/Ann_0002.png"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.txt", "Ann 1 2\nAnn 1\n", "line 2: it has 2 fields; expected `name n m` or `name n other m`"),
        ("p.txt", "\nAnn 1 x\nAnn 1 Bob_B 1\n", "line 2: 'x' is no number of an image"),
        ("p.txt", "Ann 1 \u00b2\nAnn 1 Bob_B 1\n", "line 1: '\u00b2' is no number of an image"),
        ("p.txt", f"Ann 1 {'9' * 5000}\n", "line 1: '9+' is no number of an image"),
        ("p.txt", f"{'A' * 300} 1 2\n", r"names images that are not there: .*A_0001\.jpg"),
        ("p.txt", "Ann 1 2\nAnn 1 Bob_B 2\n", r"not there: .*Bob_B_0002\.jpg\. Give their folder with --images"),
        ("p.txt", "Ann 1 2\nAnn 1 Bob_B 1\nAnn 2 1\n", "line 3: the pair of line 1 again; each may count once"),
        ("p.txt", "Ann 1 1\nAnn 1 Bob_B 1\n", "line 1: an image is paired with itself"),
        ("p.csv", "x,y\n1,2\n", r"columns are \['x', 'y'\]; expected a, b, same"),
        ("p.csv", "", r"columns are \[\]; expected a, b, same"),
        ("p.csv", f"a,b,same\n{BOTH},maybe\n", "line 2: .*same='maybe'; expected two images, and 1 or 0"),
        ("p.csv", f"a,b,same\n{BOTH}\n", "line 2: expected 3 fields, a,b,same"),
        ("p.csv", f"a,b,same\n{BOTH},1,x\n", "line 2: expected 3 fields, a,b,same"),
        ("p.csv", f"a,b,same\n{BOTH},1\n{BOTH},0\n", "line 3: the pair of line 2 again"),
        ("p.csv", f"a,b,same\n{'y' * 300},b,1\n", "names images that are not there: .*yyy, .*b. Give their folder"),
        ("p.csv", f"a,b,same\n{'y' * 200_000},b,1\n", "not a line of a table .field larger than field limit"),
        ("p.csv", 'a,b,same\n"y,b,1\n', "not a line of a table .unexpected end of data"),
        ("p.csv", "a,b,same\nx\ry,b,1\n", "line [23]: expected 3 fields|not a line of a table"),
        ("p.csv", "a,b,same\n\0,b,1\n", "names images that are not there"),
        ("p.csv", "a,b,same\n", "there is no pair in it"),
    ],
)  # fmt: skip
def test_tables_of_another_form_are_refused(people: Path, name: str, text: str, message: str) -> None:
    (people / name).write_text(text, "utf-8", newline="")
    with pytest.raises(InputError, match=message):
        read_pairs(people / name)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it is no text"):
        read_pairs(tmp_path / "p.txt")


def test_all_that_is_missing_is_named_up_to_a_bound(people: Path) -> None:
    (people / "p.txt").write_text("".join(f"Cid {n} {n + 1}\n" for n in range(1, 20)))
    with pytest.raises(InputError, match=r"Cid_0005\.jpg and 15 more\. Give"):
        read_pairs(people / "p.txt")
