"""Tensors of a run in a file: what another program, machine or day computed, to be compared with later.

A trace is a ``.npz`` with a member for every tensor, by the tensor's name, and two members more: the images the run
was given (``__images__``) and where it all came from (``__provenance__``, JSON text). Tensors are written and read one
at a time, so that a trace may be larger than memory. ``numpy.load`` reads it, ``numpy.savez`` in any other program
writes one: the names and the images are all it takes. A ``.safetensors`` holds the same; there the provenance is
metadata.
"""

import itertools
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

import numpy as np

from refnet.audit.safetensors_file import SafetensorsFile, write_tensors
from refnet.errors import InputError, UsageError
from refnet.files import replacing
from refnet.graph import Array
from refnet.npz import Archive, read_array, size_of, write_array
from refnet.opening import reading

IMAGES = "__images__"
PROVENANCE = "__provenance__"
SCHEMA_VERSION = 1
SUFFIXES = (".npz", ".safetensors")


def write_trace(
    path: Path, tensors: Iterable[tuple[str, Array]], images: Array | None, provenance: Mapping[str, object]
) -> list[str]:
    """Write tensors as they come; the file is whole or not there.

    Parameters
    ----------
    path : Path
        Ends in ``.npz`` or ``.safetensors``.
    tensors : (name, array) pairs
        Such as `Network.stream` yields; one is in memory at a time.
    images : as the network was given them; None if it was given none
    provenance : what `refnet.provenance.Provenance.to_json` says

    Returns
    -------
    The names written.

    Raises
    ------
    UsageError
        If the file cannot be written, or two tensors have the same name.
    """
    check_form(path)
    text = json.dumps({"schema_version": SCHEMA_VERSION, **provenance})
    written: set[str] = set()
    everything = itertools.chain([] if images is None else [(IMAGES, images)], tensors)
    unique = _unique(path, everything, written)
    with replacing(path) as file:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, array in itertools.chain([(PROVENANCE, np.array(text))], unique):
                    write_array(archive, name, array)
        else:
            write_tensors(file, path.parent, unique, {PROVENANCE: text})
    return sorted(written - {IMAGES})


def check_form(path: Path) -> None:
    """Refuse a file name whose suffix is no form of a trace; before anything is computed."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot write {path}: the suffix is {path.suffix!r}; expected {' or '.join(SUFFIXES)}")


def _unique(path: Path, tensors: Iterable[tuple[str, Array]], written: set[str]) -> Iterator[tuple[str, Array]]:
    """The same tensors, noting their names, until one comes again."""
    for name, array in tensors:
        if name in written or name == PROVENANCE:
            raise UsageError(f"cannot write {path}: two tensors are called {name!r}")
        written.add(name)
        yield name, array


class TraceFile:
    """A trace, read tensor by tensor.

    Parameters
    ----------
    path : path of a ``.npz`` or ``.safetensors`` file

    Attributes
    ----------
    name : what to call it in a report.
    notes : sentences about where it came from.
    at_once : None: all images together, since that is how it holds them.
    winograd : True, since it does not say by which algorithms it was computed.
    tensor_names : what it holds.

    Raises
    ------
    InputError
        If the file is missing, damaged, or not a trace.
    """

    at_once = None
    winograd = True

    def __init__(self, path: str | Path):
        self._path = Path(path)
        self._store: _NpzStore | SafetensorsFile
        if self._path.suffix.lower() == ".safetensors":
            self._store = SafetensorsFile(self._path)
            said = self._store.metadata.get(PROVENANCE)
        else:
            self._store = _NpzStore(self._path)
            said = str(self._store.tensor(PROVENANCE)) if PROVENANCE in self._store.names else None
        self.tensor_names = frozenset(self._store.names) - {IMAGES, PROVENANCE}
        if not self.tensor_names:
            raise InputError(
                f"{self._path} holds no tensors; expected a {self._path.suffix} with one array for each, by name"
            )
        self.provenance = self._read_provenance(said)
        self.name = f"trace {self._path.name}"
        self.notes = tuple(f"trace's {key}: {value}" for key, value in self.provenance.items() if value)

    def _read_provenance(self, text: str | None) -> dict[str, object]:
        """Where it came from; empty if it does not say."""
        with reading(self._path, InputError, f"member {PROVENANCE!r} is not JSON text"):
            said = {} if text is None else json.loads(text)
        return said if isinstance(said, dict) else {"provenance": said}

    @property
    def images(self) -> Array:
        """The images the run was given."""
        if IMAGES not in self._store.names:
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
        if name not in self._store.names:
            raise InputError(f"{self._path} holds no tensor {name!r}")
        return self._store.tensor(name)

    def stream(self, images: Array, names: Set[str]) -> Iterator[tuple[str, Array]]:
        """Yield the tensors of those names; the images must be those they were computed from, if the trace has them."""
        if IMAGES in self._store.names and not np.array_equal(self.images, images):
            raise InputError(f"the images are not those that {self._path} was computed from; use its own")
        for name in self._store.names:
            if name in names and name in self.tensor_names:
                yield name, self.tensor(name)

    def outputs(self, images: Array, names: Set[str]) -> dict[str, Array]:
        """The outputs among the tensors."""
        return dict(self.stream(images, names))


class _NpzStore:
    """The arrays of a ``.npz``."""

    def __init__(self, path: Path):
        self._path = path
        with reading(path, InputError, "not a trace (.npz), or damaged"):
            try:
                self._archive = Archive(path)
            except FileNotFoundError:
                raise InputError(f"there is no trace {path}") from None
        self._members = {
            info.filename.removesuffix(".npy"): info
            for info in self._archive.infolist()
            if info.filename.endswith(".npy")
        }
        self.names = list(self._members)

    def tensor(self, name: str) -> Array:
        """One array by its name."""
        info = self._members[name]
        why = f"tensor {name!r} is damaged or not an array"
        with reading(self._path, InputError, why), self._archive.open(info) as member:
            return read_array(member, size_of(info, self._archive))
