"""Accuracy in the document: what evaluate says, the curve, histograms, groups, the pairs that are explained."""

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet.audit.report.document import Audit
from refnet.audit.report.evaluated import Evaluated, evaluated
from refnet.audit.report.explained import chosen_faces, chosen_pairs, rounded
from refnet.evaluation.rates import OperatingPoint
from refnet.network import Network, load
from tests.audit.doctor.patients import small
from tests.audit.report.audited import audited_on_pairs, complaints, noise_pairs


@pytest.fixture(scope="module")
def network(small_path: Path) -> Network:
    return load(small_path)


@pytest.fixture(scope="module")
def found(network: Network) -> Evaluated:
    groups = ("alone", *["one"] * 9, *["other"] * 10)
    return evaluated(network, noise_pairs(20, groups), resamples=5)


@pytest.fixture(scope="module")
def audit(network: Network) -> Audit:
    return audited_on_pairs(network, noise_pairs(), explain=1)


def test_the_document_with_pairs_fits_the_schema(audit: Audit) -> None:
    assert complaints(audit.document) == []
    assert audit.document["evaluation"]["count"] == 20
    assert sum(audit.document["evaluation"]["similarities"]["genuine"]) == 10
    assert any("Accuracy was measured on the pairs given" in limit for limit in audit.document["limits"])


def test_similarities_of_the_curve_are_cosines_of_sums_with_mirror_images(network: Network, found: Evaluated) -> None:
    pairs = found.pairs
    images = np.stack([pairs.crop(n, 112, 112) for n in range(6)])
    summed = network(images).astype(np.float64) + network(images[..., ::-1])
    unit = summed / np.linalg.norm(summed, axis=1, keepdims=True)
    assert found.result.similarities[:3] == pytest.approx((unit[::2] * unit[1::2]).sum(axis=1), rel=1e-12)
    alone = network(images).astype(np.float64)
    unit = alone / np.linalg.norm(alone, axis=1, keepdims=True)
    assert found.plain.similarities[:3] == pytest.approx((unit[::2] * unit[1::2]).sum(axis=1), rel=1e-12)


def test_a_group_of_one_pair_has_the_rate_it_can_have(found: Evaluated) -> None:
    groups = {row["group"]: row for row in found.section()["summary"]["groups"]}
    assert (groups["alone"]["genuine"], groups["alone"]["impostor"]) == (0, 1)
    assert groups["alone"]["tar"] is None
    assert groups["alone"]["tar_interval"] == [0.0, 1.0]
    assert groups["alone"]["far"] in (0.0, 1.0)


def test_the_hardest_pairs_come_first_then_those_in_the_middle(network: Network, found: Evaluated) -> None:
    chosen = chosen_pairs(network, found, 4)
    assert [(it.kind, it.choice) for it in chosen] == [
        ("genuine", "hardest"),
        ("impostor", "hardest"),
        ("genuine", "typical"),
        ("impostor", "typical"),
    ]
    similarities, same = found.plain.similarities, found.pairs.same
    numbers = [int(it.a.removeprefix("image ")) // 2 for it in chosen]
    assert similarities[numbers[0]] == similarities[same].min()
    assert similarities[numbers[1]] == similarities[~same].max()
    assert sorted(similarities[same]).index(similarities[numbers[2]]) == 4
    assert len(chosen_pairs(network, found, 1)) == 1


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.1, 0.3), (0.01, 0.5), (0.001, 0.7)], 0.5),  # the lowest target that is not below 0.01
        ([(0.1, 0.3)], 0.3),
        ([(0.001, 0.7)], None),
        ([(0.1, np.inf)], None),  # nothing is accepted there
        ([], None),
    ],
)
def test_the_threshold_is_at_a_rate_of_a_hundredth_or_the_lowest_above(
    found: Evaluated, points: list[tuple[float, float]], expected: float | None
) -> None:
    told = tuple(OperatingPoint(target, threshold, target, 0.9) for target, threshold in points)
    changed = replace(found, plain=replace(found.plain, summary=replace(found.plain.summary, points=told)))
    assert (changed.threshold.threshold if changed.threshold else None) == expected
    assert (changed.section()["single_threshold"] is None) == (expected is None)


def test_a_pair_that_is_hardest_and_typical_is_explained_once(network: Network, found: Evaluated) -> None:
    same = np.arange(20) == 0  # a single genuine pair
    one = replace(found, pairs=replace(found.pairs, same=same))
    assert [(it.kind, it.choice) for it in chosen_pairs(network, one, 9)] == [
        ("genuine", "hardest"),
        ("impostor", "hardest"),
        ("impostor", "typical"),
    ]


def test_faces_without_labels_are_explained_at_the_ends(network: Network) -> None:
    crops = np.stack([noise_pairs().crop(n, 112, 112) for n in (0, 2, 3)])  # 2 and 3 share most of their noise
    ends = chosen_faces(network, crops, ("a", "b", "c"), 2)
    assert (ends[0].a, ends[0].b, ends[0].choice, ends[0].kind) == ("b", "c", "most alike", "unknown")
    assert ends[1].choice == "least alike"
    assert len(chosen_faces(network, crops[:2], ("a", "b"), 2)) == 1  # there is one pair


def test_an_explanation_shows_the_images_themselves(network: Network, audit: Audit) -> None:
    (told,) = audit.document["explained"]
    pairs = noise_pairs()
    for key in ("a", "b"):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(told["images"][key]))))
        assert (pixels.transpose(2, 0, 1) == pairs.crop(pairs.images.index(told[key]), 112, 112)).all()
    first, second = network(np.stack([pairs.crop(pairs.images.index(told[key]), 112, 112) for key in ("a", "b")]))
    cosine = float(first @ second) / float(np.linalg.norm(first)) / float(np.linalg.norm(second))
    assert told["similarity"] == pytest.approx(cosine, rel=1e-5)
    assert np.shape(told["maps"]["integrated"]) == (112, 112)
    assert sum(map(sum, told["maps"]["integrated"])) == pytest.approx(told["integrated"]["sum"], rel=1e-2)
    shape = np.shape(told["maps"]["occlusion"]["changes"])
    assert shape == (len(told["maps"]["occlusion"]["tops_px"]), len(told["maps"]["occlusion"]["lefts_px"]))
    assert len(told["units"]) == len([n for n in small().nodes if n.name.startswith("_plus")])


def test_maps_have_four_digits() -> None:
    assert rounded(np.array([[1.23456789e-7, -98765.4]])) == [[1.235e-07, -98770.0]]
