"""Keep compiled kernels on disk, under a key that holds all that their code depends on.

    @cached
    @njit(nogil=True)
    def kernel(...): ...

Numba's own cache looks at the file of a function and not at what the function calls: after an edit of a helper, or of
a constant that a helper reads, it runs the old code and says nothing. Here the key is a digest of every source file
of the engine, of the versions of Python, NumPy, numba and llvmlite, of the processor and of the options that numba
compiles with. A new key is a new folder, and old ones are deleted in time.

A file holds machine code with its description (`kernel_file`), and no pickle. It is used only if nobody but the user
can have written it (`refnet.cache_folder`). What is damaged, foreign or half there is compiled again and replaced; where
others can write to the folder, nothing is kept.
"""

import hashlib
import logging
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
import numpy as np
from numba.core import config
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target

from refnet.cache_folder import cache_folder, check_own_folder, make_own_folder
from refnet.errors import UsageError
from refnet.fast.cache_folder import last_used, mark_used, open_kept, remove, say_once, sources_digest
from refnet.fast.kernel_file import from_bytes, to_bytes
from refnet.fast.target import COMPILED
from refnet.files import replacing, sweep

_log = logging.getLogger(__name__)

_OPTIONS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")
_FOLDERS_KEPT = 8

Function = TypeVar("Function", bound=Callable[..., Any])


def cached(kernel: Function) -> Function:
    """Let a compiled function be found on disk by the next process; return it.

    A function that numba leaves to Python (NUMBA_DISABLE_JIT) is returned as it is.

    Raises
    ------
    TypeError
        If the function has a closure: what is in it would be in the code and not in the key.
    """
    if isinstance(kernel, Dispatcher):
        function = kernel.py_func
        if function.__closure__:
            raise TypeError(f"{function.__qualname__} has a closure; only functions of a module can be cached")
        kernel._cache = _KernelCache(function)  # type: ignore[attr-defined]
    return kernel


def nothing_kept() -> bool:
    """Whether this user has no kernel on disk yet, or none to be trusted, so that the next run compiles them all."""
    if not COMPILED:
        return False
    folder = _folder(cpu_target.target_context.codegen().magic_tuple())
    try:
        check_own_folder(folder)
    except (OSError, UsageError):
        return True
    return not any(folder.glob("*.kernel"))


class _KernelCache:
    """What numba asks for the code of one function; one file for each signature."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        self.cache_path = str(cache_folder("kernels"))  # numba shows it with a function's statistics

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled function, or None if it has to be compiled."""
        target_context.refresh()
        path = self._path(signature, target_context.codegen())
        opened = open_kept(path)
        if opened is None:
            return None
        with opened as file:
            try:
                result = from_bytes(file.read(), self._name, signature, target_context)
            except Exception as error:  # whatever a damaged file brings about
                _log.info("%s is compiled again: %s is of no use (%s)", self._name, path, error)
                return None
        mark_used(path.parent)
        return result

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a compiled function, if there is a place for it."""
        path = self._path(signature, result.codegen)
        try:
            data = to_bytes(self._name, result)
            new = not path.parent.exists()
            make_own_folder(path.parent)
            if new:
                _delete_old_folders(path.parent)
            sweep(path.parent)
            with replacing(path, private=True, swept=True) as file:
                file.write(data)
        except (OSError, UsageError, ValueError) as error:
            say_once(f"compiled kernels are not kept, and every start compiles them anew: {error}")

    def flush(self) -> None:
        """Forget what was kept of this function."""
        folder = _folder(cpu_target.target_context.codegen().magic_tuple())
        for path in folder.glob(f"{self._name}-*.kernel"):
            remove(path)

    def _path(self, signature: Any, codegen: Any) -> Path:
        """Where the code for a signature is kept."""
        digest = hashlib.sha256(str(signature).encode()).hexdigest()
        return _folder(codegen.magic_tuple()) / f"{self._name}-{digest[:16]}.kernel"


def _folder(machine: tuple[str, ...]) -> Path:
    """The folder of all that is compiled from these sources, by these versions, for this machine."""
    versions = (sys.implementation.cache_tag, platform.python_version(), np.__version__)
    options = tuple((name, getattr(config, name, None)) for name in _OPTIONS)
    key = (sources_digest(), versions, numba.__version__, llvmlite.__version__, machine, options)
    return cache_folder("kernels") / hashlib.sha256(repr(key).encode()).hexdigest()[:32]


def _delete_old_folders(newest: Path) -> None:
    """Keep what was used last, a few keys' worth: versions and machines that take turns."""
    folders = sorted((path for path in newest.parent.iterdir() if path != newest), key=last_used, reverse=True)
    for folder in folders[_FOLDERS_KEPT - 1 :]:
        remove(folder)
