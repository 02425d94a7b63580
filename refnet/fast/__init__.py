"""The fast engine: float32, compiled by numba, the same bits on every machine.

engine = refnet.fast.compile(graph)
embeddings = engine.run({"data": images})["fc1"]
"""

from typing import Literal

from refnet.errors import UnsupportedModelError, UsageError
from refnet.fast.kernel_cache import nothing_kept
from refnet.fast.plan import make_plan
from refnet.fast.run import Engine
from refnet.fast.target import COMPILED, say_what_is_slow
from refnet.fast.team import Team, usable_cores
from refnet.fast.whole import WholeEngine
from refnet.graph import Graph, Shape
from refnet.ops.batch_analysis import batch_axes

__all__ = ["Engine", "WholeEngine", "compile", "nothing_kept"]


def compile(
    graph: Graph,
    *,
    threads: int | None = None,
    memory: Literal["default", "low"] = "default",
    cache: bool = False,
    apart: bool | None = None,
) -> Engine | WholeEngine:
    """Make a network ready to run: simplify it, choose kernels, pack its weights.

    Parameters
    ----------
    graph : Graph
        Extents of its inputs, but for the first, must be fixed. Where it keeps the images of a batch apart, any number
        of them may be given, whatever the file declares. Where it mixes them it is computed in one piece: for the
        declared number, or for any where the file leaves that open.
    threads : int, optional
        As many as there are usable cores. Always one where numba is told not to compile (NUMBA_DISABLE_JIT): then the
        kernels run as plain Python, with the same bits.
    memory : "default" or "low"
        "low" keeps filters as they are, and takes longer. The bits are the same.
    cache : bool
        Keep packed weights on disk, and map them from there the next time.
    apart : bool, optional
        What `batch_axes` says of the graph, for a caller who has asked it already.

    Raises
    ------
    ModelError, UnsupportedModelError
        If the graph does not fit itself, or declares an input of float64.
    UsageError
        If an input's size is left open.
    """
    say_what_is_slow()
    _refuse_float64(graph)
    shapes: dict[str, Shape] = {}
    for tensor in graph.inputs:
        if None in tensor.shape[1:]:
            raise UsageError(
                f"input {tensor.name!r} has shape {tensor.shape}; expected all extents but the first fixed"
            )
        shapes[tensor.name] = tuple(int(extent or 0) for extent in tensor.shape[1:])
    team = Team(usable_cores() if threads is None else threads)
    if not COMPILED:  # ranks that wait for each other in Python would only wait
        team = Team(1)
    if batch_axes(graph, shapes).apart if apart is None else apart:
        return Engine(make_plan(graph, shapes, threads=team.threads, low_memory=memory == "low", cache=cache), team)
    return WholeEngine(graph, team, low_memory=memory == "low", cache=cache)


def _refuse_float64(graph: Graph) -> None:
    """Refuse inputs of a precision that this engine does not compute in."""
    for tensor in graph.inputs:
        if tensor.dtype == "float64":
            raise UnsupportedModelError(
                f"input {tensor.name!r} declares float64; the fast engine computes in float32: use engine='reference', or "
                "export the model in float32"
            )
