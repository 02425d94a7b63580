"""How a report came about: parts that add up, memory that was really had."""

import re

import numpy as np
import pytest

from refnet.audit.report.made import Circumstances, Stopwatch, made_section, peak_bytes


def test_parts_are_timed_in_their_order_and_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 4.0, 10.0, 10.0, 11.0, 20.0])
    monkeypatch.setattr("refnet.audit.report.made.time.perf_counter", lambda: next(clock))
    watch = Stopwatch()
    for name in ("first", "second", "first"):
        with watch.part(name):
            pass
    made = made_section(Circumstances(["refnet", "audit"], {"processor": "one"}, {"numpy": None}), watch)
    assert made["parts"] == [{"what": "first", "seconds": 3.0}, {"what": "second", "seconds": 6.0}]
    assert made["seconds"] == 20.0
    assert made["command"] == ["refnet", "audit"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", made["at"])


def test_a_part_that_fails_is_timed_as_well() -> None:
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.part("failing"):
        raise KeyError
    assert "failing" in watch.parts


def test_the_peak_is_at_least_what_an_array_takes() -> None:
    before = peak_bytes()
    block = np.ones(1 << 25)  # 256 MiB, touched
    assert peak_bytes() >= block.nbytes
    del block
    assert peak_bytes() >= max(before, 1 << 28)
