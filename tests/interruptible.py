"""Processes that can be interrupted, wherever the tests themselves run.

A shell starts background jobs with SIGINT ignored, and what is ignored stays so through every child: Python then raises
no KeyboardInterrupt. A signal with a handler is reset to its default action when a program is executed, so that one is
set here while the child starts.
"""

import signal
import subprocess
from collections.abc import Sequence
from typing import Any


def start(command: Sequence[str], **options: Any) -> "subprocess.Popen[str]":
    """`subprocess.Popen` with text streams, of a child that takes SIGINT by its default action."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, text=True, **options)
    finally:
        signal.signal(signal.SIGINT, before)
