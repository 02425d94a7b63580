"""`refnet embed`: face images in, embeddings out, at any number of them."""

import csv
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import numpy as np
from cyclopts import Parameter

from refnet import range_check
from refnet.bulk.cluster import Job, run_on_cluster
from refnet.bulk.ledger import Ledger, Row, ledger_path, rows_of
from refnet.bulk.outputs import check_output, json_line, name_of, write_rows
from refnet.bulk.partitions import SIZE, DataSet, Outcome, Partition, compute_partition, partitions
from refnet.bulk.photographs import Photographs
from refnet.bulk.prepared import Preparation, aligned_crops, stamp_of
from refnet.bulk.run import Done, embed_images
from refnet.bulk.sources import image_names
from refnet.cli.console import complain, printable, progress, say, write
from refnet.cli.options import (
    ALIGNED,
    CacheFlag,
    EngineOption,
    MemoryOption,
    ModelOption,
    PhotographOptions,
    ThreadsOption,
    open_model,
)
from refnet.errors import InputError, NoAnswerError, RefnetError, UsageError
from refnet.faces.embedding_file import EmbeddingSet
from refnet.files import check_place, replacing
from refnet.network import Network
from refnet.opening import NotRegularError, open_regular, said_by_system
from refnet.provenance import ALIGNED_CROPS, Provenance, provenance, sources_digest


def embed(
    inputs: Annotated[list[str] | None, Parameter(name="INPUT", allow_leading_hyphen=True)] = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    list_file: Annotated[Path | None, Parameter(name="--list")] = None,
    failures: Path | None = None,
    restart: Annotated[bool, Parameter(negative="")] = False,
    cluster: str | None = None,
    partition_size: int = SIZE,
    batch: int = 32,
    workers: int | None = None,
    photographs: PhotographOptions = ALIGNED,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
) -> int:
    """Compute the embeddings of faces: of aligned crops, or with --faces of photographs.

    With an output file, what is done is kept beside it as it is done, in FILE.partial: a run that was interrupted, in
    whatever way, goes on where it was when the same command is given again. The file is the same to the bit whatever
    the batch, the threads, the order of the inputs or the interruptions.

    Parameters
    ----------
    inputs
        Image files, folders (at any depth), and patterns; `-` reads a list of them from stdin, one a line.
    output
        FILE.npz, FILE.csv, FILE.jsonl or FILE.parquet; or FOLDER, a name without a suffix, for a Parquet data set of
        partitions. Default: JSON lines on stdout.
    list_file
        A file with a list of inputs, one a line; a pipe is given as `-`.
    failures
        FILE.csv to write the images without an embedding to, and why.
    restart
        Forget what an interrupted run has done.
    cluster
        Address of a dask.distributed scheduler, whose workers do the work: tcp://host:8786. Needs -o FOLDER.
    partition_size
        Images of a partition.
    batch
        Images computed and kept together; changes no bit.
    workers
        Threads that decode ahead of the network; changes no bit. Default: one a usable core.
    """
    for name, number in (("--batch", batch), ("--workers", workers), ("--partition-size", partition_size)):
        if number is not None and number < 1:
            raise UsageError(f"{name} is {number}; expected at least 1")
    if output is not None and output.suffix:
        check_output(output)
    if failures is not None:
        check_place(failures)
        if output is not None and os.path.realpath(failures) in map(os.path.realpath, (output, ledger_path(output))):
            raise UsageError(f"--failures is {failures}, which this output needs itself; give another file")
    if cluster is not None and (output is None or output.suffix):
        raise UsageError(
            f"--cluster writes a folder of partitions; give -o FOLDER, a name without a suffix, not {output}"
        )
    names = image_names(_entries(inputs or [], list_file))
    network = open_model(model, engine, threads, memory, cache)
    way = photographs.how or aligned_crops
    if photographs.how:
        say(photographs.how.pipeline(network).selection)
    origin = origin_of(network, photographs.how)
    work = Work(network, names, way(network), batch, workers or len(os.sched_getaffinity(0)))

    def note(failed: Failures) -> None:
        if failures is not None:
            _write_failures(failures, failed)

    if output is None:
        count, failed = _to_stdout(work, origin, note)
    elif not output.suffix:
        job = Job(
            str(network.graph.source.path), engine, threads, memory, cache, way, origin, sources_digest(), batch,
            work.workers,
        )  # fmt: skip
        count, failed = _to_data_set(work, job, output, cluster, partition_size, note, restart=restart)
    else:
        count, failed = _to_file(work, origin, output, note, restart=restart)
    if len(failed) == count:
        kept = "nothing was written" if output is None or output.suffix else f"the partitions in {output} have no rows"
        raise none_left([failure(reason) for _, reason in failed], kept)
    if failed:
        complain(f"{len(failed)} of {count} images have no embedding")
        return 1
    return 0


