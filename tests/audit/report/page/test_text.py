import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.audit.report.page.text import all_visible, large, share, short, visible


@given(st.text())
def test_visible_text_has_no_letter_that_acts(text: str) -> None:
    assert all(letter == " " or unicodedata.category(letter)[0] not in "CZ" for letter in visible(text))


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_letters_digits_and_markup_stay_as_they_are(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb", r"a\tb"),
        ("\x00\x1b[31m", r"\x00\x1b[31m"),
        ("\u202e\u2066\u200f", r"\u202e\u2066\u200f"),  # overrides and marks of direction
        ("\u200b\ufeff\xad", r"\u200b\ufeff\xad"),  # what has no width
        ("\u2028\u2029\x85", r"\u2028\u2029\x85"),  # ends of lines
        ("\xa0", r"\xa0"),
        ("\U000e0041", r"\U000e0041"),  # a tag
        ("\ud800", r"\ud800"),  # half a letter: no page could be encoded with it
    ],
)
def test_what_cannot_be_seen_is_written_as_its_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_every_text_within_a_value_is_made_visible_keys_too() -> None:
    value = {"a\n": ["b\r", {"c": "\x00"}], "n": [1, 2.5, None, True]}

    assert all_visible(value) == {r"a\n": [r"b\r", {"c": r"\x00"}], "n": [1, 2.5, None, True]}


@given(st.floats(1e-30, 1e30))
def test_a_number_in_few_digits_is_near_the_number(value: float) -> None:
    assert float(short(value)) == pytest.approx(value, rel=5.1e-3)


@given(st.integers(0, 10**17))
def test_a_large_amount_is_near_the_amount(value: int) -> None:
    number, _, prefix = large(value).partition(" ")

    assert float(number) * 1000 ** ["", "k", "M", "G", "T", "P"].index(prefix) == pytest.approx(value, rel=5.1e-3)


@given(st.floats(0, 1))
def test_only_none_and_all_are_written_as_none_and_all(value: float) -> None:
    assert (share(value) == "0 %") == (value == 0)
    assert (share(value) == "100 %") == (value == 1)


def test_missing_numbers_are_a_dash_and_not_a_zero() -> None:
    assert {short(None), share(None), large(None)} == {"–"}


def test_visible_text_survives_json() -> None:
    assert json.loads(json.dumps(visible("\ud800\u202e"))) == r"\ud800\u202e"
