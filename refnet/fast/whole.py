"""Networks that mix the images of a batch: computed in one piece, by a plan for just that number of them."""

from collections.abc import Mapping

import numpy as np

from refnet.errors import UsageError
from refnet.fast.costs import Cost
from refnet.fast.plan import Plan, make_whole_plan
from refnet.fast.run import Engine, refuse_other_shape
from refnet.fast.team import Team
from refnet.graph import Array, Graph, Shape


class WholeEngine:
    """A network ready to run, whose outputs depend on the batch as a whole.

    Planned for the number of images that the file declares; where it leaves that open, anew whenever another number
    comes, and the last plan is kept.
    """

    def __init__(self, graph: Graph, team: Team, *, low_memory: bool, cache: bool) -> None:
        self.team = team
        self._graph, self._low_memory, self._cache = graph, low_memory, cache
        shapes = {tensor.name: tuple(extent or 1 for extent in tensor.shape) for tensor in graph.inputs}
        self._latest = shapes, self._planned(shapes)

    @property
    def plan(self) -> Plan:
        """The latest."""
        return self._latest[1].plan

    @property
    def costs(self) -> tuple[Cost, ...]:
        """Of the latest plan: what each piece of work costs, in order."""
        return self.plan.costs

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs; arguments, results and errors as of `Engine.run`, N as the file declares it."""
        declared = {tensor.name: tensor.shape for tensor in self._graph.inputs}
        if feeds.keys() != declared.keys():
            raise UsageError(f"there are arrays for the inputs {sorted(feeds)}; expected {sorted(declared)}")
        shapes = {name: np.shape(feeds[name]) for name in declared}
        for name, shape in declared.items():
            why = ": the model mixes the images of a batch, so that their number cannot be another"
            refuse_other_shape(name, shapes[name], shape, why)
        known, engine = self._latest
        if shapes != known:
            engine = self._planned(shapes)
            self._latest = shapes, engine
        return engine.run(feeds)

    def _planned(self, shapes: dict[str, Shape]) -> Engine:
        """The engine for inputs of these shapes."""
        low_memory, cache = self._low_memory, self._cache
        plan = make_whole_plan(self._graph, shapes, threads=self.team.threads, low_memory=low_memory, cache=cache)
        return Engine(plan, self.team)