_LONGEST_LINE = 1 << 16  # bytes; what is no list, such as /dev/zero, has no ends of lines
Failures = list[tuple[str, str]]  # image, reason
Note = Callable[[Failures], None]  # writes the list of failures, before what could make it again is deleted


@dataclass(frozen=True)
class Work:
    """What is to be embedded, and how."""

    network: Network
    names: Iterator[str]
    how: Preparation
    batch: int
    workers: int

    def run(self, keep: Callable[[list[Done]], None], skip: Callable[[str], bool] | None = None) -> None:
        """Embed what is not to be skipped; failures are named as they come."""
        with progress("embedding", None) as advance:

            def names() -> Iterator[str]:
                for name in self.names:
                    if skip and skip(name):
                        advance()
                    else:
                        yield name

            def kept(batch: list[Done]) -> None:
                keep(batch)
                for image, _ in batch:
                    if image.reason:
                        complain(printable(image.reason))
                    for note in image.notes:
                        say(printable(note))
                    advance()

            embed_images(self.network, names(), self.how, kept, batch=self.batch, workers=self.workers)


def _to_stdout(work: Work, origin: Provenance, note: Note) -> tuple[int, Failures]:
    """JSON lines as they are computed; how many images there were, and those without an embedding."""
    count = 0
    failed: Failures = []

    def keep(batch: list[Done]) -> None:
        nonlocal count
        count += len(batch)
        failed.extend((image.name, image.reason) for image, _ in batch if image.reason)
        for image, embeddings in batch:
            for row in rows_of(image, embeddings):
                write(json_line(row, origin))

    work.run(keep)
    note(failed)
    return count, failed


def _to_file(work: Work, origin: Provenance, output: Path, note: Note, *, restart: bool) -> tuple[int, Failures]:
    """Through the ledger to a file; how many images there were, and those without an embedding."""
    with Ledger(ledger_path(output), origin.to_json(), restart=restart) as ledger:
        work.run(ledger.add, lambda name: ledger.has(name, stamp_of(name)))
        images, faces, failed = ledger.images(), ledger.faces(), [*ledger.failures()]
        if faces:
            write_rows(output, ledger.rows, origin)
        note(failed)
        ledger.remove()
    if faces:
        say(f"{faces} embeddings of {work.network.graph.outputs[0].shape[-1]} numbers in {output}")
    return images, failed


def _to_data_set(
    work: Work, job: Job, folder: Path, cluster: str | None, size: int, note: Note, *, restart: bool
) -> tuple[int, Failures]:
    """Partition by partition, here or on a cluster; how many images there were, and those without an embedding."""
    tally = Tally()
    failed: Failures = []
    with DataSet(folder, job.origin, size, restart=restart) as data_set, progress("embedding", None) as advance:

        def count(images: int, faces: int, failures: Iterable[tuple[str, str]]) -> None:
            tally.faces += faces
            failed.extend(failures)
            advance(images)

        def keep(outcome: Outcome) -> None:
            data_set.keep(outcome)
            for _, reason in outcome.failures:
                complain(printable(reason))
            count(outcome.images, outcome.faces, outcome.failures)

        def unfinished() -> Iterator[Partition]:
            for part in partitions(work.names, size):
                tally.partitions, tally.images = tally.partitions + 1, tally.images + len(part.names)
                found = data_set.done(part)
                if found is None:
                    yield part
                else:
                    count(len(part.names), *found)

        if cluster is not None:
            run_on_cluster(cluster, job, unfinished(), keep, say)
        else:
            for part in unfinished():
                keep(
                    compute_partition(part, work.network, work.how, job.origin, batch=work.batch, workers=work.workers)
                )
        data_set.finish(tally.partitions)
        failed.sort()
        note(failed)
    say(f"{tally.faces} embeddings in {tally.partitions} partitions in {folder}")
    return tally.images, failed


