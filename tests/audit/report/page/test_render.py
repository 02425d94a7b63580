import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from jinja2 import UndefinedError

from refnet.audit.report.page.render import render
from refnet.errors import MissingExtraError
from tests.audit.report.audited import complaints
from tests.audit.report.page import documents

VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """Elements and text of a page; refuses tags that do not match."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


KINDS = ["document", "sick", "faces", "hostile", "large"]


@pytest.fixture(scope="module", params=KINDS)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(render(getattr(documents, request.param)()))


@pytest.mark.parametrize("kind", KINDS)
def test_the_documents_of_these_tests_are_documents(kind: str) -> None:
    assert complaints(getattr(documents, kind)()) == []


def test_the_same_document_gives_the_same_bytes() -> None:
    assert render(documents.faces()) == render(documents.faces())


def test_a_network_of_412_layers_stays_far_below_ten_megabytes() -> None:
    assert len(render(documents.large(412)).encode()) < 3_000_000


def test_nothing_is_fetched_from_anywhere(page: Page) -> None:
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            address = attributes.get(name)
            if address is None or (tag == "a" and address.startswith("https://example.org/")):  # a public thread
                continue
            assert address.startswith(("#", "data:image/png;base64,")) or address == "data:,"


def test_the_policy_allows_the_one_script_by_its_digest_and_nothing_from_outside(page: Page) -> None:
    policy = next(it["content"] for it in page.all("meta") if it.get("http-equiv") == "Content-Security-Policy")
    held, script = page.scripts

    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'", "img-src data:",
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert json.loads(held)["histogram"] == {"bins": 83, "lowest": -20}
    assert not set("<>&").intersection(held)


def test_no_element_has_a_handler_and_every_identifier_is_there_once(page: Page) -> None:
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]

    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert sorted(identifiers) == sorted(set(identifiers))


def test_every_link_within_the_page_leads_somewhere(page: Page) -> None:
    identifiers = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    linked = {address[1:] for tag, it in page.elements if (address := it.get("href")) and address.startswith("#")}

    assert linked <= identifiers
    assert {it["aria-labelledby"] for _, it in page.elements if "aria-labelledby" in it} <= identifiers | {
        "panel-title"
    }


def test_headings_are_in_order_pictures_have_words_and_tables_captions_and_scopes(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    main = levels[levels.index(1) :]
    assert main.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(main))
    assert all(it.get("alt") for it in page.all("img"))
    assert all(it.get("aria-label") for it in page.all("svg"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert {it.get("scope") for it in page.all("th")} == {"row", "col"}


def test_problems_come_before_warnings_and_each_says_what_to_do() -> None:
    text = Page(render(documents.sick())).text

    assert text.index("a problem") < text.index("a warning") < text.index("a note")
    assert text.count("What to do: put it right") == 3
    assert "3 checks found 1 problem, and refnet's fast engine does not agree with float64." in text
    assert "Synthetic weights." in text


def test_a_sound_model_without_pairs_is_called_sound_and_its_accuracy_unknown() -> None:
    text = Page(render(documents.document())).text

    assert "1 check found no problem, and every tensor of refnet's fast engine and onnxruntime 1.30 agrees" in text
    assert "nothing is said of how well this model tells persons apart" in text
    assert "Synthetic weights" not in text


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    html = render(documents.hostile())
    page = Page(html)

    assert "<b>" not in html
    assert {it["src"] for it in page.all("img") if not str(it["src"]).startswith("data:image/png;base64,")} == set()
    assert documents.ALERT in page.text
    assert documents.ENDS_SCRIPT in page.text
    assert r"face\u202egpj.exe" in page.text
    assert "{{ 7 * 7 }}" in page.text
    html.encode("ascii", "xmlcharrefreplace")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", html)


def test_half_a_letter_in_a_name_does_not_keep_the_page_from_being_written() -> None:
    found = documents.document()
    found["model"]["file"] = found["layers"][0]["attributes"]["text"] = "model\ud800.onnx"

    assert rb"model\ud800.onnx" in render(found).encode("utf-8")


def test_what_a_document_lacks_is_an_error_and_not_an_empty_place() -> None:
    found = documents.document()
    del found["model"]["contract"]["sentence"]

    with pytest.raises(UndefinedError, match="has no attribute 'sentence'"):
        render(found)


@pytest.mark.parametrize("absent", ["jinja2", "matplotlib"])
def test_without_its_extra_the_page_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == absent]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, absent, None)

    with pytest.raises(MissingExtraError, match=rf'needs {absent}; install it: pip install "refnet\[report\]"'):
        render(documents.document())


@pytest.mark.parametrize(
    "path",
    [
        ("evaluation", "insightface"), ("evaluation", "omz"), ("explained", 0, "threshold"), ("explained", 0, "occlusion"),
        ("explained", 0, "integrated"), ("explained", 0, "units"), ("explained", 0, "robustness"),
        ("tensors", 3, "activation"), ("tensors", 3, "fast", "relative_l2"), ("tensors", 3, "fast", "excess"),
        ("tensors", 3, "other"), ("agreement", "sentence"), ("weights", 0, "low"),
        ("model", "opset"), ("layers", 2, "group"),
    ],
)  # fmt: skip
def test_what_may_be_null_may_be_null(path: tuple[str, ...]) -> None:
    Page(render(documents.without(documents.faces(), *path)))


def test_an_audit_as_it_is_made_has_a_page(document: dict[str, Any]) -> None:
    page = Page(render(document))

    rows = [it for it in page.all("tr") if "data-layer" in it]
    assert len(rows) == len(document["layers"])
    assert {name for name, _ in document["model"]["operators"].items()} <= {it["data-op"] for it in rows}


def test_a_graph_without_nodes_or_weights_has_a_page_too() -> None:
    found = documents.document()
    found |= {"layers": [], "tensors": [], "weights": []}

    assert "0 layers" in Page(render(found)).text
