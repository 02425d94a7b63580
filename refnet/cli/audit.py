"""`refnet audit`: everything refnet can find out about a model, as a page and as JSON beside it."""

import json as json_text
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from refnet import zoo
from refnet.audit.compare import Other
from refnet.audit.openvino_oracle import OpenVino
from refnet.audit.oracle import OnnxRuntime
from refnet.audit.report.document import Asked, Audit
from refnet.audit.report.document import audit as make_document
from refnet.audit.report.evaluated import Evaluated, evaluated
from refnet.audit.report.fed import Fed, fed_images, fed_pairs, fed_samples
from refnet.audit.report.made import Circumstances, Stopwatch
from refnet.audit.report.page.extra import check_extra
from refnet.bench.machine import installed, machine
from refnet.bulk.photographs import Photographs
from refnet.bulk.prepared import aligned_crops
from refnet.bulk.sources import image_names
from refnet.cli.console import print_json, progress, say
from refnet.cli.options import (
    ALIGNED,
    CacheFlag,
    JsonFlag,
    MemoryOption,
    OutputOption,
    PhotographOptions,
    ThreadsOption,
    open_model,
)
from refnet.errors import MissingExtraError, ModelError, UsageError
from refnet.evaluation.folds import check_count
from refnet.evaluation.pairs import PairSet, read_pairs
from refnet.files import check_place, replacing
from refnet.network import Network

FLOAT64_IMAGES = 2
EXPLAINED = 2
SUFFIXES = (".html", ".json")
PACKAGES = ("numpy", "numba", "onnx", "onnxruntime", "openvino", "Pillow")


def audit(
    model: str | None = None,
    /,
    *,
    output: OutputOption,
    images: Annotated[list[str], Parameter(negative="", consume_multiple=True)] = [],  # noqa: B006  (cyclopts reads the default)
    pairs: Path | None = None,
    pair_images: Path | None = None,
    float64_images: int = FLOAT64_IMAGES,
    explain: int = EXPLAINED,
    resamples: int = 1000,
    photographs: PhotographOptions = ALIGNED,
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
    json: JsonFlag = False,
) -> int:
    """Write a report on a model: FILE.html, a page that needs nothing but a browser, and FILE.json beside it.

    Exit status 1 if the doctor finds a problem or a tensor departs; the report is written all the same.

    Parameters
    ----------
    model
        Model file or a card's name. Default: $REFNET_MODEL, else the cached arcfaceresnet100-8.
    output
        FILE.html, and the same in JSON goes to FILE.json; or FILE.json, for the JSON alone.
    images
        Aligned face crops, or with --faces photographs: files, folders, patterns. Default: the images of --pairs, else
        the sample portraits.
    pairs
        Labelled pairs, as `refnet evaluate` takes them: FILE.bin, LFW's pairs.txt, or FILE.csv, with groups if it has them.
    pair_images
        Folder of the images that a table of pairs names. Default: the table's own.
    float64_images
        How many images are computed in float64, tensor by tensor.
    explain
        How many pairs are explained; 0 for none.
    resamples
        Of the evaluation's intervals.
    json
        Print the document on stdout too.
    """
    _check(output, pairs, pair_images, images, photographs.how, float64_images, explain, resamples)
    watch = Stopwatch()
    path = zoo.resolve(model)
    found = None if pairs is None else read_pairs(pairs, pair_images)
    if found is not None:
        check_count(len(found.same))
    with watch.part("loading"):
        network = open_model(str(path), "fast", threads, memory, cache)
    with watch.part("images"):
        fed = _fed(network, images, photographs.how, found)
    other, notes = _other(network, path, threads)
    asked = Asked(
        network, fed, float64_images, other, _evaluated(network, found, resamples, watch), explain, threads, notes
    )
    versions = {name: installed(name) for name in PACKAGES}
    result = make_document(asked, Circumstances(_command(), machine(), versions), watch, progress)
    _write(result.document, output)
    _say(result, output)
    if json:
        print_json(result.document)
    return 0 if result.clean else 1


