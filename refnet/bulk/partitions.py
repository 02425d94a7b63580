"""A data set in partitions: Parquet files of so many images each, made one by one, by whomever.

Partition n holds the n-th thousand (or so) of the inputs, in their order; it is a function of those images, the model
and the pipeline, and of nothing else: the same bytes from one process, from many machines, and after any interruption.
The metadata of each file says where it comes from, of how many images a partition is made, a digest of the names and
stamps of its images, and which of them have no embedding, so that a later run can tell a partition that is done from one
that is not. Where none of its images has a face, a partition has no row.

One process at a time writes into a folder, and holds the lock `.lock` in it.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np

from refnet.bulk.ledger import Row, rows_of
from refnet.bulk.outputs import parquet_table, pyarrow
from refnet.bulk.prepared import Preparation, crop_size, stamp_of
from refnet.bulk.run import Done, embed_images
from refnet.errors import InputError, UsageError
from refnet.files import locked, replacing, sweep
from refnet.network import Network
from refnet.opening import open_regular, reading
from refnet.provenance import Provenance

SIZE = 1024  # images
_PATTERN = "part-*.parquet"
_SIZE = "partition_size"


@dataclass(frozen=True)
class Partition:
    """One piece of the work: its place, its images, and how many images all pieces but the last have."""

    number: int
    names: tuple[str, ...]
    size: int

    @property
    def file_name(self) -> str:
        """The file's name in the data set's folder."""
        return _file_name(self.number)

    def digest(self) -> str:
        """Of the names and stamps of its images."""
        digest = hashlib.sha256()
        for name in self.names:
            stamp = stamp_of(name)
            digest.update(repr((os.fsencode(name), stamp.size_bytes, stamp.changed_ns)).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of a partition: the file's bytes, how many images and faces it has, and the images without one."""

    number: int
    content: bytes
    images: int
    faces: int
    failures: tuple[tuple[str, str], ...]


def partitions(names: Iterable[str], size: int = SIZE) -> Iterator[Partition]:
    """Cut names into partitions, as they come."""
    stream, number = iter(names), 0
    while some := tuple(islice(stream, size)):
        yield Partition(number, some, size)
        number += 1


def compute_partition(
    partition: Partition, network: Network, how: Preparation, origin: Provenance, *, batch: int = 32, workers: int = 2
) -> Outcome:
    """Embed the images of a partition, and make its file."""
    digest = partition.digest()  # before the images are read: what changes meanwhile is done again
    rows: list[Row] = []
    failures: list[tuple[str, str]] = []

    def keep(done: list[Done]) -> None:
        for image, embeddings in done:
            rows.extend(rows_of(image, embeddings))
            failures.extend([(image.name, image.reason)] if image.reason else [])

    embed_images(network, partition.names, how, keep, batch=batch, workers=workers)
    rows.sort(key=lambda row: (os.fsencode(row.name), row.face))
    table = parquet_table(rows, origin, len(rows[0].embedding) if rows else _width(network))
    said = {"inputs": digest, "failures": json.dumps(sorted(failures)), _SIZE: str(partition.size)}
    table = table.replace_schema_metadata({**table.schema.metadata, **said})
    buffer = io.BytesIO()
    pyarrow("pyarrow.parquet").write_table(table, buffer, compression="zstd")
    return Outcome(partition.number, buffer.getvalue(), len(partition.names), len(rows), tuple(failures))


def _width(network: Network) -> int:
    """How many numbers an embedding has; where the model does not say, one is computed."""
    blank = np.zeros((1, 3, *crop_size(network)), np.uint8)
    return network.graph.outputs[0].shape[-1] or network(network.contract.prepare(blank)).shape[-1]


def _file_name(number: int) -> str:
    return f"part-{number:08d}.parquet"


class DataSet:
    """The folder of a data set, this process's alone until `close`.

    Parameters
    ----------
    folder : Path
        Made if it is not there; its parent must be.
    origin : Provenance
    size : int
        Images of a partition.
    restart : bool
        Delete the partitions that are there.

    Raises
    ------
    UsageError
        If the folder cannot be made, another process is writing into it, or it holds partitions of another model,
        pipeline or size.
    """

    def __init__(self, folder: Path, origin: Provenance, size: int, *, restart: bool = False):
        self.folder = folder
        self._settings = {**origin.to_json(), _SIZE: str(size)}
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from error
        busy = f"{folder} is in use: another process is writing this data set; wait for it, or give another folder"
        with ExitStack() as held:
            held.enter_context(locked(folder / ".lock", busy=busy))
            sweep(folder)
            for path in folder.glob(_PATTERN) if restart else ():
                path.unlink()
            for path in sorted(folder.glob(_PATTERN)):
                if (found := self._metadata(path)) is not None:
                    self._refuse_difference(found)
                    break
            self._lock = held.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let others write; what is there stays."""
        self._lock.close()

    def done(self, partition: Partition) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        """Faces and failures of a partition that is there, whole, and of these images; None if it is not."""
        found = self._metadata(self.folder / partition.file_name)
        if found is None or self._difference(found) or found.get("inputs") != partition.digest():
            return None
        return found["rows"], tuple(found["failures"])

    def keep(self, outcome: Outcome) -> None:
        """Write a partition's file; it is whole or not there."""
        with replacing(self.folder / _file_name(outcome.number), durable=True, swept=True) as file:
            file.write(outcome.content)

    def finish(self, count: int) -> None:
        """Delete what an earlier run with more images has left behind the last partition."""
        for path in self.folder.glob(_PATTERN):
            number = path.stem.removeprefix("part-")
            if number.isdigit() and int(number) >= count:
                path.unlink()

    def _metadata(self, path: Path) -> dict[str, Any] | None:
        """What a partition says of itself; None if it is not there, or is no sound partition."""
        try:
            parquet = pyarrow("pyarrow.parquet")
            with reading(path, InputError), open_regular(path) as file:
                read = parquet.read_metadata(file)
                said = {key.decode(): value.decode() for key, value in (read.metadata or {}).items()}
                origin, failures = (
                    json.loads(said["refnet"]),
                    [(name, why) for name, why in json.loads(said["failures"])],
                )
                found = {"refnet": dict(origin), "inputs": said["inputs"], "failures": failures, "rows": read.num_rows}
                return {**found, _SIZE: said[_SIZE]} if _SIZE in said else found
        except InputError:
            return None

    def _difference(self, found: dict[str, Any]) -> str:
        """The first setting in which a partition differs, or nothing; what an older refnet did not say, does not."""
        begun = {_SIZE: found.get(_SIZE, self._settings[_SIZE]), **found["refnet"]}
        differing = [key for key, value in sorted(self._settings.items()) if begun.get(key) != value]
        return (
            f"{differing[0]} was {begun.get(differing[0])!r}, and is {self._settings[differing[0]]!r}"
            if differing
            else ""
        )

    def _refuse_difference(self, found: dict[str, Any]) -> None:
        if difference := self._difference(found):
            raise UsageError(
                f"{self.folder} holds partitions of other settings ({difference}); "
                "give another folder, or begin anew with --restart"
            )
