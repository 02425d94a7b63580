"""`refnet gallery`: known faces in a file, and who a face is."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import refnet
from refnet.cli import main
from refnet.cli.console import printable
from refnet.zoo.samples import sample_images, sample_paths

A, B = map(str, sample_paths())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, narrow_path: Path) -> None:
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("REFNET_MODEL", str(narrow_path))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A folder of two people: the samples, one of them mirrored too."""
    folder = tmp_path / "people"
    (folder / "Ann").mkdir(parents=True)
    shutil.copy(A, folder / "Ann" / "1.png")
    Image.open(A).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "Ann" / "2.png")
    shutil.copy(B, folder / "Bob-1.png")
    return folder


@pytest.fixture
def gallery(tmp_path: Path, people: Path) -> str:
    path = tmp_path / "g.npz"
    assert main(["gallery", "build", str(people), "-o", str(path)]) == 0
    return str(path)


def test_build_says_what_it_made_and_list_shows_it(capsys, gallery, people):
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "3 images added; 2 identities, 3 images in" in printed.err
    assert main(["gallery", "list", gallery]) == 0
    assert capsys.readouterr().out == "Ann\t2 images\nBob\t1 image\n"
    assert main(["gallery", "list", gallery, "--images"]) == 0
    assert capsys.readouterr().out.splitlines()[2] == f"Bob\t{people}/Bob-1.png"
    assert main(["gallery", "list", gallery, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(entry["label"], len(entry["images"])) for entry in listed["identities"]] == [("Ann", 2), ("Bob", 1)]
    assert listed["provenance"]["model"] == "narrow.onnx"


def test_search_ranks_and_decides_nothing_without_a_threshold(capsys, gallery, narrow_path):
    capsys.readouterr()
    assert main(["gallery", "search", gallery, A]) == 0
    first, *ranked = capsys.readouterr().out.splitlines()
    assert first == A
    network = refnet.load(narrow_path)
    a, b = network(sample_images()[:2])
    assert ranked[0].split("\t")[:2] == ["   1.000000", "Ann"]
    assert ranked[1].split("\t")[:2] == [f"  {refnet.similarity(a, b):9.6f}", "Bob"]


def test_search_gives_the_number_that_compare_gives(capsys, gallery, people):
    capsys.readouterr()
    assert main(["gallery", "search", gallery, B, "--json", "-k", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["threshold"] is None
    assert found["exact"] is True
    (probe,) = found["probes"]
    assert (probe["match"], probe["label"]) == (None, None)
    for candidate in probe["candidates"]:
        assert main(["compare", B, candidate["image"], "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["similarity"] == candidate["similarity"]


def test_a_folder_of_probes_is_all_its_images(capsys, gallery, people):
    capsys.readouterr()
    assert main(["gallery", "search", gallery, B, str(people / "Ann"), "-k", "1", "--json"]) == 0
    probes = json.loads(capsys.readouterr().out)["probes"]
    assert [Path(probe["probe"]).name for probe in probes] == ["sample_b.png", "1.png", "2.png"]
    assert [probe["candidates"][0]["label"] for probe in probes] == ["Bob", "Ann", "Ann"]


def test_with_a_threshold_a_face_is_someone_or_unknown(capsys, gallery):
    capsys.readouterr()
    assert main(["gallery", "search", gallery, A, "--threshold", "0.999"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{A}: Ann at 0.999\n")
    assert "threshold given by the user" in printed.err
    assert main(["gallery", "remove", gallery, "Ann"]) == 0
    assert main(["gallery", "search", gallery, A, B, "--threshold", "0.001", "--metric", "l2", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(probe["match"], probe["label"]) for probe in found["probes"]] == [(False, None), (True, "Bob")]
    assert found["threshold"]["metric"] == "l2"


def test_a_calibration_decides_for_its_own_model_only(capsys, gallery, tmp_path):
    capsys.readouterr()
    assert main(["gallery", "list", gallery, "--json"]) == 0
    digest = json.loads(capsys.readouterr().out)["provenance"]["model_sha256"]
    calibration = {"schema_version": 1, "kind": "calibration", "metric": "cosine", "threshold": 0.99, "far": 0.01}
    calibration |= {"pairs": 300, "model_sha256": digest, "pipeline": "aligned crops"}
    path = tmp_path / "c.json"
    path.write_text(json.dumps(calibration))
    assert main(["gallery", "search", gallery, A, "--calibration", str(path)]) == 0
    assert "far 0.01 on 300 impostor pairs" in capsys.readouterr().err.replace("\n", " ")
    assert main(["compare", A, B, "--calibration", str(path)]) == 1
    assert "no match at 0.99; threshold" in capsys.readouterr().out
    path.write_text(json.dumps(calibration | {"model_sha256": "ab" * 32}))
    for command in (["gallery", "search", gallery, A], ["compare", A, B]):
        assert main([*command, "--calibration", str(path)]) == 4
        assert "A threshold holds for one model only" in capsys.readouterr().err


def test_faces_of_one_photograph_are_named_once(capsys, gallery, people):
    mirrored = str(people / "Ann" / "2.png")
    capsys.readouterr()
    common = ["gallery", "search", gallery, A, mirrored, "--threshold", "-1", "--json", "-k", "1"]
    assert main(common) == 0
    assert [probe["label"] for probe in json.loads(capsys.readouterr().out)["probes"]] == ["Ann", "Ann"]
    assert main([*common, "--assign", "hungarian"]) == 0
    found = json.loads(capsys.readouterr().out)["probes"]
    assert sorted(probe["label"] for probe in found) == ["Ann", "Bob"]
    assert [len(probe["candidates"]) for probe in found] == [1, 1]


def test_the_approximate_search_says_that_it_is_one(capsys, gallery):
    capsys.readouterr()
    assert main(["gallery", "search", gallery, A, "--approximate", "--json"]) == 0
    printed = capsys.readouterr()
    assert "building the index of 3 images" in printed.err
    assert json.loads(printed.out)["exact"] is False
    assert main(["gallery", "search", gallery, A, "--approximate"]) == 0
    assert "building" not in capsys.readouterr().err


def test_add_keeps_what_is_there(capsys, gallery, people):
    capsys.readouterr()
    assert main(["gallery", "add", gallery, str(people)]) == 0
    assert "0 images added (3 were there already); 2 identities, 3 images" in capsys.readouterr().err
    assert main(["gallery", "add", gallery, A, "--label", "Cleo"]) == 0
    assert f"{A} of Cleo" in capsys.readouterr().err.replace("\n", "")
    assert main(["gallery", "verify", gallery]) == 1
    assert "the same embedding: Ann" in capsys.readouterr().out
    assert main(["gallery", "remove", gallery, "--image", A]) == 0
    assert "1 image removed; 2 identities, 3 images" in capsys.readouterr().err
    assert main(["gallery", "verify", gallery, "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert (verified["identities"], verified["images"], verified["shared"]) == (2, 3, [])


@pytest.mark.parametrize("suffix", ["npz", "csv", "jsonl"])
def test_files_of_embeddings_are_labelled_as_said_and_need_no_model(capsys, people, tmp_path, monkeypatch, suffix):
    records = str(tmp_path / f"e.{suffix}")
    assert main(["embed", str(people), "-o", records]) == 0
    monkeypatch.setenv("REFNET_MODEL", "absent.onnx")
    target = str(tmp_path / "g.npz")
    assert main(["gallery", "build", records, "-o", target]) == 2
    assert "says no labels; give --label, or --label-from folder or stem" in capsys.readouterr().err.replace("\n", " ")
    assert main(["gallery", "build", records, "-o", target, "--label-from", "folder", "--lower-case"]) == 0
    assert main(["gallery", "list", target]) == 0
    assert capsys.readouterr().out == "ann\t2 images\npeople\t1 image\n"
    assert main(["gallery", "search", target, f"{records}#{people}/Bob-1.png", "--threshold", "0.99"]) == 0
    assert "people at 0.99" in capsys.readouterr().out
    assert main(["gallery", "search", target, records, "-k", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_a_probe_of_another_model_is_refused(capsys, gallery, monkeypatch, narrow_path, tmp_path):
    other = tmp_path / "other.onnx"
    assert (
        main(["models", "make", "arcfaceresnet100-8", "--width", "1/16", "--units", "1,1,1,1", "-o", str(other)]) == 0
    )
    capsys.readouterr()
    for arguments in (["search", gallery, A], ["add", gallery, A, "--label", "Ann"]):
        assert main(["gallery", *arguments, "-m", str(other)]) == 4
        assert (
            "and the gallery cannot be compared: one comes from the model narrow.onnx"
            in capsys.readouterr().err.replace("\n", " ")
        )


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_added(capsys, people, tmp_path):
    (people / "Ann" / "3.png").write_bytes(b"nothing")
    assert main(["gallery", "build", str(people), "-o", str(tmp_path / "g.npz")]) == 1
    printed = capsys.readouterr().err
    assert "3.png: not an image that can be read" in printed.replace("\n", "")
    assert "3 images added" in printed
    assert "1 image could not be read" in printed


def test_damage_is_status_4_and_names_the_part(capsys, gallery):
    with np.load(gallery) as file:
        arrays = dict(file)
    arrays["embeddings"] = arrays["embeddings"] + np.float32(1)
    np.savez(gallery, **arrays)
    for command in ("verify", "list"):
        assert main(["gallery", command, gallery]) == 4
        assert "the part 'embeddings' is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", A, "-o", "g.db"], "the suffix is '.db'; expected .npz"),
        (["build", A, "-o", "GALLERY"], "is there already; `refnet gallery add` adds to it"),
        (["build", A, "-o", "new.npz", "--label", ""], "a label is ''; expected a name"),
        (["build", A, "-o", "new.npz", "--label", "Ann", "--label-from", "stem"], "give it without --label-from"),
        (["build", "PEOPLE", "PEOPLE/Ann/1.png", "-o", "new.npz"], "was given twice, as 'Ann' and as '1'; give it once"),
        (["remove", "GALLERY"], "nothing to remove; give a LABEL or --image NAME"),
        (["remove", "GALLERY", "Zoe"], "no identity in the gallery is called 'Zoe'"),
        (["remove", "GALLERY", "Ann", "Bob"], "nothing would be left in the gallery"),
        (["search", "GALLERY", A, "--assign", "hungarian"], "give it a --threshold or a --calibration"),
        (["search", "GALLERY", A, "--metric", "l2"], "--metric says how --threshold is meant"),
        (["search", "GALLERY", A, "--threshold", "3"], "threshold is 3; expected cosine"),
        (["search", "GALLERY", A, "--calibration", "c.json", "--threshold", "0.3"], "give it without --threshold"),
        (["search", "GALLERY", A, "-k", "0"], "0 identities were asked for"),
    ],
)  # fmt: skip
def test_usage_errors_are_status_2_and_change_nothing(
    capsys, gallery, people, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    before = Path(gallery).read_bytes()
    capsys.readouterr()
    given = [part.replace("GALLERY", gallery).replace("PEOPLE", str(people)) for part in arguments]
    assert main(["gallery", *given]) == 2
    assert message in capsys.readouterr().err.replace("\n", " ")
    assert Path(gallery).read_bytes() == before
    assert not (tmp_path / "new.npz").exists()


def test_a_gallery_that_is_not_there_is_status_4_and_leaves_no_lock(capsys, tmp_path):
    for arguments in (["search", A], ["add", A], ["remove", "x"], ["list"], ["verify"]):
        assert main(["gallery", arguments[0], str(tmp_path / "g.npz"), *arguments[1:]]) == 4
        assert "g.npz: no such file" in capsys.readouterr().err.replace("\n", "")
    assert not list(tmp_path.glob(".*"))


def test_hostile_labels_are_printed_on_one_line_that_does_nothing(capsys, gallery):
    for label in ("\x1b[31m\nBob", ":smile:", "[red]", "a\tb", "\U0001f469", "\u202eevil"):
        assert main(["gallery", "add", gallery, B, "--label", label]) == 0
    capsys.readouterr()
    assert main(["gallery", "list", gallery]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert sorted(line.split("\t")[0] for line in printed.splitlines()) == sorted(
        ["Ann", "Bob", "\\x1b[31m\\nBob", ":smile:", "[red]", "a\\tb", "\U0001f469", "\\u202eevil"]
    )
    assert main(["gallery", "list", gallery, "--json"]) == 0
    assert "\x1b[31m\nBob" in [entry["label"] for entry in json.loads(capsys.readouterr().out)["identities"]]


def test_what_cannot_be_seen_is_escaped_without_ambiguity():
    assert printable("a\\n\n\udcff\u200d é") == "a\\\\n\\n\\udcff\\u200d é"


def test_missing_extras_are_status_5_with_the_line_that_installs_them(capsys, gallery, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    monkeypatch.setitem(sys.modules, "usearch", None)
    capsys.readouterr()
    assert main(["gallery", "search", gallery, A, "--threshold", "0", "--assign", "hungarian"]) == 5
    assert 'pip install "refnet[gallery]"' in capsys.readouterr().err
    assert main(["gallery", "search", gallery, A, "--approximate"]) == 5
    assert 'pip install "refnet[ann]"' in capsys.readouterr().err


def test_a_place_that_takes_no_gallery_is_refused_before_a_model_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "absent" / "g.npz"
    assert main(["gallery", "build", str(tmp_path), "-o", str(place), "-m", str(tmp_path / "absent.onnx")]) == 2
    assert "there is no folder" in capsys.readouterr().err
