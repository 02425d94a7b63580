"""What is kept is what was used last."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from refnet.errors import InputError
from refnet.web.newest import Newest


def test_what_was_used_last_stays():
    kept = Newest[str, int](2)
    for key in "ab":
        kept.put(key, ord(key))
    assert kept.get("a") == 97
    kept.put("c", 99)
    assert (kept.get("a"), kept.get("b"), kept.get("c"), len(kept)) == (97, None, 99, 2)


def test_a_value_is_made_once():
    made, kept = [], Newest[int, str](3)
    for _ in range(2):
        assert kept.found_or_made(7, lambda: made.append(7) or "seven") == "seven"
    assert made == [7]


def test_who_asks_for_what_is_being_made_waits_for_it():
    kept, begun, go, made = Newest[str, int](2), threading.Event(), threading.Event(), []

    def make():
        made.append(1)
        begun.set()
        assert go.wait(10)
        return 7

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(kept.found_or_made, "a", make)
        assert begun.wait(10)
        others = [threads.submit(kept.found_or_made, "a", make) for _ in range(2)]
        assert kept.found_or_made("b", lambda: 8) == 8  # another key waits for nobody
        go.set()
        assert [one.result(10) for one in (first, *others)] == [7, 7, 7]
    assert made == [1]


def test_what_cannot_be_made_is_tried_again():
    kept = Newest[str, int](2)

    def fail():
        raise InputError("not this time")

    for _ in range(2):
        with pytest.raises(InputError, match="not this time"):
            kept.found_or_made("a", fail)
    assert kept.found_or_made("a", lambda: 3) == 3
