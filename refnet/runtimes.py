"""Other runtimes, imported and started so that they report nothing to their makers; the one place that may do either.

===============  ==============================================  ===============================================
runtime          what it does by itself                          what keeps it from that
===============  ==============================================  ===============================================
onnxruntime      from 1.32 (Linux) a thread sends events and     ``ORT_DISABLE_TELEMETRY=1`` in the environment
                 writes ``~/.cache/Microsoft``                   before the import; a later call of
                                                                 ``disable_telemetry_events()`` does not
OpenVINO         ``import openvino`` sends an event and writes   the package ``openvino_telemetry`` cannot be
                 ``~/intel``                                     imported
MNN's converter  installs a package with pip, sends an event     the module ``MNN.tools.utils.log`` cannot be
                                                                 imported
torch, ncnn      nothing that is known
===============  ==============================================  ===============================================

OpenVINO's own opt-out is a file, ``~/intel/openvino_telemetry``: it would be written into the user's home. Its one
environment variable, ``CI``, says that this is a CI system, and other libraries read it too. Where the optional package
`openvino_telemetry` is absent, OpenVINO uses its own stub, ``openvino.tools.ovc.telemetry_stub``. MNN's converter does
without its logger in the same way.

The setting lasts as long as the process, and its children inherit the environment.
"""

import importlib
import os
import runpy
import sys
from typing import Any

RUNTIMES = ("onnxruntime", "openvino", "torch", "ncnn", "MNN")
_ENVIRONMENT = {"ORT_DISABLE_TELEMETRY": "1"}
_REPORTERS = ("openvino_telemetry", "MNN.tools.utils.log")


def silence() -> None:
    """Set every opt-out; to be called before a runtime is imported."""
    os.environ.update(_ENVIRONMENT)
    for name in _REPORTERS:
        sys.modules[name] = None  # type: ignore[assignment]  # import then raises ImportError


def import_runtime(name: str) -> Any:
    """Import a runtime, silenced.

    Parameters
    ----------
    name : one of `RUNTIMES`

    Raises
    ------
    ImportError
        If it is not installed.
    """
    silence()
    return importlib.import_module(name)


if __name__ == "__main__":  # python -m refnet.runtimes MODULE ARGUMENTS: a runtime's own program, silenced
    silence()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
