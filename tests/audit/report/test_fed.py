"""What the network is fed: faces up to a bound, images without one named, none at all refused."""

import numpy as np
import pytest

from refnet.audit.report.fed import fed_images, fed_pairs, fed_samples
from refnet.bulk.prepared import Found, FoundFace
from refnet.errors import InputError
from refnet.network import Network
from tests.audit.doctor.patients import small
from tests.audit.report.audited import noise_pairs


def _crops(name: str) -> Found:
    """As many faces as the name's last digit says."""
    count = int(name[-1])
    if not count:
        raise InputError(f"{name}: no face was found")
    return Found(tuple(FoundFace(np.full((3, 4, 4), n, np.uint8)) for n in range(count)))


def test_faces_are_named_and_images_without_one_are_told() -> None:
    fed = fed_images(["a1", "b0", "c2"], _crops)
    assert fed.names == ("a1", "c2#1", "c2#2")
    assert fed.crops.shape == (3, 3, 4, 4)
    assert fed.crops[:, 0, 0, 0].tolist() == [0, 0, 1]
    assert fed.origin == "pictures"
    assert fed.notes == ("Left out: b0: no face was found",)


def test_a_bound_is_kept_and_said() -> None:
    names = (f"{n} of 2" for n in range(10**9))  # more than anyone reads
    fed = fed_images(names, _crops, most=5)
    assert len(fed.crops) == 5
    assert fed.notes == ("More images were given: the first 5 faces were looked at.",)


def test_no_face_at_all_is_refused_with_every_reason() -> None:
    with pytest.raises(InputError, match=r"none of 2 images could be used: Left out: a0: no face.*; Left out: b0"):
        fed_images(["a0", "b0"], _crops)


def test_without_images_the_pairs_are_taken_and_without_pairs_the_samples() -> None:
    network = Network(small(), engine="reference")
    pairs = noise_pairs(40)
    fed = fed_pairs(network, pairs)
    assert fed.names == pairs.images[:64]
    assert (fed.crops[5] == pairs.crop(5, 112, 112)).all()
    assert "the first 64 images of noise.bin" in fed.notes[0]
    samples = fed_samples(network)
    assert samples.names == ("sample_a.png", "sample_b.png")
    assert samples.origin == "samples"
    assert "--images" in samples.notes[0]
