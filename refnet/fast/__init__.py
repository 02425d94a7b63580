"""The fast engine: float32, compiled by numba, the same bits on every machine.

engine = refnet.fast.compile(graph)
embeddings = engine.run({"data": images})["fc1"]
"""

from typing import Literal

from numba.core import config

from refnet.errors import UsageError
from refnet.fast.cache_folder import say_once
from refnet.fast.kernel_cache import nothing_kept
from refnet.fast.kernels.register_block import multiplies_and_adds_at_once
from refnet.fast.plan import make_plan
from refnet.fast.run import Engine
from refnet.fast.team import Team, usable_cores
from refnet.graph import Graph

__all__ = ["Engine", "compile", "nothing_kept"]


def compile(
    graph: Graph,
    *,
    threads: int | None = None,
    memory: Literal["default", "low"] = "default",
    cache: bool = False,
) -> Engine:
    """Make a network ready to run: simplify it, choose kernels, pack its weights.

    Parameters
    ----------
    graph : Graph
        Extents of its inputs, but for the first, must be fixed.
    threads : int, optional
        As many as there are usable cores.
    memory : "default" or "low"
        "low" keeps filters as they are, and takes longer. The bits are the same.
    cache : bool
        Keep packed weights on disk, and map them from there the next time.

    Raises
    ------
    ModelError, UnsupportedModelError
        If the graph does not fit itself.
    UsageError
        If an input's size is left open, or numba is told not to compile: the kernels are vector code, not Python.
    """
    if getattr(config, "DISABLE_JIT", 0):  # set by numba at run time, which its types do not know
        raise UsageError(
            "NUMBA_DISABLE_JIT is set, and the fast engine's kernels exist only as compiled code; "
            'unset it, or use engine="reference" (--engine reference)'
        )
    if not multiplies_and_adds_at_once():
        say_once(
            "this processor, or the one that NUMBA_CPU_FEATURES names, has no fused multiply-add: the fast engine gives the "
            "same bits, many times slower"
        )
    shapes = {}
    for tensor in graph.inputs:
        if None in tensor.shape[1:]:
            raise UsageError(
                f"input {tensor.name!r} has shape {tensor.shape}; expected all extents but the first fixed"
            )
        shapes[tensor.name] = tuple(int(extent or 0) for extent in tensor.shape[1:])
    team = Team(usable_cores() if threads is None else threads)
    return Engine(make_plan(graph, shapes, threads=team.threads, low_memory=memory == "low", cache=cache), team)
