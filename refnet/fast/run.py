"""Running a plan: images in, embeddings out, with a team of threads."""

import os
import threading
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from refnet.errors import ShapeError, UsageError
from refnet.fast import pack
from refnet.fast.costs import Cost
from refnet.fast.kernels.driver import drive
from refnet.fast.kernels.step import STEP
from refnet.fast.plan import Compiled, Generic, Plan, as_float32
from refnet.fast.storage import Storage
from refnet.fast.team import Team
from refnet.graph import Array, Shape
from refnet.ops.application import apply_node
from refnet.ops.dtypes import FLOAT, dtype_name, in_declared_dtype


class Engine:
    """A network ready to run, for any number of images, or for one where they are mixed (`Plan.batch`).

    Outputs are a function of one image and of the weights: the same bits in any batch, at any place in it, with any
    number of threads. Any number of Python threads may call `run`; the calls take turns. Memory for activations is
    taken when it is first needed and kept; `run` itself allocates only what it returns.
    """

    def __init__(self, plan: Plan, team: Team) -> None:
        self.plan = plan
        self.team = team
        self._turn, self._process = threading.Lock(), os.getpid()
        self._current = np.zeros(team.threads, dtype=STEP)
        self._alone = [np.zeros(1, dtype=STEP) for _ in range(team.threads)]
        self._nobody = np.zeros_like(team.meeting)
        self._arenas = [pack.zeros(plan.arena_size)]
        self._compiled_only = all(isinstance(part, Compiled) for part in plan.parts)

    @property
    def costs(self) -> tuple[Cost, ...]:
        """The plan's: what each piece of work costs, in order."""
        return self.plan.costs

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Compute all outputs.

        Parameters
        ----------
        feeds : {graph input: (N, ...)}
            Any N, the same for all; numbers of any kind, converted to float32 where the model declares floats.

        Returns
        -------
        {graph output: array}
            (N, ...) float32; what follows from the model alone as it is, integers in their own dtype.

        Raises
        ------
        UsageError
            If an input is missing or unknown.
        ShapeError
            If an array is not of the size that the plan was made for.
        """
        plan = self.plan
        if unknown := sorted(set(feeds) - plan.inputs.keys() - plan.value_inputs.keys()):
            raise UsageError(f"inputs {unknown} are unknown; expected {self._names}")
        images = {name: self._checked(name, feeds) for name in self._names}
        counts = {len(array) for name, array in images.items() if name in plan.inputs or self._has_rows(name)}
        if len(counts) > 1:
            raise ShapeError(f"inputs have {sorted(counts)} images; expected the same number in all")
        count = plan.batch if plan.batch is not None else counts.pop() if counts else 1
        results = {
            name: np.empty((count, *storage.layout.shape), dtype=np.float32) for name, storage in plan.outputs.items()
        }
        results |= {name: np.empty((count, *none.shape[1:]), none.dtype) for name, none in plan.value_outputs.items()}
        results |= {name: np.array(plan.constants[name]) for name in plan.whole_outputs if name in plan.constants}
        with self._own_turn():
            for first, last, ranks in self._turns(count):
                if ranks > 1:
                    self._run_apart(images, results, first, last)
                else:
                    self._run_together(images, results, first, last)
        return results

    @cached_property
    def _names(self) -> list[str]:
        """Of all inputs."""
        return sorted((*self.plan.inputs, *self.plan.value_inputs))

    def _has_rows(self, name: str) -> bool:
        """Whether an input that is handed to nodes has a row an image."""
        return self.plan.batch is None and bool(self.plan.value_inputs[name].shape)

    def _own_turn(self) -> threading.Lock:
        """The lock of this process: after a fork, the one that another thread may have held is forgotten."""
        if self._process != os.getpid():
            self._turn, self._process = threading.Lock(), os.getpid()
        return self._turn

    def _checked(self, name: str, feeds: Mapping[str, Array]) -> Array:
        """An input of the right shape; its numbers become float32 when they are copied in, a few images at a time."""
        if name not in feeds:
            raise UsageError(f"input {name!r} is missing; expected {self._names}")
        array = np.asarray(feeds[name])
        refuse_other_shape(name, array.shape, self.plan.input_shapes[name])
        if name in self.plan.inputs:
            return array
        dtype = self.plan.value_inputs[name].dtype
        return (
            array.astype(np.float32, copy=False)
            if dtype_name(dtype) == FLOAT
            else in_declared_dtype(name, dtype, array)
        )

    def _turns(self, count: int) -> list[tuple[int, int, int]]:
        """Which images are computed at a time, (first, last, how many ranks take a share of them alone)."""
        threads, capacity = self.team.threads, self.plan.capacity
        turns, first = [], 0
        if self.plan.batch is not None:
            return [(0, count, 1)]
        if threads > 1 and self._compiled_only:
            while count - first >= threads:
                each = min((count - first) // threads, capacity)
                turns.append((first, first + each * threads, threads))
                first += each * threads
        while first < count:
            last = min(first + capacity, count)
            turns.append((first, last, 1))
            first = last
        return turns

    def _run_apart(self, images: Mapping[str, Array], results: Mapping[str, Array], first: int, last: int) -> None:
        """Each rank computes images of its own, in an arena of its own."""
        threads = self.team.threads
        while len(self._arenas) < threads:
            self._arenas.append(pack.zeros(self.plan.arena_size))
        each = (last - first) // threads

        parts = [part for part in self.plan.parts if isinstance(part, Compiled)]

        def compute(rank: int) -> None:
            start = first + rank * each
            self._copy_in(self._arenas[rank], images, start, start + each)
            for part in parts:
                self._drive(part, self._arenas[rank], self._alone[rank], each, 0, 1, self._nobody)
                self._finish(part)
            self._copy_out(self._arenas[rank], results, start, start + each)

        self.team.run(compute)

    def _run_together(self, images: Mapping[str, Array], results: dict[str, Array], first: int, last: int) -> None:
        """All ranks share every layer."""
        arena, values = self._arenas[0], dict(self.plan.constants)
        for name in self.plan.value_inputs:
            values[name] = images[name][first:last] if self._has_rows(name) else images[name]
        threads, meeting = self.team.threads, self.team.meeting
        count = last - first

        def drive_part(rank: int, part: Compiled) -> None:
            self._drive(part, arena, self._current, count, rank, threads, meeting)

        self._copy_in(arena, images, first, last)
        for part in self.plan.parts:
            if isinstance(part, Generic):
                compute_node(part, arena, values, count)
            else:
                self.team.run(drive_part, part)
                self._finish(part)
        self._copy_out(arena, results, first, last)
        for name in self.plan.whole_outputs:
            results.setdefault(name, np.array(values[name]))
        for name in self.plan.value_outputs:
            results[name][first:last] = values[name]

    def _drive(
        self, part: Compiled, arena: Array, current: Array, count: int, rank: int, ranks: int, meeting: Array
    ) -> None:
        """One rank's share of a compiled part."""
        drive(self.plan.steps, part.segments, current, self.plan.weights, arena, count, rank, ranks, meeting)

    def _finish(self, part: Compiled) -> None:
        """Let go of a part's weights, where the plan does not keep them in memory."""
        if not self.plan.weights_resident:
            self.plan.packed.let_go(part.first_weight, part.last_weight)

    def _copy_in(self, arena: Array, images: Mapping[str, Array], first: int, last: int) -> None:
        for name, storage in self.plan.inputs.items():
            view(arena, storage, last - first)[:] = images[name][first:last]

    def _copy_out(self, arena: Array, results: Mapping[str, Array], first: int, last: int) -> None:
        for name, storage in self.plan.outputs.items():
            results[name][first:last] = view(arena, storage, last - first)


def refuse_other_shape(name: str, shape: Shape, expected: tuple[int | None, ...], why: str = "") -> None:
    """Raise ShapeError unless an input has the shape expected, in which None stands for any number of images."""
    fits = len(shape) == len(expected) and all(want in (None, got) for want, got in zip(expected, shape, strict=True))
    if not fits:
        wanted = ", ".join("N" if extent is None else str(extent) for extent in expected)
        raise ShapeError(f"input {name!r} has shape {shape}; expected ({wanted}){why}")


def view(arena: Array, storage: Storage, count: int) -> Array:
    """A tensor in plain order, (count, ...)."""
    layout = storage.layout
    return arena[storage.at : storage.at + count * layout.image].reshape(count, *layout.shape)


def compute_node(part: Generic, arena: Array, values: dict[str, Array], count: int) -> None:
    """Run a node by its definition."""
    node = part.node
    inputs: list[Array | None] = []
    for name in node.inputs:
        if name in part.reads:
            inputs.append(view(arena, part.reads[name], count))
        else:
            inputs.append(values[name] if name else None)
    values[node.output] = as_float32(apply_node(node, inputs))
    if part.writes:
        view(arena, part.writes, count)[:] = values[node.output]
