import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from numba import njit

import refnet
from refnet.fast.kernel_cache import cached

SOURCES = Path(refnet.__file__).parent
# A package of the same build, with a kernel that reads a constant through a helper of another module.
HELPER = """
from numba import njit

FACTOR = 2

@njit(nogil=True)
def scale(x):
    return FACTOR * x
"""
KERNEL = """
from numba import njit

from refnet.fast.helper import scale
from refnet.fast.kernel_cache import cached

@cached
@njit(nogil=True)
def kernel(x):
    return scale(x) + 1
"""
RUN = """
from refnet.fast.kernel import kernel
print(kernel(10), getattr(kernel, "stats", None) and sum(kernel.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of refnet with a small kernel in it, so that its sources can be edited."""
    copy = tmp_path / "package"
    for name in ("__init__.py", "fast/__init__.py"):
        (copy / "refnet" / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / "refnet" / name).write_text("")
    for name in (
        "cache_folder.py",
        "errors.py",
        "files.py",
        "graph.py",
        "fast/kernel_cache.py",
        "fast/cache_folder.py",
    ):
        shutil.copy(SOURCES / name, copy / "refnet" / name)
    (copy / "refnet" / "fast" / "helper.py").write_text(HELPER)
    (copy / "refnet" / "fast" / "kernel.py").write_text(KERNEL)
    return copy


def start(package, script=RUN, **environment):
    """A Python process that runs a script with the package."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={
            **os.environ,
            "PYTHONPATH": str(package),
            "PYTHONDONTWRITEBYTECODE": "1",
            "REFNET_CACHE_DIR": str(package.parent / "cache"),
            **environment,
        },
        cwd=package,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(process):
    """What a process printed, and what it complained of."""
    printed, complained = process.communicate(timeout=120)
    assert process.returncode == 0, complained
    return printed.strip(), complained.strip()


def kept(package):
    return sorted((package.parent / "cache" / "kernels").glob("*/*.kernel"))


def test_the_second_process_finds_what_the_first_compiled(package):
    assert outcome(start(package)) == ("21 0", "")
    assert outcome(start(package)) == ("21 1", "")


def test_an_edit_of_what_a_kernel_calls_is_seen(package):
    outcome(start(package))
    (package / "refnet" / "fast" / "helper.py").write_text(HELPER.replace("FACTOR * x", "FACTOR * x * x"))
    assert outcome(start(package)) == ("201 0", "")


def test_an_edit_of_a_constant_that_a_kernel_reads_through_another_is_seen(package):
    outcome(start(package))
    (package / "refnet" / "fast" / "helper.py").write_text(HELPER.replace("FACTOR = 2", "FACTOR = 3"))
    assert outcome(start(package)) == ("31 0", "")
    (package / "refnet" / "fast" / "helper.py").write_text(HELPER)
    assert outcome(start(package)) == ("21 1", "")


@pytest.mark.parametrize("variable", [{"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""}, {"NUMBA_OPT": "1"}])
def test_code_for_another_machine_or_by_other_options_is_other_code(package, variable):
    outcome(start(package))
    assert outcome(start(package, **variable)) == ("21 0", "")
    assert outcome(start(package, **variable)) == ("21 1", "")
    assert outcome(start(package)) == ("21 1", "")


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:],
        lambda _: b"not a kernel at all" * 10,
    ],
    ids=["empty", "cut short", "one bit", "foreign"],
)
def test_a_damaged_file_is_compiled_again_and_replaced(package, damage):
    outcome(start(package))
    (path,) = kept(package)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert outcome(start(package)) == ("21 0", "")
    assert outcome(start(package)) == ("21 1", "")


def test_two_processes_at_once_do_not_disturb_each_other(package):
    assert [outcome(process) for process in [start(package) for _ in range(3)]] == [("21 0", "")] * 3 or kept(package)
    assert len(kept(package)) == 1
    assert outcome(start(package)) == ("21 1", "")


def test_a_cache_that_cannot_be_written_is_said_once_and_does_no_harm(package):
    (package.parent / "cache").write_text("a file where a folder should be")
    twice = RUN + "print(kernel(1.0))"
    printed, complained = outcome(start(package, twice))
    assert printed == "21 0\n3.0"
    assert complained.startswith("compiled kernels are not kept, and every start compiles them anew: ")
    assert len(complained.splitlines()) == 1


def test_without_compilation_the_function_is_plain_python(package):
    assert outcome(start(package, NUMBA_DISABLE_JIT="1")) == ("21 None", "")
    assert kept(package) == []


def test_folders_that_were_not_used_for_long_are_deleted(package):
    kernels = package.parent / "cache" / "kernels"
    for age in range(12):
        (kernels / f"old{age:02}").mkdir(parents=True)
        os.utime(kernels / f"old{age:02}", (1_000_000 - age, 1_000_000 - age))
    outcome(start(package))
    left = sorted(path.name for path in kernels.iterdir() if path.name.startswith("old"))
    assert left == [f"old{age:02}" for age in range(7)]


def test_recompiling_forgets_what_was_kept(package):
    outcome(start(package))
    outcome(start(package, "from refnet.fast.kernel import kernel\nkernel(1)\nkernel._cache.flush()"))
    assert kept(package) == []


def test_a_closure_is_refused():
    factor = 2

    @njit
    def closure(x):
        return x * factor

    with pytest.raises(TypeError, match=r"closure has a closure; only functions of a module can be cached"):
        cached(closure)
