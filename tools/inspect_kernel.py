"""What a kernel became: instructions of its machine code, counted.

    python tools/inspect_kernel.py                 all kernels
    python tools/inspect_kernel.py multiply_pair   one kernel, and its assembly on stdout with --assembly

For each: fused multiply-adds and other vector arithmetic by register width, and vectors moved to and from the stack
("spills": inside the register block's loops there should be none). Compiled for the processor at hand, or for the one
that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES say.
"""

import argparse
import re
from collections import Counter

import numba
import numpy as np
from numba.core.registry import cpu_target

from refnet.fast.kernels import dense, depthwise, direct, multiply, register_block, step, winograd, winograd_filters

FLOATS, INDEX, NUMBER = numba.types.float32[::1], numba.types.int64, numba.types.float32
RECORD = numba.from_dtype(np.dtype(step.STEP))
MEETING = numba.types.int64[::1]
PRODUCT = (INDEX, FLOATS, INDEX, INDEX, INDEX, FLOATS, INDEX)
PAIR = numba.types.UniTuple(INDEX, 2)
LAYER = (RECORD, FLOATS, FLOATS, INDEX, INDEX, INDEX)

KERNELS = {
    "multiply": (multiply.multiply, (*PRODUCT, FLOATS, INDEX, INDEX, INDEX)),
    "multiply_taps": (multiply.multiply_taps, (*PRODUCT, FLOATS, INDEX, INDEX, INDEX)),
    "multiply_pair": (multiply.multiply_pair, (*PRODUCT, NUMBER, NUMBER, FLOATS, INDEX, INDEX, INDEX, PAIR)),
    "multiply_apart": (multiply.multiply_apart, (*PRODUCT, FLOATS, INDEX, INDEX, INDEX)),
    "multiply_pixels": (multiply.multiply_pixels, (*PRODUCT, FLOATS, INDEX)),
    "expand_down": (winograd_filters.expand_down, (INDEX, FLOATS, INDEX, INDEX, FLOATS, INDEX)),
    "expand_across": (winograd_filters.expand_across, (FLOATS, INDEX, INDEX, FLOATS, INDEX)),
    "winograd3x3": (winograd.winograd3x3, LAYER),
    "direct": (direct.direct, LAYER),
    "direct_pixels": (direct.direct_pixels, LAYER),
    "depthwise": (depthwise.depthwise, LAYER),
    "dense": (dense.dense, (*LAYER, MEETING)),
}
REGISTERS = ("zmm", "ymm", "xmm")
STACK = re.compile(r"v?mov[ua]ps.*\(%r[sb]p")


def assembly(name: str) -> str:
    """The kernel's own function, without the wrappers that Python calls."""
    kernel, arguments = KERNELS[name]
    fresh = numba.njit(nogil=True)(kernel.py_func)  # a kernel loaded from disk has no assembly
    fresh.compile(arguments)
    text = fresh.inspect_asm(arguments)
    functions = re.split(r"^(?=_ZN\S+:$)", text, flags=re.MULTILINE)
    own = [part for part in functions if part.startswith("_ZN") and not part.startswith("_ZN7cpython")]
    return "".join(own)


def count(text: str) -> Counter[str]:
    """Instructions of a few kinds."""
    counted: Counter[str] = Counter()
    for line in text.splitlines():
        instruction = line.strip()
        width = next((register for register in REGISTERS if register in instruction), "")
        if re.match(r"vf?n?m(add|sub)\d+ps|vfn?m(add|sub)\d+ps", instruction):
            counted[f"fma {width}"] += 1
        elif STACK.match(instruction) and width:
            counted[f"spills {width}"] += 1
        elif "fmaf" in instruction and instruction.startswith(("call", "jmp")):
            counted["fma by function"] += 1
    return counted


def main() -> None:
    """Print a table, or one kernel's assembly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernel", nargs="*", choices=[[], *KERNELS], default=[])
    parser.add_argument("--assembly", action="store_true")
    options = parser.parse_args()
    print(
        f"processor {cpu_target.target_context.codegen().magic_tuple()[1]}; block {register_block.ROWS} x {register_block.VECTORS}"
    )
    for name in options.kernel or KERNELS:
        text = assembly(name)
        print(f"{name:16}", ", ".join(f"{kind} {number}" for kind, number in sorted(count(text).items())))
        if options.assembly:
            print(text)


if __name__ == "__main__":
    main()
