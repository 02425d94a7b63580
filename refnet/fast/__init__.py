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
        As many as there are usable cores. Always one where numba is told not to compile (NUMBA_DISABLE_JIT): then the
        kernels run as plain Python, with the same bits.
    memory : "default" or "low"
        "low" keeps filters as they are, and takes longer. The bits are the same.
    cache : bool
        Keep packed weights on disk, and map them from there the next time.

    Raises
    ------
    ModelError, UnsupportedModelError
        If the graph does not fit itself.
        Also for integers at its border: every input is float32 here. One that declares integers or truth values is taken
        where all that reads it is a Cast to float32.
    UsageError
        If an input's size is left open.
    """
    say_what_is_slow()
    _refuse_other_dtypes(graph)
    shapes = {}
    for tensor in graph.inputs:
        if None in tensor.shape[1:]:
            raise UsageError(
                f"input {tensor.name!r} has shape {tensor.shape}; expected all extents but the first fixed"
            )
        shapes[tensor.name] = tuple(int(extent or 0) for extent in tensor.shape[1:])
    team = Team(usable_cores() if threads is None else threads)
    if not COMPILED:  # ranks that wait for each other in Python would only wait
        team = Team(1)
    return Engine(make_plan(graph, shapes, threads=team.threads, low_memory=memory == "low", cache=cache), team)


def _refuse_other_dtypes(graph: Graph) -> None:
    """Refuse inputs that would not be the same numbers in float32."""
    for tensor in graph.inputs:
        if tensor.dtype in ("float16", "float32"):
            continue
        if tensor.dtype == "float64":
            raise UnsupportedModelError(
                f"input {tensor.name!r} declares float64; the fast engine computes in float32: use engine='reference', or "
                "export the model in float32"
            )
        given_out = any(output.name == tensor.name for output in graph.outputs)
        readers = [node for node in graph.nodes if tensor.name in node.inputs]
        if given_out or not all(node.op == "Cast" and node.attributes["to"] == "float32" for node in readers):
            raise UnsupportedModelError(
                f"input {tensor.name!r} declares {tensor.dtype}, and not only a Cast to float32 reads it; the fast engine "
                "takes float32: use engine='reference'"
            )
