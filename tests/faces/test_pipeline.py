"""Which faces are taken, which are left out, and what is said of it."""

from pathlib import Path

import numpy as np
import pytest

from refnet import UsageError
from refnet.faces.align import align
from refnet.faces.detect.detector import Detector
from refnet.faces.face import Face
from refnet.faces.landmarks import photograph_key
from refnet.faces.pipeline import Outcome, Pipeline, Policy, crops_of, eyes_px
from tests.comparison import assert_within
from tests.faces.detect.graphs import scrfd_form

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
PHOTOGRAPH = np.random.default_rng(9).integers(0, 256, (400, 600, 3), dtype=np.uint8)


def _at(x: float, y: float, scale: float = 1) -> Face:
    """A face whose crop begins at (x, y) and is 112 * scale pixels wide in the photograph."""
    return Face(TEMPLATE * scale + [x, y])


def _outcome(*faces: Face, policy: Policy = "largest", **options: float) -> Outcome:
    pipeline = Pipeline({photograph_key("a.jpg"): list(faces)}, faces=policy, **options)  # type: ignore[arg-type]
    return crops_of(PHOTOGRAPH, pipeline, "a.jpg")


SMALL, MIDDLE, LARGE = _at(10, 10), _at(10, 200, 1.5), _at(300, 50, 2)


def test_the_largest_is_taken_wherever_it_stands() -> None:
    outcome = _outcome(SMALL, LARGE, MIDDLE)
    assert [taken.face for taken in outcome.faces] == [LARGE]
    assert (outcome.status, outcome.reason, outcome.found, outcome.left_out) == ("ok", "", 3, ())


def test_all_are_taken_the_largest_first() -> None:
    assert [taken.face for taken in _outcome(SMALL, LARGE, MIDDLE, policy="all").faces] == [LARGE, MIDDLE, SMALL]


def test_the_single_one_is_taken_and_several_are_refused() -> None:
    assert [taken.face for taken in _outcome(SMALL, policy="single").faces] == [SMALL]
    outcome = _outcome(SMALL, LARGE, policy="single")
    assert (outcome.faces, outcome.status, len(outcome.left_out)) == ((), "several faces", 2)
    assert outcome.reason == "2 faces were found; expected a single one"


def test_the_crop_is_the_alignments() -> None:
    taken = _outcome(LARGE).faces[0]
    assert np.array_equal(taken.alignment.crop, align(PHOTOGRAPH, LARGE.landmarks).crop)
    assert np.array_equal(_outcome(SMALL).faces[0].alignment.crop, PHOTOGRAPH[10:122, 10:122])


def test_a_photograph_without_a_face_says_so() -> None:
    outcome = _outcome()
    assert (outcome.status, outcome.reason) == ("no face", "the file of landmarks has none for this photograph")
    pipeline = Pipeline(Detector(scrfd_form()), threshold=1.0)
    assert crops_of(PHOTOGRAPH, pipeline).reason == "no face was found"


def test_the_distance_of_the_eyes_is_the_templates() -> None:
    """A profile: the eyes themselves come close, the template as it lies on the face hardly shrinks."""
    assert eyes_px(SMALL) == pytest.approx(np.linalg.norm(TEMPLATE[1] - TEMPLATE[0]))
    profile = Face(TEMPLATE * [0.4, 1])
    assert np.linalg.norm(profile.landmarks[1] - profile.landmarks[0]) < 15
    assert eyes_px(profile) > 25


def test_a_face_that_is_too_small_is_left_out_at_the_limit() -> None:
    face = _at(50, 50, 0.5)  # 17.6 pixels between the eyes
    assert _outcome(face, min_eyes_px=17.6).status == "ok"
    outcome = _outcome(face, min_eyes_px=17.7)
    assert (outcome.faces, outcome.status) == ((), "too small")
    assert outcome.reason == "the eyes are 17.6 pixels apart; expected at least 17.7"


def test_a_face_with_a_landmark_outside_is_cut_off() -> None:
    outcome = _outcome(_at(-39, 50))
    assert (outcome.status, outcome.reason) == ("cut off", "1 of 5 landmarks lie outside the photograph")


def test_a_crop_that_is_partly_outside_is_cut_off_beyond_its_share() -> None:
    """28 and 29 of 112 columns outside: a quarter, and more."""
    assert _outcome(_at(-27.5, 50)).faces[0].alignment.outside == 0.25
    outcome = _outcome(_at(-28.5, 50))
    assert (outcome.status, outcome.reason) == (
        "cut off",
        "26% of the crop lies outside the photograph; expected at most 25%",
    )


def test_landmarks_of_no_face_are_left_out() -> None:
    outcome = _outcome(Face(np.outer(np.arange(5.0), [1, 1])))
    assert (outcome.status, outcome.reason) == ("not a face", "the landmarks lie on a line; expected those of a face")


def test_what_is_left_out_of_all_is_told_beside_what_is_taken() -> None:
    outcome = _outcome(_at(50, 50, 0.2), LARGE, policy="all")
    assert [taken.face for taken in outcome.faces] == [LARGE]
    assert [one.status for one in outcome.left_out] == ["too small"]
    assert (outcome.status, outcome.found) == ("ok", 2)


def test_a_largest_face_that_cannot_be_used_is_not_replaced_by_another() -> None:
    outcome = _outcome(_at(-100, 50, 2), SMALL)
    assert (outcome.faces, outcome.status) == ((), "cut off")


def test_descriptions_say_how_crops_are_made_and_not_which() -> None:
    detector = Detector(scrfd_form())
    texts = {Pipeline(detector, faces=policy).description for policy in ("largest", "all", "single")}  # type: ignore[arg-type]
    assert len(texts) == 1
    others = {
        Pipeline(detector, size=128).description,
        Pipeline(detector, limit=320).description,
        Pipeline(detector, threshold=0.7).description,
        Pipeline({}).description,
    }
    assert len(texts | others) == 5


def test_detections_and_their_alignments_belong_together() -> None:
    outcome = crops_of(PHOTOGRAPH, Pipeline(Detector(scrfd_form(3)), faces="all", min_eyes_px=0.1, threshold=0.3))
    assert outcome.found == len(outcome.faces) + len(outcome.left_out) > 0
    for taken in outcome.faces:
        assert_within(taken.alignment.landmarks, taken.face.landmarks)


def test_settings_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(UsageError, match="crops of 100 pixels have no template"):
        Pipeline({}, size=100)
    with pytest.raises(UsageError, match="faces is 'biggest'; expected one of largest, all, single"):
        Pipeline({}, faces="biggest")  # type: ignore[arg-type]


def test_photographs_are_known_by_their_whole_path(tmp_path: Path) -> None:
    pipeline = Pipeline({photograph_key(tmp_path / "a.jpg"): [SMALL]})
    assert crops_of(PHOTOGRAPH, pipeline, tmp_path / "a.jpg").status == "ok"
    assert crops_of(PHOTOGRAPH, pipeline, "a.jpg").status == "no face"
