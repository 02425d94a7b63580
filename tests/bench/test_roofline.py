"""The roofline by hand: a machine of round numbers, and layers that meet each of its roofs."""

import pytest

from refnet.bench.ceilings import Ceilings
from refnet.bench.roofline import alike_together, roofline
from refnet.fast.costs import Cost
from refnet.fast.profile import Profile

MACHINE = Ceilings(1, 1000.0, 100.0, 10.0, cache_bytes=50)


def layer(name="a", flops=0, weights=0, activations=1, together=8):
    return Cost(name, "direct", (1,), 2 * flops, flops, weights, activations, together)


def profiled(costs, seconds, images=1, threads=1, apart=False):
    return Profile(tuple(costs), images, threads, apart, tuple(seconds), sum(seconds), 0.0)


def rows(costs, images=1, **options):
    return roofline(profiled(costs, [1.0] * len(costs), images, **options), MACHINE)


def test_arithmetic_bounds_a_layer_of_few_bytes():
    [row] = rows([layer(flops=500, activations=10)])
    assert (row.bound, row.least_seconds) == ("arithmetic", 0.5)
    assert (row.direct_flops, row.executed_flops, row.moved_bytes, row.memory_bytes) == (1000, 500, 10, 0)


def test_a_layer_that_fits_the_caches_is_held_against_the_l2():
    [row] = rows([layer(flops=100, weights=20, activations=30)])
    assert (row.bound, row.least_seconds, row.memory_bytes) == ("L2", 0.5, 0)


def test_weights_of_a_network_larger_than_the_caches_come_from_memory_each_run():
    first, second = rows([layer("a", weights=30, activations=5), layer("b", weights=40, activations=5)])
    assert (first.bound, first.least_seconds, first.memory_bytes) == ("memory", 3.0, 30)
    assert (second.bound, second.least_seconds, second.memory_bytes) == ("memory", 4.0, 40)


def test_activations_larger_than_the_caches_come_from_memory():
    [row] = rows([layer(activations=60)])
    assert (row.bound, row.least_seconds, row.memory_bytes) == ("memory", 6.0, 60)


def test_weights_are_read_once_for_the_images_that_go_through_together():
    [row] = rows([layer(weights=40, activations=1, together=2)], images=5)
    assert row.moved_bytes == 3 * 40 + 5
    assert row.executed_flops == 0


def test_every_thread_with_images_of_its_own_reads_the_weights():
    [row] = rows([layer(weights=40, activations=1, together=2)], images=8, threads=2, apart=True)
    assert row.moved_bytes == 2 * 2 * 40 + 8


def test_rates_follow_from_the_measured_seconds():
    timed = profiled([layer(flops=500, activations=10), layer("b")], [2.0, 6.0])
    figures = roofline(timed, MACHINE)[0].to_json()
    assert figures["share"] == 0.25
    assert figures["direct_gflops"] == pytest.approx(1000 / 2 / 1e9)
    assert figures["executed_gflops"] == pytest.approx(500 / 2 / 1e9)
    assert figures["share_of_roof"] == 0.25
    assert figures["flops_per_byte"] == 50


def test_a_layer_without_measurable_time_has_no_rate():
    figures = roofline(profiled([layer(flops=500)], [0.0]), MACHINE)[0].to_json()
    assert figures["direct_gflops"] is figures["executed_gflops"] is figures["share_of_roof"] is None


def test_layers_alike_are_added_up_under_the_first_name_most_expensive_first():
    costs = [layer("a", flops=1), layer("b", flops=1), layer("c", flops=900)]
    first, second = alike_together(roofline(profiled(costs, [1.0, 2.0, 7.0]), MACHINE))
    assert (first.cost.name, first.count, first.seconds) == ("c", 1, 7.0)
    assert (second.cost.name, second.count, second.seconds, second.direct_flops) == ("a", 2, 3.0, 4)
    assert second.share == pytest.approx(0.3)
