"""The estimate of a batch's memory, by hand for a network of one layer."""

import pytest

from refnet.bench import memory
from refnet.bench.memory import needed_bytes, refuse_what_cannot_fit
from refnet.errors import UsageError
from tests.fast.single import Conv

GRAPH = Conv(3, 16, 8, 8).graph(0)
IMAGE, OUTPUT = 4 * 3 * 64, 4 * 16 * 64


def test_images_are_in_every_process_and_a_layer_in_every_peer():
    assert needed_bytes(GRAPH, 5, peers=0) == 5 * 2 * IMAGE
    assert needed_bytes(GRAPH, 5, peers=3) == 5 * (5 * IMAGE + 3 * (IMAGE + OUTPUT))


def test_what_cannot_fit_is_refused_with_what_would(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**9)
    refuse_what_cannot_fit(GRAPH, 1000, peers=2)
    most = 10**9 // needed_bytes(GRAPH, 1, 2)
    with pytest.raises(
        UsageError, match=f"--batch 1,000,000 takes at least 12.8 GB .*; 1.0 GB are free.*{most:,} images"
    ):
        refuse_what_cannot_fit(GRAPH, 1_000_000, peers=2)
