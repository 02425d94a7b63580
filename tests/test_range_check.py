"""What passes an engine's range is told, by the network and by every command, and never handed on as an embedding."""

import csv
import io
import json
import warnings
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refnet.audit.compare import compare
from refnet.audit.report.agreement import Nobody
from refnet.cli import main
from refnet.compat.onnxruntime import InferenceSession
from refnet.errors import NoAnswerError
from refnet.evaluation.embedded import embed_pairs
from refnet.evaluation.pairs import read_pairs
from refnet.formats.onnx_writer import write_model
from refnet.graph import Array, Graph, Node, Tensor
from refnet.network import ENGINES, Network, load

SIDE, LENGTH = 8, 32
DARK, BRIGHT = 1, 255
GREY = 127  # as a pixel: next to zero where pixels are scaled to -1..1
SOME = 1e17  # scales weights so that the squares of a dark image's embedding fit float32, and a bright one's do not


def network(scale: float = 1.0, *, end: str = "unit", length: int = LENGTH) -> Graph:
    """Flatten and Gemm; then the unit length ("unit"), a ReLU ("relu") or nothing ("raw")."""
    weight = (np.random.default_rng(0).uniform(0.1, 1, (length, 3 * SIDE * SIDE)) / (3 * SIDE * SIDE)).astype("f4")
    dense = {"alpha": 1.0, "beta": 1.0, "trans_a": 0, "trans_b": 1}
    nodes = [Node("flat", "Flatten", ("data",), "f", {"axis": 1}), Node("fc", "Gemm", ("f", "w"), "fc1", dense)]
    if end == "unit":
        nodes.append(Node("length", "ReduceL2", ("fc1",), "length", {"axes": (1,), "keepdims": 1}))
        nodes.append(Node("unit", "Div", ("fc1", "length"), "unit"))
    elif end == "relu":
        nodes.append(Node("relu", "Relu", ("fc1",), "positive"))
    inputs = (Tensor("data", "float32", (None, 3, SIDE, SIDE)),)
    outputs = (Tensor(nodes[-1].output, "float32", (None, length)),)
    return Graph("small", inputs, outputs, tuple(nodes), {"w": weight * np.float32(scale)})


def images(*values: float) -> Array:
    """Even images of these values."""
    return np.stack([np.full((3, SIDE, SIDE), value, np.float32) for value in values])


def test_an_infinite_length_that_makes_an_embedding_zero_is_told() -> None:
    net = Network(network(1e20))
    with pytest.raises(
        NoAnswerError,
        match=r"no answer: output 'unit' is all zero for 2 of 2 images, first for number 1: it has no direction\. "
        r"engine='reference' \(--engine reference\) computes in float64.*strict=False",
    ) as caught:
        net(images(DARK, BRIGHT))
    assert caught.value.exit_status == 1
    assert not net(images(DARK, BRIGHT), strict=False).any()
    assert not net.run(images(DARK), strict=False)["unit"].any()
    exact = Network(network(1e20), engine="reference")(images(DARK, BRIGHT))
    assert np.allclose(np.linalg.norm(exact, axis=1), 1)


def test_the_images_that_fail_are_counted_and_the_first_is_named() -> None:
    with pytest.raises(NoAnswerError, match="for 2 of 4 images, first for number 2"):
        Network(network(SOME))(images(DARK, BRIGHT, DARK, BRIGHT))
    assert Network(network(SOME))(images(DARK)).any()


@pytest.mark.parametrize("engine", ENGINES)
def test_infinity_and_nan_are_told(engine: str) -> None:
    graph = network(1e37 if engine == "fast" else 1.0, end="raw")
    if engine == "reference":  # no float32 weight is large enough: a power is
        powers = [Node(f"p{n}", "Mul", (f"fc1_{n}", f"fc1_{n}"), f"fc1_{n + 1}") for n in range(9)]
        nodes = (graph.nodes[0], replace(graph.nodes[1], output="fc1_0"), *powers)
        graph = replace(graph, nodes=nodes, outputs=(replace(graph.outputs[0], name="fc1_9"),))
    net = Network(graph, engine=engine)  # type: ignore[arg-type]
    with pytest.raises(NoAnswerError, match=r"output 'fc1(_9)?' holds NaN or infinite values") as caught:
        net(images(BRIGHT))
    assert ("engine='reference'" in str(caught.value)) == (engine == "fast")
    assert not np.isfinite(net(images(BRIGHT), strict=False)).all()


def test_an_overflow_that_later_numbers_hide_is_told() -> None:
    """Zeros plus a bias look like an embedding, and are the same for everyone."""
    graph = network(1e20)
    nodes = (*graph.nodes, Node("bias", "Add", ("unit", "b"), "shifted"))
    bias = np.random.default_rng(1).standard_normal(LENGTH).astype("f4")
    outputs = (replace(graph.outputs[0], name="shifted"),)
    net = Network(replace(graph, nodes=nodes, constants={**graph.constants, "b": bias}, outputs=outputs))
    with pytest.raises(NoAnswerError, match="numbers passed the largest of float32 on the way to shifted"):
        net(images(DARK))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(net(images(DARK), strict=False)[0], bias)


