"""What is kept is what was used last."""

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
