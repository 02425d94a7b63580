"""Tensors of a run in a file: what another program, machine or day computed, to be compared with later.

A trace is a ``.npz`` with a member for every tensor, by the tensor's name, and two members more: the images the run
was given (``__images__``) and where it all came from (``__provenance__``, JSON text). Tensors are written and read one
at a time, so that a trace may be larger than memory. ``numpy.load`` reads it, ``numpy.savez`` in any other program
writes one: the names and the images are all it takes.
"""

import itertools
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

import numpy as np

from refnet.errors import InputError, UsageError
from refnet.files import replacing
from refnet.graph import Array
from refnet.npz import read_array, write_array

IMAGES = "__images__"
PROVENANCE = "__provenance__"
SCHEMA_VERSION = 1


def write_trace(
    path: Path, tensors: Iterable[tuple[str, Array]], images: Array, provenance: Mapping[str, object]
) -> list[str]:
    """Write tensors as they come; the file is whole or not there.

    Parameters
    ----------
    path : Path
        Ends in ``.npz``.
    tensors : (name, array) pairs
        Such as `Network.stream` yields; one is in memory at a time.
    images : as the network was given them
    provenance : what `refnet.provenance.Provenance.to_json` says

    Returns
    -------
    The names written.

    Raises
    ------
    UsageError
        If the file cannot be written, or two tensors have the same name.
    """
    if path.suffix.lower() != ".npz":
        raise UsageError(f"cannot write {path}: the suffix is {path.suffix!r}; expected .npz")
    text = json.dumps({"schema_version": SCHEMA_VERSION, **provenance})
    written: set[str] = set()
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in itertools.chain([(PROVENANCE, np.array(text)), (IMAGES, images)], tensors):
            if name in written:
                raise UsageError(f"cannot write {path}: two tensors are called {name!r}")
            written.add(name)
            write_array(archive, name, array)
    return sorted(written - {IMAGES, PROVENANCE})


class TraceFile:
    """A trace, read tensor by tensor.

    Parameters
    ----------
    path : path of a ``.npz`` file

    Attributes
    ----------
    name : what to call it in a report.
    notes : sentences about where it came from.
    at_once : None: all images together, since that is how it holds them.
    tensor_names : what it holds.

    Raises
    ------
    InputError
        If the file is missing, damaged, or not a trace.
    """

    at_once = None

    def __init__(self, path: str | Path):
        self._path = Path(path)
        try:
            self._archive = zipfile.ZipFile(self._path)
        except FileNotFoundError:
            raise InputError(f"there is no trace {self._path}") from None
        except (OSError, NotImplementedError, zipfile.BadZipFile) as error:
            raise InputError(f"{self._path} is not a trace (.npz), or is damaged: {error}") from error
        self._members = {
            info.filename.removesuffix(".npy"): info
            for info in self._archive.infolist()
            if info.filename.endswith(".npy")
        }
        self.tensor_names = frozenset(self._members.keys() - {IMAGES, PROVENANCE})
        if not self.tensor_names:
            raise InputError(f"{self._path} holds no tensors; expected a .npz with one array for each, by name")
        self.name = f"trace {self._path.name}"
        self.notes = tuple(f"trace's {key}: {value}" for key, value in self.provenance.items() if value)

    @property
    def provenance(self) -> dict[str, object]:
        """Where it came from; empty if it does not say."""
        if PROVENANCE not in self._members:
            return {}
        text = self.tensor(PROVENANCE)
        try:
            said = json.loads(str(text))
        except json.JSONDecodeError as error:
            raise InputError(f"{self._path}: member {PROVENANCE!r} is not JSON text: {error}") from error
        return said if isinstance(said, dict) else {"provenance": said}

    @property
    def images(self) -> Array:
        """The images the run was given."""
        if IMAGES not in self._members:
            raise InputError(
                f"{self._path} does not hold the images its tensors were computed from (member {IMAGES!r}); give them"
            )
        return self.tensor(IMAGES)

    def refuse_another_order(self, channels: str) -> None:
        """Refuse a trace that says it is of a network which takes its channels in another order than `channels`."""
        said = str(self.provenance.get("input", "")).partition(",")[0]
        if said in ("RGB", "BGR") and said != channels:
            raise InputError(
                f"{self._path} is of a network that takes {said}, and this one takes {channels}: their images and first "
                f"tensors do not line up. Trace a model that `refnet convert --channels {channels.lower()}` has made"
            )

    def tensor(self, name: str) -> Array:
        """One tensor by its name."""
        info = self._members.get(name)
        if info is None:
            raise InputError(f"{self._path} holds no tensor {name!r}")
        try:
            with self._archive.open(info) as member:
                return read_array(member, info.file_size)
        except (
            OSError,
            EOFError,
            ValueError,
            NotImplementedError,
            RuntimeError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise InputError(f"{self._path}: tensor {name!r} is damaged or not an array: {error}") from error

    def stream(self, images: Array, names: Set[str]) -> Iterator[tuple[str, Array]]:
        """Yield the tensors of those names; the images must be those they were computed from, if the trace has them."""
        if IMAGES in self._members and not np.array_equal(self.images, images):
            raise InputError(f"the images are not those that {self._path} was computed from; use its own")
        for name in self._members:
            if name in names and name in self.tensor_names:
                yield name, self.tensor(name)

    def outputs(self, images: Array, names: Set[str]) -> dict[str, Array]:
        """The outputs among the tensors."""
        return dict(self.stream(images, names))
