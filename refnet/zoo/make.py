"""Write a synthetic model to a file of exactly the real one's form."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from refnet import resnet100
from refnet.errors import UsageError
from refnet.files import check_place
from refnet.formats.onnx_writer import write_model
from refnet.zoo.synthetic import synthetic_model


def make_model(
    path: Path,
    *,
    seed: int = 0,
    spatial: int = 1,
    width: Fraction = Fraction(1),
    units: Sequence[int] = resnet100.UNITS,
) -> None:
    """Write `synthetic_model(seed, ...)` as MXNet's exporter wrote the real file; folders are made as needed.

    Raises
    ------
    UsageError
        If the file cannot be written; said before the weights are made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()} ({path.parent})") from error
    check_place(path)
    write_model(synthetic_model(seed, width=width, units=units), path, like="mxnet", spatial=spatial)
