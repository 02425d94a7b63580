"""What a hundred thousand images cost beside a thousand: memory, and the time to take up a run that was killed.

    python tools/measure_scale.py [MANY]

Crops of noise by many names, and the real graph cut down to 1/16 of its width and four units: what is measured is what
stands around a network. The run is killed after the last image, before its output is written, and given again.
"""

import os
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from refnet.bench.machine import machine, sentence
from refnet.zoo.make import make_model

FEW, PICTURES = 1000, 40
RUN = "import sys; from refnet.cli import main; sys.exit(main(sys.argv[1:]))"
KILLED = f"import os; from importlib import import_module; import_module('refnet.cli.embed').write_rows = lambda *_: os.kill(os.getpid(), 9); {RUN}"


def measured(code: str, folder: Path, output: Path, status: int) -> tuple[float, float, float]:
    """Peak memory in MB, seconds, and processor seconds of `refnet embed` in a process of its own."""
    begun = time.monotonic()
    command = [sys.executable, "-c", code, "embed", str(folder), "-m", str(folder.parent / "m.onnx"), "-o", str(output)]
    child = os.posix_spawn(command[0], command, os.environ)
    _, ended, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(ended) != status:
        raise SystemExit(f"{' '.join(command[3:])} ended with {os.waitstatus_to_exitcode(ended)}; expected {status}")
    return used.ru_maxrss * 1024 / 1e6, time.monotonic() - begun, used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and print."""
    many = int((*sys.argv[1:], "100000")[0])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder / "m.onnx", width=Fraction(1, 16), units=(1, 1, 1, 1))
        rng = np.random.default_rng(0)
        pictures = [folder / f"{n}.png" for n in range(PICTURES)]
        for picture in pictures:
            Image.fromarray(rng.integers(0, 256, (112, 112, 3), dtype=np.uint8)).save(picture, compress_level=1)
        for count in (FEW, many):
            (folder / str(count)).mkdir()
            for n in range(count):
                (folder / str(count) / f"crop-{n:08}.png").hardlink_to(pictures[n % PICTURES])
        measured(RUN, folder / str(FEW), folder / "first.npz", 0)  # compiles, and packs weights
        few, *_ = measured(RUN, folder / str(FEW), folder / "few.npz", 0)
        all_of_them, seconds, work = measured(KILLED, folder / str(many), folder / "many.npz", -9)
        again, resumed, rest = measured(RUN, folder / str(many), folder / "many.npz", 0)
    peak = max(all_of_them, again)
    print(f"{sentence(machine())}\n")
    print(
        f"peak memory of `refnet embed`      {few:7.1f} MB for {FEW:,} crops, {peak:.1f} MB for {many:,} ({peak / few - 1:+.1%})"
    )
    print(f"{many:,} crops, killed at the end   {seconds:7.1f} s, {work:.1f} s of processor time")
    print(f"taken up again and written         {resumed:7.1f} s, {rest:.1f} s of processor time")


if __name__ == "__main__":
    main()
