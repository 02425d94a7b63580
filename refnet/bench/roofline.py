"""Each layer's time beside the least that the machine's ceilings allow.

The roofline (Williams, Waterman and Patterson, CACM 52 (4), 2009), with a roof for each of three things a layer needs:
its executed arithmetic at the peak of multiply-adds, everything that it reads and writes at the bandwidth of the L2
cache, and at the bandwidth of memory what no cache can have kept since the last run. Whichever takes longest bounds the
layer. A bound it is, not a forecast: an L3 cache is slower than the L2 against which its contents are held here, and
an addition of Winograd's transforms counts as half a multiply-add.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from refnet.bench.ceilings import Ceilings
from refnet.fast.costs import Cost
from refnet.fast.profile import Profile

Bound = Literal["arithmetic", "L2", "memory"]


@dataclass(frozen=True)
class Row:
    """One layer of a profile, or several alike taken together; all figures are those of all images and layers.

    Attributes
    ----------
    cost : of one image and layer
    count : how many layers alike
    seconds, share : measured, and of the sum over all layers
    direct_flops, executed_flops : int
    moved_bytes, memory_bytes : int
        What is read and written, and the part of it that cannot have been in a cache.
    least_seconds, bound : what the ceilings allow, and which of them
    """

    cost: Cost
    count: int
    seconds: float
    share: float
    direct_flops: int
    executed_flops: int
    moved_bytes: int
    memory_bytes: int
    least_seconds: float
    bound: Bound

    def to_json(self) -> dict[str, Any]:
        """As a mapping; rates are None where a layer took no time that could be measured."""
        timed = self.seconds > 0
        return {
            "layer": self.cost.name,
            "kernel": self.cost.kernel,
            "output": list(self.cost.output),
            "seconds": self.seconds,
            "share": self.share,
            "direct_flops": self.direct_flops,
            "executed_flops": self.executed_flops,
            "direct_gflops": self.direct_flops / self.seconds / 1e9 if timed else None,
            "executed_gflops": self.executed_flops / self.seconds / 1e9 if timed else None,
            "moved_bytes": self.moved_bytes,
            "memory_bytes": self.memory_bytes,
            "flops_per_byte": self.executed_flops / self.moved_bytes,
            "bound": self.bound,
            "least_seconds": self.least_seconds,
            "share_of_roof": self.least_seconds / self.seconds if timed else None,
        }


def roofline(profile: Profile, ceilings: Ceilings) -> list[Row]:
    """A row for each of the profile's costs, in order.

    Weights are read once for all images that go through together, and come from memory if those of all layers are more
    than the last cache holds: then every run finds them thrown out by the rest. A layer's inputs and outputs come from
    memory if they are more than it holds by themselves.
    """
    total = sum(profile.seconds) or 1.0
    all_weights = sum(cost.weight_bytes for cost in profile.costs)
    ranks = profile.threads if profile.apart else 1
    rows = []
    for cost, seconds in zip(profile.costs, profile.seconds, strict=True):
        readings = ranks * -(-(profile.images // ranks) // cost.together)
        at_once = cost.activation_bytes * min(cost.together, profile.images // ranks) * ranks
        activations = profile.images * cost.activation_bytes
        far = cost.weight_bytes if all_weights > ceilings.cache_bytes else 0
        far += activations if at_once > ceilings.cache_bytes else 0
        flops, moved = profile.images * cost.executed_flops, activations + readings * cost.weight_bytes
        limits: dict[Bound, float] = {
            "arithmetic": flops / ceilings.flops_per_second,
            "L2": moved / ceilings.l2_bytes_per_second,
            "memory": far / ceilings.memory_bytes_per_second,
        }
        bound = max(limits, key=lambda name: limits[name])
        direct = profile.images * cost.direct_flops
        rows.append(Row(cost, 1, seconds, seconds / total, direct, flops, moved, far, limits[bound], bound))
    return rows


def alike_together(rows: Sequence[Row]) -> list[Row]:
    """Rows of the same kernel, output and work added up under the name of the first, the most expensive first."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.cost.kernel, row.cost.output, row.executed_flops, row.moved_bytes), []).append(row)
    added = [
        Row(
            rows[0].cost,
            len(rows),
            sum(row.seconds for row in rows),
            sum(row.share for row in rows),
            sum(row.direct_flops for row in rows),
            sum(row.executed_flops for row in rows),
            sum(row.moved_bytes for row in rows),
            sum(row.memory_bytes for row in rows),
            sum(row.least_seconds for row in rows),
            rows[0].bound,
        )
        for rows in groups.values()
    ]
    return sorted(added, key=lambda row: -row.seconds)
