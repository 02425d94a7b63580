"""Faces that are held: how an image becomes one, and for how long."""

import io

import numpy as np
import pytest
from PIL import Image

from refnet.errors import InputError, UsageError
from refnet.faces.detect import load_detector
from refnet.faces.pipeline import Pipeline
from refnet.web.album import UPLOADS, Album
from refnet.zoo.samples import sample_crops, sample_paths
from tests import localdata


def png(width=112, height=112):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def album():
    return Album(112, 112, "no detector here")


def test_an_image_of_the_networks_size_is_taken_as_it_is(album):
    face = album.take(sample_paths()[0].read_bytes(), "a.png")
    np.testing.assert_array_equal(face.crop, sample_crops()[0])
    assert face.notes == ("taken as an aligned crop, because it has exactly 112 x 112 pixels",)
    assert album[face.id] is face


def test_without_a_detector_a_photograph_is_refused_with_the_reason(album):
    words = "p.png: the image is 300 x 200 pixels; expected an aligned crop of 112 x 112, because .*: no detector here"
    with pytest.raises(InputError, match=words):
        album.take(png(300, 200), "p.png")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "x: not an image that can be read: the file is empty"),
        (b"<html>", "x: not an image that can be read: it looks like a web page"),
        (png()[:-200], "x: damaged or unreadable"),
    ],
)
def test_what_is_no_image_is_refused(album, body, words):
    with pytest.raises(InputError, match=words):
        album.take(body, "x")


def test_ids_cannot_be_guessed_and_the_newest_stay(album):
    album.keep("first", "sample", sample_crops()[0])
    faces = [album.take(png(), f"{n}.png") for n in range(UPLOADS + 1)]
    assert len({face.id for face in faces}) == UPLOADS + 1
    assert min(len(face.id) for face in faces) >= 16
    assert album[faces[-1].id].title == f"{UPLOADS}.png"
    with pytest.raises(UsageError, match="not held any longer: the explorer keeps the newest 16; give it again"):
        album[faces[0].id]
    assert album["first"].title == "sample"


def test_a_mirror_image_exchanges_left_and_right(album):
    face = album.mirrored(album.keep("first", "sample", sample_crops()[0]).id)
    np.testing.assert_array_equal(face.crop[:, :, 0], sample_crops()[0][:, :, -1])
    assert face.title == "sample, mirrored"


def test_photographs_are_searched_for_faces():
    detector = load_detector(localdata.path("models/face_detection_yunet_2023mar.onnx"))
    album = Album(112, 112, Pipeline(detector))
    one = album.take(localdata.path("photos/Rob_Lowe_0001.jpg"), "rob.jpg")
    assert one.crop.shape == (3, 112, 112)
    assert one.notes == ("the face was found in a photograph of 250 x 250 pixels, and aligned",)
    group = album.take(localdata.path("photos/group.jpg"), "group.jpg")
    assert ", the largest of 6, and aligned" in group.notes[-1]
    with pytest.raises(InputError, match=r"^noise\.png: no face was found"):
        album.take(png(300, 200), "noise.png")
