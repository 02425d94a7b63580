"""The kinds of file that refnet reads: small sound ones to begin from, and the reader that gets the changed ones."""

import dataclasses
import io
import json
import pickle
import sqlite3
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numba
import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from refnet import zoo
from refnet.audit.doctor.embedding_rows import read_rows
from refnet.audit.doctor.fed import read_landmarks as read_doctor_landmarks
from refnet.audit.doctor.patient import Patient
from refnet.audit.trace_file import TraceFile, write_trace
from refnet.bulk.ledger import Ledger, Row
from refnet.bulk.outputs import write_rows
from refnet.bulk.partitions import DataSet, Partition, compute_partition
from refnet.bulk.prepared import FoundFace, Prepared, Stamp, aligned_crops
from refnet.cache_folder import cache_folder
from refnet.errors import RefnetError
from refnet.evaluation.pairs import read_pairs
from refnet.evaluation.safe_pickle import read_safely
from refnet.faces.calibration import Calibration, read_calibration, write_calibration
from refnet.faces.embedding_file import EmbeddingSet
from refnet.faces.embedding_reader import read_embeddings
from refnet.faces.gallery.approximate import kept_index
from refnet.faces.gallery.entries import build
from refnet.faces.gallery.file import read_gallery, write_gallery
from refnet.faces.image import open_picture
from refnet.faces.landmarks import COLUMNS, read_landmarks
from refnet.fast.kernel_cache import cached
from refnet.fast.weights_cache import packed_weights
from refnet.formats.openvino_writer import write_openvino
from refnet.formats.reading import read_model
from refnet.network import Network
from refnet.provenance import Provenance
from refnet.zoo.cards import read_card
from refnet.zoo.select import read_list
from refnet.zoo.synthetic import synthetic_model

