"""`refnet explain`: what in a face carries its similarity to another."""

import json as json_text
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from refnet.audit.explain.explanation import PARTS, Explanation, Part, as_json, write_maps
from refnet.audit.explain.explanation import explain as explain_pair
from refnet.audit.explain.occlusion import SQUARE_PX, STRIDE_PX
from refnet.audit.explain.picture import require_matplotlib, write_picture
from refnet.bulk.photographs import Photographs
from refnet.bulk.prepared import aligned_crops
from refnet.cli.console import out, print_json, progress, say
from refnet.cli.deciding import CalibrationOption, MetricOption, ThresholdOption, given_threshold, threshold_for
from refnet.cli.embed import origin_of
from refnet.cli.options import (
    ALIGNED,
    CacheFlag,
    EngineOption,
    JsonFlag,
    MemoryOption,
    ModelOption,
    OutputOption,
    PhotographOptions,
    ThreadsOption,
    open_model,
)
from refnet.errors import InputError, UsageError
from refnet.files import replacing
from refnet.graph import Array
from refnet.network import Network
from refnet.provenance import Provenance


def explain(
    a: str,
    b: str,
    /,
    *,
    output: OutputOption,
    part: list[Part] | None = None,
    square: int = SQUARE_PX,
    stride: int = STRIDE_PX,
    threshold: ThresholdOption = None,
    metric: MetricOption = None,
    calibration: CalibrationOption = None,
    photographs: PhotographOptions = ALIGNED,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
    json: JsonFlag = False,
) -> int:
    """Show what in the first face carries its similarity to the second.

    Writes a picture, and beside it the maps (.npz) and the other numbers (.json). Exit status 1 if integrated gradients
    do not sum to the change of similarity within one percent.

    Parameters
    ----------
    a, b
        Aligned face crops, or photographs with --faces.
    output
        FILE.png, or a folder, which gets explanation.png, .npz and .json.
    part
        occlusion, gradient, integrated, units or robustness; may be given several times. Default: all of them.
    square, stride
        Pixels: side of the grey square of the occlusion map, and how far it moves.
    """
    given = given_threshold(threshold, metric, calibration)
    require_matplotlib()
    picture = _picture_path(output)
    network = open_model(model, engine, threads, memory, cache)
    origin = origin_of(network, photographs.how)
    decided = threshold_for(given, calibration, origin)
    limit = None if decided is None else decided.cosine
    first, second = (_only_face(network, name, photographs.how) for name in (a, b))
    with ExitStack() as files:
        files.enter_context(_folder(picture.parent))
        drawn, mapped, told = (
            files.enter_context(replacing(picture.with_suffix(end))) for end in (picture.suffix, ".npz", ".json")
        )
        with progress("explaining", None) as advance:
            explanation = explain_pair(
                network,
                first,
                second,
                part or PARTS,
                square_px=square,
                stride_px=stride,
                threads=threads,
                on_step=advance,
            )
        numbers = as_json(explanation, limit) | {"a": a, "b": b, "provenance": origin.to_json()}
        write_picture(drawn, explanation, limit, a=Path(a).name, b=Path(b).name, words=_origin_in_words(origin))
        write_maps(explanation, mapped)
        told.write((json_text.dumps(numbers, indent=2) + "\n").encode())
    if json:
        print_json(numbers)
    else:
        for line in _lines(explanation, limit):
            out.print(line)
    integrated = explanation.integrated
    return 0 if integrated is None or integrated.complete else 1


def _picture_path(output: Path) -> Path:
    """Where the picture goes, before any work is done for it."""
    if output.is_dir():
        return output / "explanation.png"
    if output.suffix and output.suffix.lower() != ".png":
        raise UsageError(f"cannot write {output}: expected FILE.png or a folder")
    if not output.suffix and output.exists():
        raise UsageError(f"cannot write {output}: it is a file; expected FILE.png or a folder")
    if not output.parent.is_dir():
        raise UsageError(f"cannot write {output}: there is no folder {output.parent}")
    return output if output.suffix else output / "explanation.png"


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """Make the folder that -o names, but not its parent; if nothing comes of it, it goes again."""
    new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {(error.strerror or str(error)).lower()}") from error
    try:
        yield
    except BaseException:
        if new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _only_face(network: Network, name: str, how: Photographs | None) -> Array:
    """The one face of an image, as the network takes it."""
    found = (aligned_crops if how is None else how)(network)(name)
    for note in found.notes:
        say(note)
    if len(found.faces) != 1:
        raise InputError(f"{name} has {len(found.faces)} faces; expected one. Give --faces largest.")
    return found.faces[0].crop


def _origin_in_words(origin: Provenance) -> str:
    """What the picture is of."""
    digest = f", sha256 {origin.model_sha256[:16]}..." if origin.model_sha256 else ""
    made_up = "; SYNTHETIC WEIGHTS: nobody can be recognised by them" if origin.model_note else ""
    return f"{origin.model}{digest}, {origin.engine} engine, refnet {origin.refnet}{made_up}"


def _lines(explanation: Explanation, threshold: float | None) -> list[str]:
    """The findings in words."""
    numbers = as_json(explanation, threshold)
    lines = [f"similarity {explanation.similarity:.6f}"]
    if covered := numbers["occlusion"]:
        lines.append(
            f"occlusion: a square of {covered['square_px']} pixels takes at most {-covered['largest_loss']:.4f}, "
            f"at {covered['left_px']} from the left and {covered['top_px']} from the top"
        )
        if threshold is not None:
            lines.append(
                f"  {covered['squares_below_threshold']} of {covered['squares']} squares take it below {threshold:g}"
            )
    if integrated := numbers["integrated"]:
        lines.append(
            f"integrated gradients: sum {integrated['sum']:+.6f}, change of similarity from grey "
            f"{integrated['similarity'] - integrated['baseline_similarity']:+.6f}, off by "
            f"{integrated['relative_error']:.2%} at {integrated['points']} points: "
            f"{'complete' if integrated['complete'] else 'NOT complete within 1 %'}"
        )
    if units := numbers["units"]:
        most = max(units, key=lambda unit: abs(unit["change"]))
        lines.append(f"units: of {len(units)}, leaving out {most['name']} changes most, {most['change']:+.4f}")
    for curve in numbers["robustness"] or ():
        reached = (
            f"{min(curve['similarities']):.4f} at the worst of {curve['amounts'][0]:g} to {curve['amounts'][-1]:g}"
        )
        lost = "" if threshold is None else f"; {_crossing(curve['amounts'], curve['below_threshold_at'], threshold)}"
        lines.append(f"{curve['way']} ({curve['unit']}): {reached}{lost}")
    return lines


def _crossing(amounts: Sequence[float], at: float | None, threshold: float) -> str:
    """Where a curve falls below the threshold."""
    if at is None:
        return f"never below {threshold:g}"
    return f"below {threshold:g} from the first" if at == amounts[0] else f"below {threshold:g} from {at:g}"
