"""What is said of a model: rates of groups, persons resampled, and what is not comparable, by hand-worked sets."""

import dataclasses
import json

import numpy as np
import pytest

from refnet.errors import InputError
from refnet.evaluation.evaluate import evaluate
from tests.evaluation.sets import ORIGIN, embeddings_of, pair_set

MIXED = [True, False] * 50


def test_rates_are_those_that_were_counted_by_hand() -> None:
    cosines = [0.9, 0.1] * 49 + [0.2, 0.3]  # one genuine pair below one impostor pair
    result = evaluate(pair_set(MIXED), embeddings_of(cosines), resamples=20)
    summary = result.summary
    assert (summary.genuine, summary.impostor) == (50, 50)
    assert summary.auc == pytest.approx((49 * 50 + 49) / 2500)
    assert summary.eer == pytest.approx(1 / 50)
    assert [point.target for point in summary.points] == [0.1]
    assert (summary.points[0].tar, summary.points[0].far) == (1, 1 / 50)  # the laxest that 0.1 allows is at 0.2
    assert summary.refused == (1e-2, 1e-3, 1e-4)
    assert summary.resampled == "pairs"
    assert result.cautions == {}
    assert result.insightface is not None
    assert result.omz is not None
    assert result.similarities == pytest.approx(cosines)
    assert result.insightface.xnorm == 2  # each embedding has length 1, and is its own mirror image's


def test_groups_are_judged_at_one_threshold_for_all() -> None:
    cosines = [0.9, 0.1] * 25 + [0.5, 0.4] * 25
    groups = ["x"] * 50 + [""] * 49 + ["z"]
    summary = evaluate(pair_set(MIXED, groups=groups), embeddings_of(cosines), resamples=2).summary
    point = summary.group_point
    assert point is not None
    assert point.target == 0.1  # 50 impostor pairs cannot show 0.01
    assert point.threshold == pytest.approx(0.5)
    found = {row.group: (row.genuine, row.impostor, row.tar, row.far) for row in summary.groups}
    assert found == {"x": (25, 25, 1, 0), "(no group)": (25, 24, 1, 0), "z": (0, 1, None, 0)}
    assert next(row.tar_interval for row in summary.groups if row.group == "z") == (0, 1)


def test_groups_of_too_few_pairs_are_named() -> None:
    groups = ["x"] * 50 + ["one"] + ["impostors"] * 2 + ["y"] * 47
    same = [*MIXED[:52], False, *MIXED[53:]]
    said = evaluate(pair_set(same, groups=groups), embeddings_of([0.9, 0.1] * 50), resamples=2).cautions["groups"]
    assert said == (
        "groups of too few pairs for rates of their own: 'impostors' (0 genuine, 2 impostor), 'one' (1 genuine, 0 impostor); "
        "at FAR 0.1 a group needs 10 impostor pairs to show one false accept, and genuine pairs for its TAR"
    )


def test_of_many_groups_of_one_the_first_are_named() -> None:
    groups = [f"{k:03}" for k in range(100)]
    said = evaluate(pair_set(MIXED, groups=groups), embeddings_of([0.9, 0.1] * 50), resamples=2).cautions["groups"]
    assert "'000' (1 genuine, 0 impostor)" in said
    assert "'005'" not in said
    assert "and 95 more" in said


def test_groups_without_a_rate_are_told_to_have_none() -> None:
    same = [True, False] * 9 + [True] * 2
    said = evaluate(pair_set(same, groups=["x"] * 20), embeddings_of([0.9, 0.1] * 10), resamples=2)
    assert said.summary.groups == ()
    assert said.cautions["groups"] == "no group's rates are shown: 9 impostor pairs in all show no rate at all"


def test_persons_are_resampled_where_they_are_known_and_intervals_are_wider() -> None:
    rng = np.random.default_rng(0)
    # Ten pairs of each of forty persons, whose pairs are alike: by pairs there seem to be 400, by persons 40.
    easy = rng.random(40) < 0.5
    same = [k % 2 == 0 for k in range(400)]
    cosines = [0.5 if not genuine else (0.9 if easy[k // 10] else 0.1) for k, genuine in enumerate(same)]
    people = [f"{k // 10}" for k in range(400) for _ in range(2)]
    by_pairs = evaluate(pair_set(same), embeddings_of(cosines), resamples=300).summary
    by_persons = evaluate(pair_set(same, people=people), embeddings_of(cosines), resamples=300).summary
    assert (by_pairs.resampled, by_persons.resampled) == ("pairs", "persons")
    widths = [high - low for low, high in (by_pairs.auc_interval, by_persons.auc_interval)]
    assert widths[1] > 1.7 * widths[0]  # the square root of five genuine pairs a person is 2.2
    assert by_pairs.auc == by_persons.auc


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    rng = np.random.default_rng(1)
    embeddings = embeddings_of((rng.random(100) * 0.5 + 0.3 * np.array(MIXED)).tolist())
    first, again, other = (
        evaluate(pair_set(MIXED), embeddings, resamples=50, seed=seed).summary.auc_interval for seed in (0, 0, 1)
    )
    assert first == again != other


def test_folds_of_one_kind_are_told_for_each_protocol_that_ran() -> None:
    same, cosines = [True] * 50 + [False] * 50, [0.9] * 50 + [0.1] * 50
    result = evaluate(pair_set(same), embeddings_of(cosines), resamples=2)
    assert "10 of 10 folds hold pairs of one kind only" in result.cautions["insightface"]
    assert "here 0.444 to 0.556 of those it is taken from are genuine" in result.cautions["omz"]
    assert {*evaluate(pair_set(same), embeddings_of(cosines, False), resamples=2).cautions} == {"omz"}


def test_a_median_is_told_to_suffer_from_rare_genuine_pairs_in_mixed_folds() -> None:
    same, cosines = [True, *[False] * 9] * 20, [0.9, *[0.1] * 9] * 20
    assert {*evaluate(pair_set(same), embeddings_of(cosines), resamples=2).cautions} == {"omz"}


def test_what_it_says_is_plain_json() -> None:
    result = evaluate(pair_set(MIXED, groups=["x"] * 100), embeddings_of([0.9, 0.1] * 50), resamples=2)
    said = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert not {"curve", "similarities"} & set(said)
    assert said["summary"]["points"][0]["tar"] == 1
    assert len(said["insightface"]["thresholds"]) == 10


def test_a_protocol_without_its_mirror_images_is_refused_or_left_out() -> None:
    plain = embeddings_of([0.9, 0.1] * 50, mirrored=False)
    with pytest.raises(InputError, match="adds the embeddings of mirror images, which this file lacks"):
        evaluate(pair_set(MIXED), plain, protocol="insightface")
    result = evaluate(pair_set(MIXED), plain, resamples=2)
    assert result.insightface is None
    assert result.summary.similarity == "cosine of embeddings"


def test_raw_lengths_do_not_matter_to_similarities() -> None:
    embeddings = embeddings_of([0.9, 0.1] * 50, mirrored=False)
    longer = dataclasses.replace(embeddings, upright=embeddings.upright * np.arange(1, 201)[:, np.newaxis])
    results = [evaluate(pair_set(MIXED), one, resamples=2).summary for one in (embeddings, longer)]
    assert results[0].points[0].threshold == pytest.approx(results[1].points[0].threshold, abs=1e-15)
    assert embeddings.provenance == ORIGIN
