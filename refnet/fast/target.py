"""What numba compiles for: this processor or another one that it was told of, or nothing at all."""

from numba.core import config
from numba.core.registry import cpu_target

from refnet.fast.cache_folder import say_once

COMPILED = not getattr(config, "DISABLE_JIT", 0)  # set by numba at run time, which its types do not know


def has(feature: str) -> bool:
    """Whether the code may use some instructions, as LLVM calls them: "fma", "avx512f"."""
    return f"+{feature}" in _machine()[2].split(",")


def lacks_fused_multiply_add() -> bool:
    """Whether each lane's multiply-add is a call of the C library; only x86-64 processors of before 2013 lack it."""
    return _machine()[0].startswith(("x86_64", "i686")) and not has("fma")


def say_what_is_slow() -> None:
    """Say once what makes the fast engine slow here; the bits are the same."""
    if not COMPILED:
        say_once(
            "NUMBA_DISABLE_JIT is set: the fast engine runs as plain Python and gives the same bits, thousands of times slower"
        )
    elif lacks_fused_multiply_add():
        say_once(
            "this processor, or the one that NUMBA_CPU_FEATURES names, has no fused multiply-add: the fast engine gives the "
            "same bits, many times slower"
        )


def _machine() -> tuple[str, str, str]:
    """Triple, processor, and features separated by commas."""
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    return triple, name, features