def test_what_may_be_zero_is_handed_on() -> None:
    zero = images(0)
    assert not Network(network(end="relu", length=2))(zero).any()  # scores
    graph = network(end="relu")
    two = replace(graph, outputs=(*graph.outputs, Tensor("fc1", "float32", (None, LENGTH))))
    assert not Network(two).run(zero)["positive"].any()
    maps = replace(graph, nodes=(Node("relu", "Relu", ("data",), "map"),), constants={})
    maps = replace(maps, outputs=(Tensor("map", "float32", (None, 3, SIDE, SIDE)),))
    assert not Network(maps).run(zero)["map"].any()
    with pytest.raises(NoAnswerError, match="'positive' is all zero: it has no direction"):
        Network(graph)(zero)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three grey crops, one bright, and models for which the bright one, and every one, is too much."""
    folder = tmp_path_factory.mktemp("range")
    for name, value in {"a": GREY, "b": GREY, "bright": BRIGHT, "c": GREY - 1}.items():
        Image.fromarray(np.full((SIDE, SIDE, 3), value, np.uint8)).save(folder / f"{name}.png")
    write_model(network(255 * SOME), folder / "some.onnx")
    write_model(network(1e25), folder / "none.onnx")
    return folder


@pytest.mark.parametrize("output", ["out.npz", "out"])
def test_embed_counts_and_names_the_image_and_goes_on(
    folder: Path, tmp_path: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if output == "out":
        pytest.importorskip("pyarrow")
    failures = tmp_path / "failures.csv"
    command = ["embed", *map(str, sorted(folder.glob("*.png"))), "-m", str(folder / "some.onnx")]
    assert main([*command, "-o", str(tmp_path / output), "--failures", str(failures)]) == 1
    ((name, reason),) = list(csv.reader(failures.read_text().splitlines()))[1:]
    assert Path(name).name == "bright.png"
    assert reason.startswith(f"{name}: the network gives no answer: output 'unit' is all zero: it has no direction")
    assert "1 of 4 images have no embedding" in capsys.readouterr().err
    if output == "out.npz":
        with np.load(tmp_path / output) as file:
            assert [Path(str(name)).name for name in file["names"]] == ["a.png", "b.png", "c.png"]
            assert all(file["embeddings"].any(axis=1))


def test_embed_of_nothing_but_failures_writes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.npz"
    assert main(["embed", str(folder / "a.png"), "-m", str(folder / "none.onnx"), "-o", str(output)]) == 1
    assert "none of 1 images has an embedding; nothing was written" in capsys.readouterr().err
    assert not output.exists()


def test_embed_to_stdout_leaves_the_image_out(folder: Path) -> None:
    with redirect_stdout(io.StringIO()) as text:
        assert main(["embed", *map(str, sorted(folder.glob("*.png"))), "-m", str(folder / "some.onnx")]) == 1
    assert [Path(json.loads(line)["name"]).name for line in text.getvalue().splitlines()] == ["a.png", "b.png", "c.png"]


def test_compare_and_gallery_say_so(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, a, bright = str(folder / "some.onnx"), str(folder / "a.png"), str(folder / "bright.png")
    assert main(["compare", a, bright, "-m", model]) == 1
    printed = capsys.readouterr()
    assert "bright.png: the network gives no answer" in printed.err
    assert printed.out == ""
    assert main(["compare", a, bright, "-m", model, "--engine", "reference"]) == 0
    gallery = str(tmp_path / "known.npz")
    assert main(["gallery", "build", a, bright, "--label", "x", "-m", model, "-o", gallery]) == 1
    assert "1 image could not be used" in capsys.readouterr().err
    assert main(["gallery", "search", gallery, bright, "-m", model]) == 1
    assert main(["gallery", "build", bright, "--label", "x", "-m", model, "-o", str(tmp_path / "none.npz")]) == 1
    assert "none of 1 images has an embedding" in capsys.readouterr().err


def test_evaluation_names_the_image(folder: Path) -> None:
    table = folder / "pairs.csv"
    table.write_text("a,b,same\na.png,b.png,1\nc.png,bright.png,0\n")
    with pytest.raises(NoAnswerError, match=r"image '.*bright\.png': the network gives no answer"):
        embed_pairs(load(folder / "some.onnx"), read_pairs(table), mirror=False)


def test_a_session_like_onnxruntimes_raises(folder: Path) -> None:
    session = InferenceSession(str(folder / "none.onnx"))
    with pytest.raises(NoAnswerError, match="'unit' is all zero"):
        session.run(None, {"data": images(DARK)})


def test_who_judges_a_network_gets_its_outputs_as_they_are() -> None:
    net = Network(network(1e20))
    result = compare(net, images(DARK), Nobody(net))
    assert result.outputs[0].ours_excess > 1
    assert not result.agrees
