"""The explorer over HTTP: what is answered, what is refused, and in which words."""

import io

import pytest
from PIL import Image
from starlette.datastructures import Headers

from refnet.web.app import BODY_BYTES, PAGE
from refnet.web.guard import refusal
from refnet.zoo.samples import sample_paths
from tests.web.server import ask, served


@pytest.fixture(scope="module")
def here(explorer):
    with served(explorer) as address:
        yield address


def test_the_page_and_its_parts_are_served(here):
    page = ask(here, "/")
    assert page.status == 200
    assert "<title>refnet explore</title>" in page.text
    for path in PAGE.iterdir():
        assert ask(here, f"/{path.name}").status == 200


def test_every_answer_stays_on_this_machine(here):
    for path in ("/", "/api/network", "/api/face.png?face=first", "/api/nothing", "/main.js"):
        headers = ask(here, path).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not any(name.startswith("access-control") for name in headers)


def test_questions_are_answered(here):
    assert ask(here, "/api/network").json["limit_bytes"] == BODY_BYTES
    with Image.open(io.BytesIO(ask(here, "/api/face.png?face=first").body)) as picture:
        assert picture.size == (112, 112)
    maps = ask(here, "/api/maps", {"face": "first", "tensor": "_plus0", "first": 0}).json
    assert (maps["total"], maps["height"]) == (4, 56)
    held = ask(here, "/api/maps", {"face": "first", "tensor": "_plus48", "holding": 31}).json
    assert 31 in held["channels"]
    asked = {"face": "first", "tensor": "conv0", "place": "1,2,3", "square": "0,0,20"}
    assert ask(here, "/api/element", asked).json["place"] == [1, 2, 3]
    both = {"face": "first", "other": "second", "square": "40,40,20"}
    found = ask(here, "/api/similarity", both).json
    assert found["similarity"] != found["whole"]


def test_an_image_is_taken_and_mirrored(here):
    taken = ask(here, "/api/faces", method="POST", query={"name": "a.png"}, body=sample_paths()[0].read_bytes())
    assert taken.status == 201
    assert taken.json["title"] == "a.png"
    mirrored = ask(here, "/api/mirror", method="POST", query={"face": taken.json["id"]})
    assert mirrored.json["title"] == "a.png, mirrored"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/maps?tensor=conv0&first=0", 400, "the parameter face is missing"),
        ("/api/maps?face=first&tensor=conv0&first=x", 400, "first is 'x'; expected whole numbers from 0, 1 of them"),
        ("/api/maps?face=first&tensor=conv0&first=-1", 400, "first is '-1'; expected whole numbers"),
        ("/api/maps?face=first&tensor=conv0&first=99", 400, "the tensor has 4, counted from 0"),
        ("/api/maps?face=first&tensor=conv9&first=0", 400, "the network has no layer 'conv9'; nearest are"),
        ("/api/element?face=first&tensor=conv0&place=1,2", 400, "'conv0' has no place (1, 2)"),
        (
            "/api/element?face=first&tensor=conv0&place=1,,2",
            400,
            "expected whole numbers from 0, whole numbers between",
        ),
        ("/api/similarity?face=first&other=gone", 400, "this face is not held any longer"),
        ("/api/similarity?face=first&other=second&square=1,2", 400, "square is '1,2'; expected"),
        ("/api/similarity?face=first&other=second&square=100,100,50", 400, "does not lie within the image"),
        ("/api/nothing", 404, "Not Found"),
        ("/../app.py", 404, "Not Found"),
    ],
)
def test_a_question_that_cannot_be_meant_gets_a_sentence(here, path, status, words):
    answer = ask(here, path)
    assert answer.status == status
    assert words in answer.json["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "x.jpg: not an image that can be read: the file is empty"),
        (b"%PDF-1.7", "it looks like a PDF"),
        (sample_paths()[0].read_bytes()[:3000], "x.jpg: damaged or unreadable"),
    ],
)
def test_a_file_that_is_no_photograph_gets_a_sentence(here, body, words):
    answer = ask(here, "/api/faces", method="POST", query={"name": "x.jpg"}, body=body)
    assert answer.status == 422
    assert words in answer.json["error"]
    assert ask(here, "/api/network").status == 200


def test_a_photograph_without_a_detector_gets_a_sentence(here):
    file = io.BytesIO()
    Image.new("RGB", (300, 200)).save(file, "PNG")
    answer = ask(here, "/api/faces", method="POST", query={"name": "p.png"}, body=file.getvalue())
    assert answer.status == 422
    assert "cannot be searched for faces: no detector is installed" in answer.json["error"]


def test_an_image_of_too_many_pixels_gets_a_sentence(here):
    file = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(file, "PNG")
    answer = ask(here, "/api/faces", method="POST", query={"name": "big.png"}, body=file.getvalue())
    assert answer.status == 422
    assert "big.png: the image has more pixels than can be decoded safely; the limit is 134" in answer.json["error"]


def test_a_file_that_is_too_long_gets_a_sentence(here):
    answer = ask(here, "/api/faces", method="POST", query={"name": "x"}, body=bytes(BODY_BYTES + 1))
    assert answer.status == 413
    assert answer.json["error"] == "the file has more than 64 MB; scale the photograph down first"


FOREIGN = [
    ("GET", "/api/network", {"host": "evil.example"}, "requests for the host 'evil.example' are refused"),
    ("GET", "/", {"host": "evil.example:8420"}, "requests for the host"),
    ("GET", "/", {"host": "127.0.0.1.evil.example"}, "requests for the host"),
    ("GET", "/", {"host": "evil.example@127.0.0.1"}, "requests for the host"),
    ("GET", "/", {"host": "127.0.0.1:x"}, "requests for the host"),
    ("GET", "/api/network", {"sec-fetch-site": "cross-site"}, "requests from other pages are refused"),
    ("GET", "/main.js", {"sec-fetch-site": "same-site"}, "requests from other pages are refused"),
    ("POST", "/api/faces", {"sec-fetch-site": "cross-site"}, "requests from other pages are refused"),
    ("POST", "/", {"sec-fetch-site": "cross-site"}, "requests from other pages are refused"),
    ("POST", "/api/faces", {"origin": "https://evil.example"}, "requests from the origin 'https://evil.example' are"),
    ("POST", "/api/faces", {"origin": "http://127.0.0.1:9999"}, "requests from the origin"),
    ("POST", "/api/mirror", {"origin": "null"}, "requests from the origin 'null' are refused"),
]


@pytest.mark.parametrize(("method", "path", "headers", "words"), FOREIGN)
def test_others_are_refused(here, method, path, headers, words):
    answer = ask(here, path, method=method, headers=headers)
    assert answer.status == 403
    assert words in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {"host": "localhost:8420"}),
        ("GET", "/", {"host": "LOCALHOST"}),
        ("GET", "/", {"host": "127.0.0.1:8420", "sec-fetch-site": "cross-site"}),  # a link that leads here
        ("GET", "/api/maps", {"host": "127.0.0.1:8420", "sec-fetch-site": "same-origin"}),
        ("POST", "/api/faces", {"host": "localhost:8420", "origin": "http://localhost:8420"}),
        ("POST", "/api/faces", {"host": "127.0.0.1:8420"}),  # no browser at all
    ],
)
def test_the_page_itself_is_answered(method, path, headers):
    assert refusal(method, path, Headers(headers)) is None
