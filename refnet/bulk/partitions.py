"""A data set in partitions: Parquet files of so many images each, made one by one, by whomever.

Partition n holds the n-th thousand (or so) of the inputs, in their order; it is a function of those images, the model
and the pipeline, and of nothing else: the same bytes from one process, from many machines, and after any interruption.
The metadata of each file says where it comes from, a digest of the names and stamps of its images, and which of them
have no embedding, so that a later run can tell a partition that is done from one that is not.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from refnet.bulk.ledger import Row, rows_of
from refnet.bulk.outputs import parquet_table, pyarrow
from refnet.bulk.prepared import Preparation, stamp_of
from refnet.bulk.run import Done, embed_images
from refnet.errors import InputError, UsageError
from refnet.files import replacing
from refnet.network import Network
from refnet.opening import open_regular, reading
from refnet.provenance import Provenance

SIZE = 1024  # images
_PATTERN = "part-*.parquet"


@dataclass(frozen=True)
class Partition:
    """One piece of the work."""

    number: int
    names: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The file's name in the data set's folder."""
        return f"part-{self.number:08d}.parquet"

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
        yield Partition(number, some)
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
    width = network.graph.outputs[0].shape[-1]
    table = parquet_table(rows, origin, width or (len(rows[0].embedding) if rows else 0))
    said = {"inputs": digest, "failures": json.dumps(sorted(failures))}
    table = table.replace_schema_metadata({**table.schema.metadata, **said})
    buffer = io.BytesIO()
    pyarrow("pyarrow.parquet").write_table(table, buffer, compression="zstd")
    return Outcome(partition.number, buffer.getvalue(), len(partition.names), len(rows), tuple(failures))


class DataSet:
    """The folder of a data set.

    Parameters
    ----------
    folder : Path
        Made if it is not there; its parent must be.
    origin : Provenance
    restart : bool
        Delete the partitions that are there.

    Raises
    ------
    UsageError
        If the folder cannot be made, or holds partitions of another model or pipeline.
    """

    def __init__(self, folder: Path, origin: Provenance, *, restart: bool = False):
        self.folder = folder
        self._origin = json.dumps(origin.to_json(), sort_keys=True)
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write {folder}: {(error.strerror or str(error)).lower()}") from error
        for path in folder.glob(_PATTERN) if restart else ():
            path.unlink()
        for path in sorted(folder.glob(_PATTERN))[:1]:
            found = self._metadata(path)
            if found is not None and self._difference(found):
                raise UsageError(
                    f"{folder} holds partitions of other settings ({self._difference(found)}); "
                    "give another folder, or begin anew with --restart"
                )

    def done(self, partition: Partition) -> tuple[int, tuple[tuple[str, str], ...]] | None:
        """Faces and failures of a partition that is there, whole, and of these images; None if it is not."""
        found = self._metadata(self.folder / partition.file_name)
        if found is None or self._difference(found) or found.get("inputs") != partition.digest():
            return None
        return found["rows"], tuple(found["failures"])

    def keep(self, outcome: Outcome) -> None:
        """Write a partition's file; it is whole or not there."""
        with replacing(self.folder / Partition(outcome.number, ()).file_name, durable=True) as file:
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
                return {"refnet": dict(origin), "inputs": said["inputs"], "failures": failures, "rows": read.num_rows}
        except InputError:
            return None

    def _difference(self, found: dict[str, Any]) -> str:
        """The first setting in which a partition differs, or nothing."""
        begun, now = found["refnet"], json.loads(self._origin)
        differing = [key for key in sorted(now) if begun.get(key) != now[key]]
        return f"{differing[0]} was {begun.get(differing[0])!r}, and is {now[differing[0]]!r}" if differing else ""
