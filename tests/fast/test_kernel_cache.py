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
    return write_package(tmp_path / "package")


@pytest.fixture(scope="module")
def once_compiled(tmp_path_factory):
    """The same, after a first process has compiled the kernel."""
    package = write_package(tmp_path_factory.mktemp("compiled") / "package")
    assert outcome(start(package)) == ("21 0", "")
    return package


@pytest.fixture
def compiled(once_compiled, tmp_path):
    """A copy of that, cache and all, to edit and to damage."""
    for name in ("package", "cache"):
        shutil.copytree(once_compiled.parent / name, tmp_path / name)
    return tmp_path / "package"


def write_package(root):
    for name in ("__init__.py", "fast/__init__.py"):
        (root / "refnet" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "refnet" / name).write_text("")
    sources = (
        "cache_folder.py",
        "errors.py",
        "files.py",
        "graph.py",
        "fast/kernel_cache.py",
        "fast/cache_folder.py",
        "fast/target.py",
    )
    for name in sources:
        shutil.copy(SOURCES / name, root / "refnet" / name)
    (root / "refnet" / "fast" / "helper.py").write_text(HELPER)
    (root / "refnet" / "fast" / "kernel.py").write_text(KERNEL)
    return root


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


def test_the_second_process_finds_what_the_first_compiled(compiled):
    assert outcome(start(compiled)) == ("21 1", "")


def test_an_edit_of_what_a_kernel_calls_is_seen(compiled):
    (compiled / "refnet" / "fast" / "helper.py").write_text(HELPER.replace("FACTOR * x", "FACTOR * x * x"))
    assert outcome(start(compiled)) == ("201 0", "")


def test_an_edit_of_a_constant_that_a_kernel_reads_through_another_is_seen(compiled):
    (compiled / "refnet" / "fast" / "helper.py").write_text(HELPER.replace("FACTOR = 2", "FACTOR = 3"))
    assert outcome(start(compiled)) == ("31 0", "")
    (compiled / "refnet" / "fast" / "helper.py").write_text(HELPER)
    assert outcome(start(compiled)) == ("21 1", "")


@pytest.mark.parametrize("variable", [{"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": ""}, {"NUMBA_OPT": "1"}])
def test_code_for_another_machine_or_by_other_options_is_other_code(compiled, variable):
    assert outcome(start(compiled, **variable)) == ("21 0", "")
    assert outcome(start(compiled, **variable)) == ("21 1", "")
    assert outcome(start(compiled)) == ("21 1", "")


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
def test_a_damaged_file_is_compiled_again_and_replaced(compiled, damage):
    (path,) = kept(compiled)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert outcome(start(compiled)) == ("21 0", "")
    assert outcome(start(compiled)) == ("21 1", "")


def test_processes_that_compile_at_once_do_not_disturb_each_other(package):
    for process in [start(package) for _ in range(3)]:
        printed, complained = outcome(process)
        assert printed in ("21 0", "21 1")  # whoever is late finds what the first has compiled
        assert not complained
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


def test_recompiling_forgets_what_was_kept(compiled):
    outcome(start(compiled, "from refnet.fast.kernel import kernel\nkernel(1)\nkernel._cache.flush()"))
    assert kept(compiled) == []


def test_a_closure_is_refused():
    factor = 2

    @njit
    def closure(x):
        return x * factor

    with pytest.raises(TypeError, match=r"closure has a closure; only functions of a module can be cached"):
        cached(closure)
