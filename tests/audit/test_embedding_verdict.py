"""What a difference means for recognition."""

import numpy as np
import pytest

from refnet.audit.embedding_verdict import embedding_verdict


def _turned(vector, radians):
    """The vector, turned in the plane of its first two axes."""
    c, s = np.cos(radians), np.sin(radians)
    return np.concatenate([[c * vector[0] - s * vector[1], s * vector[0] + c * vector[1]], vector[2:]])


def test_the_angle_keeps_its_digits_where_the_cosine_has_none_left():
    a = np.array([[3.0, 4.0]])
    verdict = embedding_verdict(a, _turned(a[0], 1e-9)[np.newaxis], a)
    assert np.radians(verdict.images[0].angle_degrees) == pytest.approx(1e-9, rel=1e-6)
    assert verdict.images[0].one_minus_cosine == pytest.approx(5e-19, rel=1e-6)
    assert verdict.images[0].cosine == 1


def test_length_is_no_part_of_the_angle():
    a = np.random.default_rng(0).normal(size=(2, 8))
    verdict = embedding_verdict(a, 2 * a, a)
    assert max(image.angle_degrees for image in verdict.images) < 1e-6
    assert [image.relative_l2 for image in verdict.images] == [0.5, 0.5]
    assert [image.theirs_relative_l2 for image in verdict.images] == [1, 1]
    assert [image.ours_relative_l2 for image in verdict.images] == [0, 0]


def test_a_similarity_changes_by_no_more_than_the_margin():
    generator = np.random.default_rng(1)
    for _ in range(50):
        a = generator.normal(size=(4, 16))
        b = a + 10 ** generator.uniform(-6, -1) * generator.normal(size=a.shape)
        verdict = embedding_verdict(a, b, a)
        assert 0 < verdict.largest_change_of_similarity <= verdict.margin


def test_the_margin_is_reached_by_two_that_turn_away_from_each_other():
    a = np.array([[1.0, 0.0], [0.0, 1.0]])
    verdict = embedding_verdict(a, np.stack([_turned(a[0], -1e-4), _turned(a[1], 1e-4)]), a)
    assert verdict.largest_change_of_similarity == pytest.approx(verdict.margin, rel=1e-6)
    assert verdict.sentence == (
        "No decision on the similarity of any two of these images, at any threshold t, can differ between the two "
        "unless the similarity is within 2.1e-04 of t."
    )


def test_a_single_image_has_the_margin_of_its_own_angle():
    a = np.array([[1.0, 0.0]])
    verdict = embedding_verdict(a, _turned(a[0], 1e-4)[np.newaxis], a)
    assert verdict.largest_change_of_similarity is None
    assert verdict.margin == pytest.approx(1e-4)
    assert "of this image with any embedding" in verdict.sentence


def test_an_embedding_of_zeros_is_at_an_angle_to_none():
    assert embedding_verdict(np.zeros((1, 4)), np.zeros((1, 4)), np.zeros((1, 4))).images[0].relative_l2 == 0
