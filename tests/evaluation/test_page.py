"""docs/evaluation.md says what the command says, and its other figures are those that are found."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from refnet.cli import main
from refnet.evaluation.embedded import load_embeddings
from refnet.evaluation.evaluate import evaluate
from refnet.evaluation.pairs import read_pairs
from tests import localdata

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")


def test_the_example_is_what_the_command_prints_and_mixed_folds_give_what_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bin_path, saved = localdata.path("lfw/lfw-fold1.bin"), tmp_path / "e.npz"
    model = localdata.path("models/mobilefacenet-arcface-mxnet.onnx")
    assert main(["evaluate", str(bin_path), "--model", str(model), "--save-embeddings", str(saved)]) == 0
    said = capsys.readouterr()
    printed = "\n".join(line.rstrip() for line in said.out.splitlines())
    words = [line for line in said.err.splitlines() if not line.startswith("compiling the fast engine's kernels")]
    found = re.search(r"```\n\$ refnet evaluate lfw-fold1\.bin .*?\n(.*?)\n```", PAGE, re.DOTALL)
    assert found is not None
    assert found.group(1).split("\n") == [*printed.split("\n"), *words]

    pairs = read_pairs(bin_path)
    turns = np.arange(600).reshape(2, 300).T.ravel()  # genuine and impostor pairs in turn
    mixed = dataclasses.replace(
        pairs, first=pairs.first[turns], second=pairs.second[turns], same=pairs.same[turns]
    )  # fmt: skip
    result = evaluate(mixed, load_embeddings(saved, pairs), resamples=1)
    assert result.cautions == {}
    assert result.insightface is not None
    assert result.omz is not None
    figures = re.search(r"it calls (\d+) right, and InsightFace's (\d+)\.", PAGE)
    assert figures is not None
    assert (result.omz.correct, result.insightface.correct) == tuple(map(int, figures.groups()))


@pytest.mark.parametrize("far", [0.01, 0.001, 0.0001, 0.000001])
def test_the_table_of_needed_pairs_is_arithmetic(far: float) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {far:f}".rstrip("0") + " |"))
    shown, thirty, none = (int(cell.replace(",", "")) for cell in row.split("|")[2:5])
    assert (shown, thirty, none) == (round(1 / far), round(30 / far), round(3 / far))
    assert (1 - far) ** none == pytest.approx(0.05, abs=0.002)  # so rarely is nothing seen of such a rate
