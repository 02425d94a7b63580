"""What is done so far, on disk: an SQLite database beside the output, so that no interruption costs more than a batch.

A transaction is a batch of images: either all of them are in the ledger, or none. A run that was killed, at whatever
moment, is taken up by the next one with the same settings; an image is done again only if its file has changed.
Names are kept as the bytes the system has for them, since not every file name is text.

One process at a time has a ledger open, and holds the lock FILE.partial.lock. When the output is written, the ledger is
deleted.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from refnet.bulk.prepared import Prepared, Stamp
from refnet.errors import UsageError
from refnet.files import locked
from refnet.graph import Array
from refnet.opening import reason

MARKS_TOGETHER = 1000  # images of earlier runs that are taken up in one transaction
_TABLES = """
CREATE TABLE settings (text TEXT NOT NULL);
CREATE TABLE images (
    name BLOB PRIMARY KEY, size_bytes INTEGER, changed_ns INTEGER, reason TEXT NOT NULL, run INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE faces (
    name BLOB NOT NULL, face INTEGER NOT NULL, embedding BLOB NOT NULL, box BLOB, landmarks BLOB, score REAL
);
CREATE UNIQUE INDEX faces_by_name ON faces (name, face);
CREATE TABLE runs (run INTEGER PRIMARY KEY);
"""


@dataclass(frozen=True)
class Row:
    """One face: the image's name, the face's number in it from 1 on, how many it has, and what was computed.

    `embedding` is (D,) float32; `box` (4,) and `landmarks` (5, 2) float32, `score`: None where there are none.
    """

    name: str
    face: int
    faces: int
    embedding: Array
    box: Array | None
    landmarks: Array | None
    score: float | None


class Ledger:
    """An open ledger, of one run.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    settings : {name: value}
        All that the results depend on; a ledger of others is refused.
    restart : bool
        Delete the ledger that is there.

    Raises
    ------
    UsageError
        If another process has it open, it was begun with other settings, it is no ledger, or it cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, object], *, restart: bool = False) -> None:
        self.path, self._open = path, True
        self._marks: list[bytes] = []  # images of earlier runs that belong to this one, and are not yet marked so
        with ExitStack() as held:
            held.enter_context(locked(path.with_name(f"{path.name}.lock"), busy=_in_use(path)))
            if restart:
                remove_ledger(path)
            self._begin(settings)
            self._lock = held.pop_all()

    def _begin(self, settings: Mapping[str, object]) -> None:
        """Open the database, which is this process's alone, and begin a run."""
        path, text = self.path, json.dumps(settings, sort_keys=True)
        try:
            self._database = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("BEGIN IMMEDIATE")
            if not self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._database.execute(statement)
                self._database.execute("INSERT INTO settings VALUES (?)", (text,))
            begun: str = self._database.execute("SELECT text FROM settings").fetchone()[0]
            self._run: int = self._database.execute("INSERT INTO runs DEFAULT VALUES RETURNING run").fetchone()[0]
            self._database.execute("COMMIT")
            differing = "" if begun == text else _difference(json.loads(begun), settings)
        except Exception as error:
            raise self._refusal(error) from error
        if begun != text:
            self._database.close()
            raise UsageError(
                f"{path} was begun with other settings ({differing}); "
                "finish it with the same, or begin anew with --restart"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it to a later run, unless there is nothing in it."""
        if self._open and not self._one("SELECT count(*) FROM images", ())[0]:
            self.remove()
        self.close()

    def close(self) -> None:
        """Leave it to a later run."""
        self._open = False
        self._database.close()
        self._lock.close()

    def remove(self) -> None:
        """Delete it: its output is written."""
        self._database.close()
        remove_ledger(self.path)
        self.close()

    def has(self, name: str, stamp: Stamp) -> bool:
        """Whether the image is done, and its file has not changed since; it then belongs to this run."""
        key = os.fsencode(name)
        found = self._one("SELECT size_bytes, changed_ns, run FROM images WHERE name = ?", (key,))
        if found is None or found[:2] != (stamp.size_bytes, stamp.changed_ns):
            return False
        if found[2] != self._run:
            self._marks.append(key)
        if len(self._marks) >= MARKS_TOGETHER:
            self._write(())
        return True

    def add(self, images: Iterable[tuple[Prepared, Array]]) -> None:
        """Write a batch of images and the embeddings (faces, D) of each; all of them or, after a crash, none."""
        statements: list[tuple[str, tuple[object, ...]]] = []
        for image, embeddings in images:
            key, stamp = os.fsencode(image.name), image.stamp
            statements.append(("DELETE FROM faces WHERE name = ?", (key,)))
            statements.append(
                (
                    "INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)",
                    (key, stamp.size_bytes, stamp.changed_ns, _as_text(image.reason), self._run),
                )
            )
            for number, (face, embedding) in enumerate(zip(image.faces, embeddings, strict=True), 1):
                said = key, number, _bytes(embedding), _bytes(face.box), _bytes(face.landmarks), face.score
                statements.append(("INSERT INTO faces VALUES (?, ?, ?, ?, ?, ?)", said))
        self._write(statements)

    def failures(self) -> Iterator[tuple[str, str]]:
        """Images of this run without a face, and why."""
        self._settle()
        query = "SELECT name, reason FROM images WHERE run = ? AND reason <> '' ORDER BY name"
        try:
            for name, reason in self._database.execute(query, (self._run,)):
                yield os.fsdecode(name), str(reason)
        except (sqlite3.Error, TypeError, ValueError) as error:
            raise self._refusal(error) from error

    def images(self) -> int:
        """How many images this run has."""
        self._settle()
        return self._one("SELECT count(*) FROM images WHERE run = ?", (self._run,))[0]

    def faces(self) -> int:
        """How many faces this run has."""
        self._settle()
        return self._one("SELECT count(*) FROM faces JOIN images USING (name) WHERE run = ?", (self._run,))[0]

    def rows(self) -> Iterator[Row]:
        """The faces of this run, in the order of the names' bytes and of the faces; one at a time in memory."""
        self._settle()
        query = """
            SELECT name, face, embedding, box, landmarks, score, (SELECT count(*) FROM faces f WHERE f.name = images.name)
            FROM images JOIN faces USING (name) WHERE run = ? ORDER BY name, face
        """
        try:
            for name, face, embedding, box, landmarks, score, faces in self._database.execute(query, (self._run,)):
                points = _floats(landmarks)
                yield Row(
                    os.fsdecode(name), face, faces, np.frombuffer(embedding, "<f4").astype(np.float32), _floats(box),
                    None if points is None else points.reshape(-1, 2), score,
                )  # fmt: skip
        except (sqlite3.Error, TypeError, ValueError) as error:  # what is stored there is not what was written
            raise self._refusal(error) from error

    def _one(self, query: str, values: tuple[object, ...]) -> tuple[int, ...]:
        try:
            found: tuple[int, ...] = self._database.execute(query, values).fetchone()
        except Exception as error:
            raise self._refusal(error) from error
        return found

    def _settle(self) -> None:
        """Mark what is not yet marked, so that a question about this run has its whole answer."""
        if self._marks:
            self._write(())

    def _write(self, statements: Iterable[tuple[str, tuple[object, ...]]]) -> None:
        """One transaction: the marks that wait, and the statements; a mark that a crash takes is made again."""
        try:
            self._database.execute("BEGIN")
            marks = ((self._run, key) for key in self._marks)
            self._database.executemany("UPDATE images SET run = ? WHERE name = ?", marks)
            for statement, values in statements:
                self._database.execute(statement, values)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._refusal(error) from error
        self._marks.clear()

    def _refusal(self, error: Exception) -> UsageError:
        """What is wrong with the ledger, for the person."""
        said = str(error)
        if "locked" in said:
            return UsageError(_in_use(self.path))
        if isinstance(error, sqlite3.OperationalError):
            return UsageError(f"cannot write {self.path}: {said}; make room or choose another output, and run it again")
        return UsageError(f"{self.path} is damaged, or not refnet's ({reason(error)}); begin anew with --restart")


def _in_use(path: Path) -> str:
    return f"{path} is in use: another process is writing this output; wait for it"


def rows_of(image: Prepared, embeddings: Array) -> Iterator[Row]:
    """The rows of an image that is in no ledger."""
    for number, (face, embedding) in enumerate(zip(image.faces, embeddings, strict=True), 1):
        box = None if face.box is None else np.array(face.box, np.float32)
        points = None if face.landmarks is None else np.asarray(face.landmarks, np.float32)
        yield Row(image.name, number, len(image.faces), embedding, box, points, face.score)


def ledger_path(output: Path) -> Path:
    """Where the ledger of an output lies while it is made."""
    return output.with_name(f"{output.name}.partial")


def remove_ledger(path: Path) -> None:
    """Delete a ledger and the files SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _difference(begun: Mapping[str, object], now: Mapping[str, object]) -> str:
    """The first setting that differs."""
    for name in sorted({*begun, *now}):
        if begun.get(name) != now.get(name):
            return f"{name} was {begun.get(name)!r}, and is {now.get(name)!r}"
    return "their order"


def _as_text(said: str) -> str:
    """A sentence as UTF-8 has it; bytes of a name that are no text are escaped."""
    return said.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _bytes(values: object) -> bytes | None:
    return None if values is None else np.asarray(values, dtype="<f4").tobytes()


def _floats(content: bytes | None) -> Array | None:
    return None if content is None else np.frombuffer(content, "<f4").astype(np.float32)
