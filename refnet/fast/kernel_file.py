"""A compiled function as the bytes of a file, and back: machine code and what numba needs to call it. No pickle.

    digest of the rest, 32 bytes | length of the description, 8 bytes, little-endian | description, JSON |
    object code, as the linker has it | bitcode, as LLVM has it

The description says which function for which types this is, and how it was compiled; it is compared with what is asked
for, and nothing in it is run. numba's own cache pickles more than that: constants and functions of all kinds. What
this form has no room for is refused: such a function is compiled by every process.

Object code is code all the same. Who may have written a file is for `refnet.cache_folder` to say.
"""

import hashlib
import json
from typing import Any

import numpy as np
from numba.core import sigutils, types
from numba.core.compiler import CompileResult
from numba.core.environment import Environment, _rebuild_env
from numba.core.funcdesc import PythonFunctionDescriptor

_DIGEST_BYTES = hashlib.sha256().digest_size
_LENGTH_BYTES = 8
_RETURNED = {str(kind): kind for kind in (types.none, types.boolean, types.int64, types.float32, types.float64)}
_PACKAGES = ("refnet", "numba")


def to_bytes(name: str, result: Any) -> bytes:
    """What to write of numba's CompileResult `result`, of the function of this qualified name.

    Raises
    ------
    ValueError
        If there is something about it that this form has no room for.
    """
    function, library = result.fndesc, result.library
    for what, value in (
        ("addresses of this process", library.has_dynamic_globals),
        ("Python objects", result.objectmode),
        ("loops that are compiled apart", result.lifted),
        ("something to be run on loading", result.reload_init),
        ("constants that are Python objects", result.environment.consts),
    ):
        if value:
            raise ValueError(f"{name} has {what}")
    if str(function.restype) not in _RETURNED:
        raise ValueError(f"{name} returns {function.restype}")
    called = result._find_referenced_environments()
    _check_modules([environment.globals["__name__"] for environment in called])
    library_name, _, (code, bitcode) = library.serialize_using_object_code()
    description = {
        "name": name,
        "types": str(function.argtypes),
        "returns": str(function.restype),
        "library": library_name,
        "symbol": function.mangled_name,
        "environment": function.env_name,
        "module": function.modname,
        "function": function.qualname,
        "unique_name": function.unique_name,
        "arguments": list(function.args),
        "noalias": function.noalias,
        "called": [
            [environment.env_name, environment.globals["__name__"], [_dtype_text(it) for it in environment.consts]]
            for environment in called
        ],
        "code_bytes": len(code),
    }
    text = json.dumps(description).encode()
    rest = b"".join((len(text).to_bytes(_LENGTH_BYTES, "little"), text, code, bitcode))
    return hashlib.sha256(rest).digest() + rest


def from_bytes(data: bytes, name: str, signature: Any, target: Any) -> Any:
    """The CompileResult that `to_bytes` was given, for numba's target context `target`.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the bytes are damaged, or not of this function for this signature.
    """
    digest, rest = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(rest).digest() != digest:
        raise ValueError("its digest is wrong")
    text_end = _LENGTH_BYTES + int.from_bytes(rest[:_LENGTH_BYTES], "little")
    said = json.loads(rest[_LENGTH_BYTES:text_end])
    code_end = text_end + said["code_bytes"]
    arguments, _ = sigutils.normalize_signature(signature)  # type: ignore[no-untyped-call]
    if (said["name"], said["types"]) != (name, str(arguments)):
        raise ValueError(f"it is {said['name']} of {said['types']}")
    function = PythonFunctionDescriptor(  # type: ignore[no-untyped-call]
        native=True,
        modname=said["module"],
        qualname=said["function"],
        unique_name=said["unique_name"],
        doc="",
        typemap=None,
        restype=_RETURNED[said["returns"]],
        calltypes=None,
        args=tuple(said["arguments"]),
        kws=(),
        mangler=lambda *_, **__: said["symbol"],  # which numbers records as the process that compiled it did
        env_name=said["environment"],
        argtypes=arguments,
        noalias=said["noalias"],
    )
    _check_modules([module for _, module, _ in said["called"]])
    return CompileResult._rebuild(  # type: ignore[no-untyped-call]
        target,
        libdata=(said["library"], "object", (rest[text_end:code_end], rest[code_end:])),
        fndesc=function,
        env=Environment.from_fndesc(function),  # type: ignore[no-untyped-call]
        signature=function.restype(*arguments),
        objectmode=False,
        lifted=(),
        typeann="",
        reload_init=[],
        referenced_envs=[
            _rebuild_env(module, [np.dtype(text) for text in constants], symbol)  # type: ignore[no-untyped-call]
            for symbol, module, constants in said["called"]
        ],
    )


def _check_modules(modules: list[str]) -> None:
    """Refuse functions that call others than refnet's and numba's; these modules are imported on loading."""
    foreign = sorted({module for module in modules if module.partition(".")[0] not in _PACKAGES})
    if foreign:
        raise ValueError(f"functions of {', '.join(foreign)} are called")


def _dtype_text(constant: Any) -> str:
    """A dtype as text, the one kind of constant that compiled functions of arrays have."""
    if isinstance(constant, np.dtype) and np.dtype(constant.str) == constant:
        return constant.str
    raise ValueError(f"a function with the constant {constant!r} is called")
