"""What the pages say of thresholds and interfaces is so."""

import json
import re
from pathlib import Path
from typing import get_args

from refnet.compat import onnxruntime as session_module
from refnet.compat.insightface import ArcFaceONNX
from refnet.faces.calibration import read_calibration
from refnet.faces.detect import LIMIT
from refnet.faces.detect.kinds import SCRFD, YUNET
from refnet.faces.gallery import write_gallery
from refnet.faces.landmarks import photograph_key, read_landmarks
from refnet.faces.pipeline import Status
from refnet.faces.thresholds import CONVENTIONS, METRICS, convert
from tests.faces.gallery.people import crowd, gallery_of

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_operating_points_converts_rightly():
    text = (DOCS / "thresholds.md").read_text()
    rows = re.findall(r"^\| ([\d.]+) \| (\w+) \| ([\d.]+) \|", text, flags=re.M)
    assert len(rows) == 8
    for value, metric, cosine in rows:
        assert f"{convert(float(value), metric, 'cosine'):.3f}" == cosine


def test_every_convention_is_in_the_table_with_its_formula_and_direction():
    text = (DOCS / "thresholds.md").read_text()
    for metric in METRICS:
        (row,) = [line for line in text.splitlines() if line.startswith("| `") and f"`{metric}`" in line.split("|")[1]]
        it = CONVENTIONS[metric]
        assert ("at least" if it.larger_is_closer else "at most") in row
        assert it.formula in row or metric in ("degrees", "radians")


def test_the_calibration_it_shows_is_one(tmp_path):
    (shown,) = re.findall(r"```json\n(.*?)```", (DOCS / "thresholds.md").read_text(), flags=re.S)
    (tmp_path / "c.json").write_text(shown)
    assert read_calibration(tmp_path / "c.json").far == json.loads(shown)["far"]


def test_the_landmarks_it_shows_can_be_read(tmp_path):
    text = (DOCS / "alignment.md").read_text()
    for form in ("json", "csv"):
        (shown,) = re.findall(rf"```{form}\n(.*?)```", text, flags=re.S)
        (tmp_path / f"x.{form}").write_text(shown)
        sidecar = read_landmarks(tmp_path / f"x.{form}")
        assert sidecar[photograph_key(tmp_path / "anna.jpg")][0].landmarks[0].tolist() == [30.1, 51.2]


def test_the_table_of_detectors_says_what_is_used():
    text = (DOCS / "detection.md").read_text()
    for kind in (YUNET, SCRFD):
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {kind.name}")]
        assert row.endswith(f"| {kind.threshold} | {kind.overlap} |")
    assert f"more than {LIMIT} pixels" in text


def test_every_status_of_a_photograph_is_in_the_table():
    text = (DOCS / "alignment.md").read_text()
    assert {*re.findall(r"^\| `(.*?)` \|", text, flags=re.M)} == {*get_args(Status)} - {"ok"}


def test_the_attributes_and_calls_it_names_are_there(narrow_path):
    text = (DOCS / "compat.md").read_text()
    (listed,) = re.findall(r"- Attributes: (.*?)\.\n", text, flags=re.S)
    recogniser = ArcFaceONNX(str(narrow_path))
    for name in re.findall(r"`(\w+)`", listed):
        assert hasattr(recogniser, name)
    (row,) = [line for line in text.splitlines() if line.startswith("| `set_providers`")]
    for name in re.findall(r"`(\w+)`", row):
        assert hasattr(session_module, name) or hasattr(session_module.InferenceSession, name)


def test_the_gallery_is_read_with_the_lines_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gallery = gallery_of(*crowd(people=3))
    write_gallery(Path("known.npz"), gallery)
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "gallery.md").read_text(), flags=re.S)
    shown: dict[str, object] = {}
    exec(code, shown)
    assert shown["labels"] == list(gallery.labels)
    assert shown["embeddings"].shape == gallery.embeddings.shape