def _check(
    output: Path,
    pairs: Path | None,
    pair_images: Path | None,
    images: Sequence[str],
    how: Photographs | None,
    float64_images: int,
    explain: int,
    resamples: int,
) -> None:
    """Refuse what cannot be meant, before any work is done."""
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot write {output}: the suffix is {output.suffix!r}; expected {' or '.join(SUFFIXES)}")
    for place in _places(output):
        check_place(place)
    if _is_page(output):
        check_extra()
    if pair_images is not None and pairs is None:
        raise UsageError("--pair-images is the folder of the images that --pairs names; give --pairs too")
    if how is not None and not images:
        raise UsageError("--faces and --landmarks are for photographs; give them with --images")
    for name, number, least in (
        ("--float64-images", float64_images, 1),
        ("--explain", explain, 0),
        ("--resamples", resamples, 1),
    ):
        if number < least:
            raise UsageError(f"{name} is {number}; expected at least {least}")


def _fed(network: Network, images: Sequence[str], how: Photographs | None, pairs: PairSet | None) -> Fed:
    """What the network is run on."""
    if images:
        with progress("reading images", None) as advance:
            return fed_images(image_names(images), (how or aligned_crops)(network), advance)
    return fed_samples(network) if pairs is None else fed_pairs(network, pairs)


def _other(network: Network, path: Path, threads: int | None) -> tuple[Other | None, list[str]]:
    """The runtime that reads such files, or why it cannot be asked."""
    try:
        if network.graph.source.format == "openvino":
            return OpenVino(network.graph), []
        return OnnxRuntime(path, threads), []
    except (MissingExtraError, ModelError) as error:
        return None, [f"Not compared with another runtime: {error}"]


def _evaluated(network: Network, pairs: PairSet | None, resamples: int, watch: Stopwatch) -> Evaluated | None:
    """Accuracy on the pairs."""
    if pairs is None:
        return None
    with watch.part("evaluation"), progress("embedding pairs", len(pairs.images)) as advance:
        return evaluated(network, pairs, resamples=resamples, advance=advance)


def _command() -> list[str]:
    """The command line; none where another program calls."""
    called = Path(sys.argv[0]).name in ("refnet", "__main__.py")
    return ["refnet", *sys.argv[1:]] if called else []


def _is_page(output: Path) -> bool:
    return output.suffix.lower() == ".html"


def _places(output: Path) -> list[Path]:
    """The files to write."""
    return [output, output.with_suffix(".json")] if _is_page(output) else [output]


def _write(document: dict[str, Any], output: Path) -> None:
    """The page and the JSON, both or neither."""
    texts = [json_text.dumps(document, separators=(",", ":")) + "\n"]
    if _is_page(output):
        from refnet.audit.report.page.render import render  # an extra

        texts.insert(0, render(document))
    with ExitStack() as files:
        for place, text in zip(_places(output), texts, strict=True):
            file = files.enter_context(replacing(place))
            file.write(text.encode())
            file.flush()  # a full disk shows itself before either has its name


def _say(result: Audit, output: Path) -> None:
    """What was found, and where the time went."""
    made, findings, agreement = (result.document[name] for name in ("made", "findings", "agreement"))
    for name in ("fast", "other"):
        if agreement[name] is not None:
            say(agreement[name]["summary"])
    say(f"doctor: {findings['problems']} problems, {findings['warnings']} warnings, {findings['notes']} notes")
    slowest = sorted(made["parts"], key=lambda part: -part["seconds"])
    where = ", ".join(f"{part['what']} {part['seconds']:.1f} s" for part in slowest if part["seconds"] >= 0.1)
    say(f"{made['seconds']:.1f} s ({where}), {made['peak_mib']:,} MiB at most")
    say(" and ".join(f"{place} ({place.stat().st_size / 1e6:.1f} MB)" for place in _places(output)))