@dataclass
class Tally:
    """How much there is."""

    partitions: int = 0
    images: int = 0
    faces: int = 0


def _write_failures(path: Path, failed: Failures) -> None:
    """A table of images without an embedding."""
    with replacing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="", write_through=True)
        csv.writer(text, lineterminator="\n").writerows([("name", "reason"), *failed])
        text.detach()


def origin_of(network: Network, how: Photographs | None) -> Provenance:
    """Where embeddings come from: the model, and how images become crops."""
    return provenance(network, ALIGNED_CROPS if how is None else how.pipeline(network).description)


def embed_paths(
    network: Network, paths: list[Path], how: Photographs | None = None
) -> tuple[list[Row], list[RefnetError]]:
    """Embed the faces of images; one that cannot be used is named, and the others go on.

    Returns
    -------
    A row for each face, in the order of the paths; and what was wrong with the images that have none.
    """
    rows: list[Row] = []
    failed: list[RefnetError] = []

    def keep(batch: list[Done]) -> None:
        for image, embeddings in batch:
            rows.extend(rows_of(image, embeddings))
            failed.extend([failure(image.reason)] * bool(image.reason))

    workers = len(os.sched_getaffinity(0))
    Work(network, map(str, paths), (how or aligned_crops)(network), 32, workers).run(keep)
    return rows, failed


def failure(reason: str) -> RefnetError:
    """The error of an image without an embedding: of the network, or of the image itself."""
    return NoAnswerError(reason) if range_check.SAID in reason else InputError(reason)


def none_left(failed: Sequence[RefnetError], kept: str = "nothing was written") -> RefnetError:
    """The error where no image has an embedding."""
    for error in failed:
        if isinstance(error, NoAnswerError):
            return NoAnswerError(f"none of {len(failed)} images has an embedding; {kept}")
    return InputError(f"none of {len(failed)} images could be read; {kept}")


def embedding_set(rows: list[Row], origin: Provenance) -> EmbeddingSet:
    """Rows as a set."""
    return EmbeddingSet(tuple(map(name_of, rows)), np.stack([row.embedding for row in rows]), origin)


def _entries(inputs: list[str], list_file: Path | None) -> Iterator[str]:
    """The inputs, with `-` replaced by the lines of stdin, and those of a list."""
    given = False
    for entry in inputs:
        given = True
        if entry == "-":
            yield from _lines(sys.stdin.buffer)
        elif entry.startswith("-"):
            raise UsageError(f"Unknown option: {entry}. See `refnet embed --help`; a file of that name is ./{entry}")
        else:
            yield entry
    if list_file is not None:
        try:
            with open_regular(list_file) as file:
                yield from _lines(file)
        except NotRegularError as error:
            raise InputError(f"{list_file}: not a regular file; give a list from a pipe to stdin, as `-`") from error
        except OSError as error:
            raise InputError(f"{list_file}: the list cannot be read: {said_by_system(error)}") from error
    elif not given:
        raise UsageError("no image is given; give files, folders, `-` for a list on stdin, or --list FILE")


def _lines(file: BinaryIO) -> Iterator[str]:
    """Names, one a line; whatever bytes they are."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise InputError(
                f"the list has a line of {_LONGEST_LINE:,} bytes or more; expected the name of a file a line"
            )
        if name := line.rstrip(b"\r\n"):
            yield os.fsdecode(name)
