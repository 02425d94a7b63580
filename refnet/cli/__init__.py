"""The command line: one small file a command; each parses, calls, prints.

Data goes to stdout, everything else to stderr. Exit status: 0 done, 1 a negative finding, 2 usage, 3 a model that is
missing or not what it says it is, 4 unreadable input, 5 a missing extra, 130 interrupted. What cannot be written to
stdout or stderr makes any of them 2.
"""

import logging
import os
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError

from refnet import __version__
from refnet.cache_folder import cache_folder
from refnet.cli import streams
from refnet.cli.console import Output, Warnings, complain, flush, unsaid
from refnet.errors import RefnetError, UsageError
from refnet.opening import said_by_system

app = App(
    name="refnet",
    help="The ArcFace ResNet100 face-recognition network, rebuilt in NumPy.",
    version=__version__,
    console=Output(),
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)
_COMMANDS = {
    "demo": "Make or find a model, embed two faces, compare them, prove the numbers.",
    "inspect": "What a model is: layers, cost, input contract, conformance.",
    "align": "From a photograph to aligned crops of its faces.",
    "embed": "Photographs or aligned crops in, embeddings out, at any number of them.",
    "compare": "How alike two faces are.",
    "threshold": "One threshold in every convention of the field.",
    "evaluate": "Accuracy on labelled pairs: the published protocols, and rates with intervals.",
    "validate": "Prove every tensor against onnxruntime or a saved trace.",
    "audit": "Everything about a model on one page: provenance, agreement, weights, findings, accuracy.",
    "doctor": "Which of the mistakes people make with these models has been made here.",
    "diff": "Where two models differ: structure, weights, behaviour.",
    "explain": "What in a face carries its similarity to another.",
    "explore": "A page on this machine: a face through every layer, every number written out.",
    "bench": "Speed beside other runtimes, and layer by layer beside the machine's limits.",
    "trace": "Write the tensors inside the network to a file.",
    "convert": "Another format, order of channels, precision or opset.",
    "stats": "What the tensors inside the network are like over many images.",
}
for _name, _help in _COMMANDS.items():
    app.command(f"refnet.cli.{_name}:{_name}", name=_name, help=_help)
models = App(name="models", help="Models: list, info, fetch, verify, import, path, make.")
_MODEL_COMMANDS = {
    "list": ("cards:list_models", "The models refnet knows, and which are here."),
    "info": ("cards:info", "What is known of a model: files, digests, input, licence, figures."),
    "fetch": ("fetch:fetch_models", "Download models and verify them; the one command that uses the network."),
    "verify": ("check:verify", "Which model a file is, and whether it is whole."),
    "import": ("check:import_model", "Copy a model file that you have into the cache."),
    "path": ("cards:path", "Where a model's file lies."),
    "make": ("make:make", "Write a model of the real graph with synthetic weights."),
}
for _name, (_where, _help) in _MODEL_COMMANDS.items():
    models.command(f"refnet.cli.models.{_where}", name=_name, help=_help)
app.command(models)
gallery = App(name="gallery", help="Known faces in a file: build, add, remove, list, verify, search.")
gallery.command("refnet.cli.gallery:build", name="build", help="Make a gallery of face crops or embeddings.")
gallery.command("refnet.cli.gallery:add", name="add", help="Add faces; what is there stays.")
gallery.command("refnet.cli.gallery:remove", name="remove", help="Take out identities or single images.")
gallery.command("refnet.cli.gallery:list_gallery", name="list", help="The identities of a gallery.")
gallery.command("refnet.cli.gallery:verify", name="verify", help="Check every part of a gallery.")
gallery.command(
    "refnet.cli.gallery_search:search", name="search", help="Who is this? Rank identities, decide by a threshold."
)
app.command(gallery)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    streams.prepare()
    os.environ.setdefault("MPLCONFIGDIR", str(cache_folder("matplotlib")))  # its list of fonts, else in the user's home
    unsaid.clear()
    log = logging.getLogger("refnet")
    if not log.handlers:
        log.addHandler(Warnings())
    status = _ended(lambda: app(arguments))
    return UsageError.exit_status if _ended(flush) or unsaid else status


def _ended(run: Callable[[], object]) -> int:
    """The exit status of a command; whatever ends it, but a fault of ours, is said in a sentence."""
    try:
        status = run()
        return status if isinstance(status, int) else 0
    except CycloptsError as error:
        complain(f"{error} See `refnet --help`.")
        return UsageError.exit_status
    except RefnetError as error:
        complain(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except streams.ReaderGoneError:  # as `head` does
        return 0
    except MemoryError:
        complain("there is not enough memory; give less at a time, or make room")
    except RecursionError:
        complain("something that was given is nested too deep")
    except OSError as error:
        complain(f"{error.filename}: {said_by_system(error)}" if error.filename else said_by_system(error))
    return UsageError.exit_status
