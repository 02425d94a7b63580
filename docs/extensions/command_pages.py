"""Writes the pages of the command line from the commands themselves: what `refnet COMMAND --help` says, as pages."""

import re
from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.docs.rst import generate_rst_docs
from sphinx.application import Sphinx

from refnet.cli import app as refnet_app

FOLDER = "commands"
INTRODUCTION = """\
The command line
================

Data goes to stdout, words and progress to stderr. Exit status: 0 done or match, 1 a negative finding, 2 usage, 3 a
model that is missing or not what it says it is, 4 unreadable input, 5 a missing extra, 130 interrupted. These pages are
made of what ``refnet COMMAND --help`` says.

.. list-table::
   :widths: 1 3
   :class: commands

"""


def subcommands(app: App) -> dict[str, App]:
    """The commands below one, without its flags."""
    return {name: app[name] for name in app if not name.startswith("-")}


def described(app: App, words: str) -> str:
    """One command's usage, arguments and options, without a title."""
    text = generate_rst_docs(app, usage_name=words, generate_toc=False)
    text = re.sub(r"^\.\. _.*\n+", "", text, flags=re.M)
    text = re.sub(r"\A=+\n.*\n=+\n+", "", text)
    text = text.replace(" [Default: ``False``]", "")  # a flag that is not given
    return re.sub(r"^\*\*(\w+):\*\*$", r".. rubric:: \1", text, flags=re.M) + "\n"


def page(name: str, app: App) -> str:
    """The page of a command, or of one that has commands of its own."""
    title = f"refnet {name}"
    below = subcommands(app)
    if not below:
        return f"{title}\n{'=' * len(title)}\n\n{described(app, title)}"
    parts = [f"{title}\n{'=' * len(title)}\n\n{app.help}\n"]
    for word, leaf in below.items():
        words = f"{title} {word}"
        parts.append(f"{words}\n{'-' * len(words)}\n\n{described(leaf, words)}")
    return "\n".join(parts)


def write_pages(app: Sphinx) -> None:
    """Write a page for each command, and the one that lists them; a page that would not change is left alone."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    index = INTRODUCTION
    for name, command in subcommands(refnet_app).items():
        _write(folder / f"{name}.rst", page(name, command))
        index += f"   * - :doc:`refnet {name} <{name}>`\n     - {command.help}\n"
    entries = "".join(f"   {name}\n" for name in subcommands(refnet_app))
    _write(folder / "index.rst", f"{index}\n.. toctree::\n   :hidden:\n\n{entries}")


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
