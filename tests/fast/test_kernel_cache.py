import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import refnet
from refnet import fast
from refnet.fast.kernel_cache import cached
from refnet.fast.kernel_file import to_bytes
from refnet.fast.kernels.driver import drive
from refnet.fast.kernels.winograd_filters import expand_down
from refnet.fast.target import COMPILED

needs_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes of files")

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
        "opening.py",
        "graph.py",
        "fast/kernel_cache.py",
        "fast/kernel_file.py",
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


def test_a_kernel_of_records_is_found_though_processes_number_their_types_differently(package):
    (package / "refnet" / "fast" / "kernel.py").write_text(KERNEL.replace("scale(x) + 1", "scale(x[0].a) + 1"))
    of_records = RUN.replace("kernel(10)", "kernel(np.full(1, 10, dtype=[('a', np.int64)]))")
    assert outcome(start(package, "import numpy as np" + of_records)) == ("21 0", "")
    others = "import numba, numpy as np\nfor n in range(9): numba.typeof(np.zeros(1, dtype=[(f'b{n}', np.int64)]))\n"
    assert outcome(start(package, others + of_records)) == ("21 1", "")


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


class Planted:
    def __reduce__(self):
        return (Path.touch, (Path("planted"),))


def test_a_planted_pickle_is_not_run(compiled):
    (path,) = kept(compiled)
    pickled = pickle.dumps(Planted())
    for content in (hashlib.sha256(pickled).digest() + pickled, pickled):
        path.write_bytes(content)
        assert outcome(start(compiled)) == ("21 0", "")
    assert not (compiled / "planted").exists()


def test_a_kernel_under_the_name_of_another_is_not_used(compiled):
    both = RUN + "print(kernel(1.0))"
    outcome(start(compiled, both))
    first, second = kept(compiled)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert outcome(start(compiled, both)) == ("21 0\n3.0", "")


@needs_owners
def test_what_is_kept_is_the_users_alone(compiled):
    (path,) = kept(compiled)
    assert path.stat().st_mode & 0o777 == 0o600
    for folder in (path.parent, path.parent.parent, compiled.parent / "cache"):
        assert folder.stat().st_mode & 0o777 == 0o700


@needs_owners
@pytest.mark.parametrize("place", ["cache", "cache/kernels"])
def test_a_folder_that_others_can_write_to_is_not_used_and_it_is_said_once(compiled, place):
    folder = compiled.parent / place
    (path,) = kept(compiled)
    folder.chmod(0o777)
    before = path.stat()
    printed, complained = outcome(start(compiled, RUN + "print(kernel(1.0))"))
    assert printed == "21 0\n3.0"
    assert complained == (
        "compiled kernels are not kept, and every start compiles them anew: "
        f"{folder} can be written by other users (mode 0777); chmod go-w {folder}, or let REFNET_CACHE_DIR name a folder of your own"
    )
    assert kept(compiled) == [path]
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@needs_owners
def test_a_file_that_others_can_write_to_is_not_used_and_replaced(compiled):
    (path,) = kept(compiled)
    path.chmod(0o622)
    printed, complained = outcome(start(compiled))
    assert printed == "21 0"
    assert complained == (
        "a file of the cache is not used, and is made anew: "
        f"{path} can be written by other users (mode 0622); chmod go-w {path}, or let REFNET_CACHE_DIR name a folder of your own"
    )
    assert outcome(start(compiled)) == ("21 1", "")


def test_a_symbolic_link_is_not_followed(compiled):
    (path,) = kept(compiled)
    path.rename(compiled / "elsewhere")
    path.symlink_to(compiled / "elsewhere")
    assert outcome(start(compiled)) == ("21 0", "")
    assert not path.is_symlink()
    assert outcome(start(compiled)) == ("21 1", "")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("whole_folder", [True, False])
def test_what_belongs_to_another_user_is_not_used(compiled, whole_folder):
    (path,) = kept(compiled)
    place = compiled.parent / "cache" / "kernels" if whole_folder else path
    os.chown(place, 65534, 65534)
    printed, complained = outcome(start(compiled))
    assert printed == "21 0"
    assert (
        f"{place} belongs to another user (uid 65534, and this process runs as uid 0); let REFNET_CACHE_DIR name"
        in complained
    )
    assert len(complained.splitlines()) == 1
    assert outcome(start(compiled))[0] == ("21 0" if whole_folder else "21 1")


@pytest.mark.skipif(not COMPILED, reason="numba is told not to compile")
def test_the_engines_own_kernels_have_a_form_to_be_kept_in(narrow):
    fast.compile(narrow, threads=1).run({"data": np.zeros((1, 3, 112, 112))})
    for kernel in (drive, expand_down):
        assert kernel.overloads
        for signature, result in kernel.overloads.items():
            if signature not in kernel.stats.cache_hits:  # else it came from there
                assert to_bytes("kernel", result)


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