ORIGIN = Provenance(**{field.name: f"some {field.name}" for field in dataclasses.fields(Provenance)})


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of file.

    `name` is what a changed one is called, in a folder that holds whatever else it needs; `read` gives it to refnet;
    `share` says how many of the inputs are of this kind; `sound` whether the first seed is a file that refnet takes.
    """

    title: str
    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[Path], object]
    share: int = 4
    sound: bool = True


class WrongError(Exception):
    """A damaged file was taken for a sound one, and gave something else."""


def kinds(folder: Path) -> Iterator[Kind]:
    """Every kind; `folder` takes the files that the readers need beside the changed one."""
    rng = np.random.default_rng(0)
    yield from _models(folder, rng)
    yield from _embeddings(folder, rng)
    yield from _pictures(rng)
    yield from _tables(folder, rng)
    yield from _caches(folder, rng)


def _models(folder: Path, rng: np.random.Generator) -> Iterator[Kind]:
    inline, outside = folder / "inline.onnx", folder / "outside.onnx"
    onnx.save(_small_model(rng), inline)
    onnx.save(_small_model(rng), outside, save_as_external_data=True, location="weights.data", size_threshold=64)
    yield Kind("ONNX", "model.onnx", (inline.read_bytes(), outside.read_bytes()), _model, 12)
    yield Kind("external data", "weights.data", ((folder / "weights.data").read_bytes(),), lambda _: _model(outside), 2)
    write_openvino(read_model(inline), folder / "model.xml")
    xml, weights = (folder / "model.xml").read_bytes(), (folder / "model.bin").read_bytes()
    (folder / "beside.xml").write_bytes(xml)
    yield Kind("OpenVINO .xml", "model.xml", (xml,), _model, 8)
    yield Kind("OpenVINO .bin", "beside.bin", (weights,), lambda path: _model(path.with_suffix(".xml")), 2)


def _small_model(rng: np.random.Generator) -> onnx.ModelProto:
    """Every way of keeping numbers, and the operators of the network, in few bytes."""

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(rng.random(shape, np.float32) + 1, name)

    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["a", "g", "b", "m", "v"], ["c"], epsilon=1e-5),
        helper.make_node("PRelu", ["c", "s"], ["d"]),
        helper.make_node("Dropout", ["d"], ["f"]),
        helper.make_node("Reshape", ["f", "shape"], ["h"]),
        helper.make_node("Gemm", ["h", "fc", "bias"], ["y"], transB=1),
    ]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8])
    weights = [
        weight("w", 4, 3, 3, 3), *(weight(name, 4) for name in "gbmv"), weight("s", 4, 1, 1), weight("fc", 8, 256),
        onnx.numpy_helper.from_array(np.array([1, 256]), "shape"),
        helper.make_tensor("bias", TensorProto.FLOAT, [8], rng.random(8).tolist()),
    ]  # fmt: skip
    graph = helper.make_graph(nodes, "small", [image], [output], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _model(path: Path) -> None:
    graph = read_model(path)
    for name in graph.constants:
        np.asarray(graph.constants[name])


def _embeddings(folder: Path, rng: np.random.Generator) -> Iterator[Kind]:
    names = ("a.png", "b é.png", "ann/c.png")
    found = EmbeddingSet(names, rng.random((3, 16), np.float32), ORIGIN)
    rows = [Row(name, 1, 1, row, None, None, None) for name, row in zip(names, found.embeddings, strict=True)]
    for suffix in (".npz", ".csv", ".jsonl"):
        path = folder / f"embeddings{suffix}"
        write_rows(path, lambda: iter(rows), ORIGIN)
        yield Kind(f"embeddings {suffix}", path.name, (path.read_bytes(),), read_embeddings, 6)
        yield Kind(f"embeddings {suffix} for doctor", f"rows{suffix}", (path.read_bytes(),), read_rows, 4)
    np.save(folder / "rows.npy", found.embeddings)
    yield Kind("array .npy", "rows.npy", ((folder / "rows.npy").read_bytes(),), read_rows, 2)
    gallery = build(found, ["Ann", "Ann", "Bob"]).gallery
    write_gallery(folder / "gallery.npz", gallery)
    yield Kind("gallery", "gallery.npz", ((folder / "gallery.npz").read_bytes(),), read_gallery, 6)
    tensors = [
        ("conv", rng.random((1, 2, 4, 4), np.float32)),
        ("shape", np.arange(3)),
        ("half", np.ones(3, np.float16)),
    ]
    for suffix in (".npz", ".safetensors"):
        path = folder / f"trace{suffix}"
        write_trace(path, tensors, rng.random((1, 3, 4, 4), np.float32), ORIGIN.to_json())
        yield Kind(f"trace {suffix}", path.name, (path.read_bytes(),), _trace, 6)
    yield _partition(folder)


def _trace(path: Path) -> None:
    trace = TraceFile(path)
    for name in trace.tensor_names:
        trace.tensor(name)


def _partition(folder: Path) -> Kind:
    network = Network(synthetic_model(0, width=Fraction(1, 16), units=(1, 1, 1, 1)), engine="reference")
    image = folder / "crop.png"
    Image.new("RGB", (112, 112), (120, 90, 60)).save(image)
    part = Partition(0, (str(image), str(folder / "none.png")), 2)
    content = compute_partition(part, network, aligned_crops(network), ORIGIN).content
    (folder / "data").mkdir()

    def done(path: Path) -> object:
        with DataSet(path.parent, ORIGIN, part.size) as data_set:
            return data_set.done(part)

    return Kind("Parquet", "data/part-00000000.parquet", (content,), done, 6)


def _pictures(rng: np.random.Generator) -> Iterator[Kind]:
    """A picture in every form that Pillow writes, in several modes; of the others, their first bytes."""
    Image.init()
    array = rng.integers(0, 256, (24, 20, 3), np.uint8)
    for form in sorted(Image.OPEN):
        written = []
        for mode in ("RGB", "L", "P", "1", "RGBA", "CMYK", "I;16"):
            for options in ({}, {"compression": "tiff_lzw"}, {"progressive": True}, {"lossless": True}, {"save_all": True, "append_images": [Image.new("L", (20, 24))]}):  # fmt: skip
                file = io.BytesIO()
                try:
                    Image.fromarray(array).convert(mode).save(file, form, **options)
                except Exception:  # a mode or an option that the form does not know
                    continue
                written.append(file.getvalue())
        written += [_HEADERS[form]] if form in _HEADERS else []
        seeds = tuple(dict.fromkeys(written)) or (rng.bytes(512),)
        usual = form in ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP")
        yield Kind(f"picture {form}", f"picture.{form.lower()}", seeds, open_picture, 6 if usual else 2, sound=usual)


_HEADERS = {
    "CUR": b"\0\0\2\0\1\0\x10\x10\0\0\1\0\x20\0\x30\1\0\0\x16\0\0\0\x28\0\0\0\x10\0\0\0\x20\0\0\0\1\0\x20\0"
    + bytes(1200),
    "DCX": b"\xb1\x68\xde\x3a\x08\0\0\0\0\0\0\0\x0a\5\1\x08\0\0\0\0\x0f\0\x0f\0" + bytes(300),
    "FITS": b"".join(
        line.ljust(80)
        for line in (
            b"SIMPLE  =                    T",
            b"BITPIX  =                    8",
            b"NAXIS   =                    2",
            b"NAXIS1  =                    8",
            b"NAXIS2  =                    8",
            b"END",
        )
    ).ljust(2880)
    + bytes(2880),
    "FLI": (
        b"\0\2\0\0\x11\xaf\1\0\x10\0\x10\0\x08\0\3\0\5\0\0\0"
        + bytes(108)
        + b"\x20\0\0\0\xfa\xf1\1\0"
        + bytes(8)
        + b"\x10\0\0\0\x0d\0"
        + bytes(64)
    ),
    "FTEX": b"FTEX\0\0\1\0\x08\0\0\0\x08\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\x20\0\0\0\x40\0\0\0" + bytes(128),
    "GBR": b"\0\0\0\x1c\0\0\0\2\0\0\0\x08\0\0\0\x08\0\0\0\1GIMP\0\0\0\x0a" + bytes(64),
    "IPTC": b"\x1c\3\x3c\0\2\1\0\x1c\3\x14\0\1\x08\x1c\3\x1e\0\1\x08\x1c\3\x78\0\1\1\x1c\x08\x0a\0\x40" + bytes(64),
    "MCIDAS": bytes(7) + b"\4" + (bytes(3) + b"\1") * 62 + bytes(300),
    "MPEG": b"\0\0\1\xb3\x01\x00\x10\x13" + bytes(32),
    "PCD": bytes(2048) + b"PCD_" + bytes(4096),
    "PIXAR": b"\x80\xe8\0\0" + bytes(412) + b"\x08\0\x08\0" + bytes(4) + b"\x0e\0\1\0" + bytes(1024),
    "PSD": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x08\0\0\0\x08\0\x08\0\3" + bytes(12) + b"\0\0" + bytes(192),
    "SUN": b"\x59\xa6\x6a\x95\0\0\0\x08\0\0\0\x08\0\0\0\x08\0\0\0\x40\0\0\0\1\0\0\0\0\0\0\0\0" + bytes(64),
    "WAL": b"name".ljust(32, b"\0") + b"\x10\0\0\0\x10\0\0\0\x64\0\0\0" + bytes(400),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0\0\0\0\0\x10\0\x10\0\x60\0\0\0\0\0\0\0\1\0\x09\0" + bytes(64),
    "XPM": b'/* XPM */\nstatic char *x[] = {\n"2 2 2 1",\n"a c #ff0000",\n"b c #00ff00",\n"ab",\n"ba"\n};\n',
    "XVTHUMB": b"P7 332\n#END_OF_COMMENTS\n8 8 255\n" + bytes(64),
    "IMT": b"\x0cwidth 8\nheight 8\n\x0c\n" + bytes(200),
}


def _tables(folder: Path, rng: np.random.Generator) -> Iterator[Kind]:
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (112, 112, 3), np.uint8)).resize((8, 8)).save(file, "PNG")
    encoded = file.getvalue()
    arrays = [np.frombuffer(encoded, np.uint8)] * 4
    sets = [([encoded] * 4, [True, False]), (arrays, [1, 0]), ([bytearray(encoded)] * 4, (True, False))]
    pickles = tuple(pickle.dumps(one, protocol) for one in sets for protocol in range(6))
    yield Kind("pickle", "pairs.bin", pickles, _pairs, 12)
    yield Kind("pickle, any content", "content.bin", pickles, read_safely, 4)
    for number in (1, 2, 3):
        for person in ("Ann", "Bob"):
            (folder / person).mkdir(exist_ok=True)
            (folder / person / f"{person}_{number:04d}.png").write_bytes(encoded)
    yield Kind("pairs .txt", "pairs.txt", (b"1 2\nAnn 1 2\nAnn 2 3\nAnn 1 Bob 1\nBob 2 Ann 3\n", b"Ann\t1\t2\nAnn\t1\tBob\t1\n"), read_pairs, 6)  # fmt: skip
    table = b"a,b,same,group\nAnn/Ann_0001.png,Ann/Ann_0002.png,1,x\nAnn/Ann_0001.png,Bob/Bob_0001.png,0,y\n"
    yield Kind("pairs .csv", "pairs.csv", (table,), read_pairs, 6)
    points = [[30.1, 51.2], [65.0, 51.0], [48.3, 72.1], [33.9, 92.0], [62.2, 92.4]]
    told = json.dumps({"a.png": points, "b.png": [points, points]}).encode()
    yield Kind("landmarks .json", "landmarks.json", (told,), read_landmarks, 6)
    yield Kind("landmarks .json for doctor", "points.json", (told, json.dumps([points]).encode()), lambda path: read_doctor_landmarks(path, ["a.png"], 1))  # fmt: skip
    row = ",".join(["a.png", *(str(value) for point in points for value in point)])
    yield Kind("landmarks .csv", "landmarks.csv", (f"{','.join(COLUMNS)}\n{row}\n{row}\n".encode(),), read_landmarks, 6)
    path = folder / "calibration.json"
    write_calibration(path, Calibration("cosine", 0.41, 0.001, 3000, "0" * 64, "aligned crops"))
    yield Kind("calibration .json", path.name, (path.read_bytes(),), read_calibration, 6)
    cards = Path(zoo.__file__).parent / "cards"
    texts = tuple(card.read_bytes() for card in sorted(cards.glob("*.toml"))[:3])
    yield Kind("model card .toml", "card.toml", texts, lambda path: read_card(path.read_text("utf-8", "replace")), 6)
    yield Kind("list of models", "models.lst", (b"# comment\narcfaceresnet100-8 # one\n'w600k_*'\n",), read_list, 2)
    yield Kind("model for doctor", "patient.onnx", ((folder / "inline.onnx").read_bytes(),), _patient, 4)


def _pairs(path: Path) -> None:
    pairs = read_pairs(path)
    for index in range(min(len(pairs.images), 4)):
        try:
            pairs.crop(index, 8, 8)
        except RefnetError:
            continue


def _patient(path: Path) -> None:
    patient = Patient(path)
    _ = patient.skeleton, patient.disguise, patient.refusal


def _caches(folder: Path, rng: np.random.Generator) -> Iterator[Kind]:
    ledger = folder / "begun.npz.partial"
    crop = np.zeros((3, 4, 4), np.uint8)
    with Ledger(ledger, ORIGIN.to_json()) as begun:
        found = FoundFace(crop, (1.0, 2.0, 3.0, 4.0), np.ones((5, 2)), 0.5)
        begun.add([(Prepared("a.png", Stamp(1, 2), (found,)), rng.random((1, 16), np.float32)), (Prepared("b.png", Stamp(1, 2), (), "no"), np.zeros((0, 0)))])  # fmt: skip
        begun.has("a.png", Stamp(1, 2))
    with sqlite3.connect(ledger) as database:
        database.execute("PRAGMA journal_mode = DELETE")
    database.close()
    yield Kind("ledger", "changed.npz.partial", (ledger.read_bytes(),), _ledger, 3)

    weights = rng.random(5000, np.float32)
    packed_weights("fuzzed", lambda: weights)
    kept = cache_folder("weights") / "fuzzed.packed"
    yield Kind("packed weights", str(kept), (kept.read_bytes(),), lambda _: _weights(weights), 4)

    gallery = build(EmbeddingSet(tuple("abcd"), rng.random((4, 16), np.float32), ORIGIN), list("abcd")).gallery
    kept_index(gallery, lambda: None)
    (index,) = cache_folder("gallery-indexes").iterdir()
    yield Kind("gallery index", str(index), (index.read_bytes(),), lambda _: kept_index(gallery, lambda: None), 4)

    _compiled()(1.0)
    (kernel,) = cache_folder("kernels").rglob("refnet.fuzzed._twice-*")
    yield Kind("compiled kernel", str(kernel), (kernel.read_bytes(),), lambda _: _kernel(), 1)


def _ledger(path: Path) -> None:
    try:
        with Ledger(path, ORIGIN.to_json()) as ledger:
            ledger.has("a.png", Stamp(1, 2))
            ledger.has("b.png", Stamp(1, 2))
            _ = ledger.images(), ledger.faces(), [*ledger.failures()], [*ledger.rows()]
    finally:
        for beside in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + beside).unlink(missing_ok=True)


def _weights(sound: np.ndarray) -> None:
    if not np.array_equal(packed_weights("fuzzed", sound.copy).values, sound):
        raise WrongError("other weights than were packed")


def _twice(x):
    return x + x


_twice.__module__ = "refnet.fuzzed"  # only functions of refnet's modules are kept
sys.modules["refnet.fuzzed"] = ModuleType("refnet.fuzzed")


def _compiled() -> Callable[[float], float]:
    function: Callable[[float], float] = cached(numba.njit(_twice))
    return function


def _kernel() -> None:
    if _compiled()(1.5) != 3.0:
        raise WrongError("another result than the function's")
