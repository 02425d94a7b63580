"""Where output goes: data to stdout, words and progress to stderr.

Names come from files and from the command line, and may hold anything. Whatever goes through `out`, `err`, `say`,
`complain` or `progress` is text there, on one line, and does nothing to a terminal.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from refnet.cli import streams

# Letters that Python calls printable, and that leave nothing to see: fillers, joiners, selectors of variants.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    """Text of unknown origin on one line that does nothing to a terminal: what cannot be seen is escaped.

    Control characters, ends of lines, marks that turn the direction of writing, letters without width.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c.isprintable() and not _UNSEEN.match(c) else c.encode("unicode_escape").decode("ascii") for c in text
    )


def printable(text: str) -> str:
    """The same for data: a backslash is escaped too, so that different names stay different."""
    return visible(text.replace("\\", "\\\\"))


class Output(Console):
    """A console on stdout or stderr; where it cannot be written, that is an error, and never the end of the process."""

    def on_broken_pipe(self) -> None:
        """Do nothing: rich goes on to raise SystemExit here, of status 1."""
        raise

    def print(self, *objects: Any, **how: Any) -> None:
        """Print, as rich does."""
        with nullcontext() if self.stderr else streams.writing():
            super().print(*objects, **how)


class _Terminal(Output):
    """A console to which a string is text: no markup, no emoji by name, nothing that acts."""

    def render_str(self, text: str, **how: Any) -> Text:
        """The text as it is seen; rich renders every string with this, those in tables too."""
        return super().render_str(visible(text), **{**how, "markup": False, "emoji": False})


# Tables keep their words when a file or a pipe takes them.
out = _Terminal(highlight=False, soft_wrap=True, width=None if sys.stdout and sys.stdout.isatty() else 200)
err = _Terminal(stderr=True, highlight=False)


unsaid: list[OSError] = []  # why a line could not be said


def say(message: str) -> None:
    """One line for the person, on stderr; where that cannot be written, the work goes on."""
    try:
        err.print(message, soft_wrap=True)
        sys.stderr.flush()
    except BrokenPipeError:  # nobody listens
        streams.discard(sys.stderr)
    except OSError as error:
        unsaid.append(error)
        streams.discard(sys.stderr)


def complain(message: str) -> None:
    """One sentence about what went wrong, on stderr."""
    say(f"refnet: {message}")


class Warnings(logging.Handler):
    """What refnet's modules warn of, said as everything else is."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line for one record."""
        say(record.getMessage())


def write(text: str) -> None:
    """Text on stdout."""
    with streams.writing():
        sys.stdout.write(text)


def flush() -> None:
    """Have what was written on stdout arrive."""
    with streams.writing():
        sys.stdout.flush()


def print_data(line: str) -> None:
    """One line on stdout, as it is; what the terminal's encoding lacks is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    write(json.dumps(value, indent=2) + "\n")


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Any]:
    """A progress bar on stderr, on a terminal only; yields a function that advances it by one."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(visible(description), total=total)

        def advance(step: int = 1) -> None:
            bar.advance(task, step)

        yield advance
