"""What `refnet explain` says of two faces: on real ones, and where the answer is known."""

import numpy as np
import pytest

from refnet.audit.ablation import residual_units
from refnet.audit.explain.occlusion import occlusion
from refnet.audit.explain.robustness import robustness
from refnet.audit.explain.sensitivity import integrated_gradients, similarity_by_pixels
from refnet.audit.explain.units import unit_contributions, without
from refnet.bulk.photographs import Photographs
from refnet.errors import InputError, UsageError
from refnet.network import Network, load
from refnet.zoo.samples import sample_crops
from tests import localdata

GREY = np.full((3, 112, 112), 127.5)


@pytest.fixture(scope="module")
def trained():
    return load(localdata.path("models/mobilefacenet-arcface-mxnet.onnx"), cache=False)


@pytest.fixture(scope="module")
def genuine(trained):
    """Two aligned faces of one person, and the embedding of the second."""
    detector = str(localdata.path("models/face_detection_yunet_2023mar.onnx"))
    prepare = Photographs("largest", detector)(trained)
    first, second = (prepare(str(localdata.path(f"photos/Rob_Lowe_000{n}.jpg"))).faces[0].crop for n in (1, 2))
    return first, second, trained(trained.contract.prepare(second[np.newaxis]))[0]


@pytest.fixture(scope="module")
def small(narrow):
    """A narrow network, the drawn portraits, and the embedding of the second."""
    network = Network(narrow, engine="reference")
    first, second = sample_crops()
    return network, first, second, network(second[np.newaxis])[0]


def test_covering_the_eyes_changes_a_genuine_pair_more_than_covering_a_corner(trained, genuine):
    first, _, other = genuine
    found = occlusion(trained, first, other, square_px=28, stride_px=28)
    assert found.changes.shape == (4, 4)
    eyes = found.changes[1, 1:3]  # rows 28 to 56; the template has the eyes at row 51.7, columns 38 and 74
    corners = found.changes[[0, 0, 3, 3], [0, 3, 0, 3]]
    assert abs(eyes).min() > abs(corners).max()


def test_integrated_gradients_of_a_genuine_pair_sum_to_the_change_of_similarity_within_a_percent(trained, genuine):
    first, _second, other = genuine
    found = integrated_gradients(trained, first, other, GREY)
    network = Network(trained.graph, engine="reference")
    rows = network(network.contract.prepare(np.stack([GREY, first])))
    cosines = rows @ other / np.linalg.norm(rows, axis=1) / np.linalg.norm(other)
    assert abs(found.contributions.sum() - (cosines[1] - cosines[0])) <= 0.01 * abs(cosines[1] - cosines[0])
    assert found.complete
    assert found.points < 255


def test_integrated_gradients_stop_at_the_points_allowed_and_say_what_they_lack(small):
    network, first, _, other = small
    found = integrated_gradients(network, first, other, GREY, most_points=7)
    assert found.points == 7
    lacking = found.contributions.sum() - (found.end - found.start)
    assert found.error == pytest.approx(abs(lacking / (found.end - found.start)))
    assert found.complete == (found.error <= 0.01)


def test_the_gradient_of_the_similarity_agrees_with_central_differences(small):
    network, first, _, other = small
    direction, step = np.random.default_rng(3).normal(size=first.shape), 1e-5
    inside = np.clip(first.astype(float), 1, 254)
    found = similarity_by_pixels(network, inside, other)
    rows = network(np.stack([inside, inside + step * direction, inside - step * direction]))
    cosines = rows @ other / np.linalg.norm(rows, axis=1) / np.linalg.norm(other)
    measured = (cosines[1] - cosines[2]) / (2 * step)
    assert found.similarity == pytest.approx(cosines[0], abs=1e-14)
    assert (found.gradient * direction).sum() == pytest.approx(measured, rel=1e-5)


def test_the_similarity_of_an_image_to_itself_has_no_gradient(small):
    network, _, second, other = small
    found = similarity_by_pixels(network, second, other)
    assert found.similarity == pytest.approx(1, abs=1e-14)
    assert abs(found.gradient).max() < 1e-14


def test_an_embedding_of_zeros_is_refused(small):
    network, first, *_ = small
    with pytest.raises(InputError, match="all zero"):
        similarity_by_pixels(network, first, np.zeros(512))


def test_a_grey_image_loses_nothing_by_a_grey_square(small):
    network, _, _, other = small
    found = occlusion(network, GREY, other, square_px=56, stride_px=56)
    assert found.changes.tolist() == [[0, 0], [0, 0]]


def test_squares_reach_the_edges_and_every_pixel_has_its_mean(small):
    network, first, _, other = small
    found = occlusion(network, first, other, square_px=50, stride_px=40)
    assert found.tops.tolist() == found.lefts.tolist() == [0, 40, 62]
    pixels = found.per_pixel(112, 112)
    assert pixels[0, 0] == found.changes[0, 0]
    assert pixels[0, 45] == pytest.approx(found.changes[0, :2].mean())
    assert pixels[111, 111] == found.changes[2, 2]


@pytest.mark.parametrize(("square", "stride"), [(113, 4), (0, 1), (8, 9), (8, 0)])
def test_squares_that_do_not_fit_or_leave_gaps_are_refused(small, square, stride):
    network, first, _, other = small
    with pytest.raises(UsageError, match=rf"the square is {square} pixels and moves by {stride}"):
        occlusion(network, first, other, square_px=square, stride_px=stride)


def test_the_units_are_those_of_the_network_and_each_can_be_left_out(small):
    network, first, _second, _ = small
    units = residual_units(network.graph)
    assert len(units) == 3 + 13 + 30 + 3
    graph = without(network.graph, units[20])
    assert len(graph.nodes) == len(network.graph.nodes) - len(units[20].inside)
    patched, _ = network.trace(first[np.newaxis], patterns=["fc1"], patch={units[20].branch: np.zeros_like})
    assert np.array_equal(Network(graph, engine="reference")(first[np.newaxis]), patched)


def test_leaving_out_a_unit_of_a_trained_network_changes_the_similarity(trained, genuine):
    first, second, other = genuine
    found = unit_contributions(trained, first, second)
    mine = trained(trained.contract.prepare(first[np.newaxis]))[0]
    whole = mine @ other / np.linalg.norm(mine) / np.linalg.norm(other)
    assert len(found) == 12
    assert all(abs(unit.similarity - whole) > 1e-3 for unit in found)


def test_curves_begin_at_the_similarity_of_the_image_as_it_is(trained, genuine):
    first, _, other = genuine
    mine = trained(trained.contract.prepare(first[np.newaxis]))[0]
    whole = mine @ other / np.linalg.norm(mine) / np.linalg.norm(other)
    curves = {curve.way: curve for curve in robustness(trained, first, other)}
    for curve in curves.values():
        if curve.amounts[0] == 0:
            assert curve.similarities[0] == pytest.approx(whole, abs=1e-6)
    assert curves["blur"].similarities[-1] < 0.35 < curves["blur"].similarities[1]
    assert curves["blur"].lost_at(0.35) in curves["blur"].amounts[2:]
    assert curves["shift"].lost_at(-1) is None
