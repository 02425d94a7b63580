"""`refnet gallery`: known faces in a file. `gallery_search` says who a face is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from refnet.bulk.photographs import Photographs
from refnet.cli.console import complain, print_data, print_json, printable, say
from refnet.cli.embed import embed_paths, embedding_set, none_left, origin_of
from refnet.cli.options import (
    ALIGNED,
    CacheFlag,
    EngineOption,
    JsonFlag,
    MemoryOption,
    ModelOption,
    OutputOption,
    PhotographOptions,
    ThreadsOption,
    open_model,
)
from refnet.cli.sources import joined
from refnet.errors import InputError, RefnetError, UsageError
from refnet.faces.embedding_file import EmbeddingSet
from refnet.faces.embedding_reader import is_embeddings, read_embeddings
from refnet.faces.gallery import Gallery, Merged, changing, locked, read_gallery, write_gallery
from refnet.faces.gallery import build as build_gallery
from refnet.faces.gallery import merge as merge_gallery
from refnet.faces.gallery import remove as remove_from_gallery
from refnet.faces.gallery.entries import shared_embeddings
from refnet.faces.gallery.file import check_gallery_path
from refnet.faces.gallery.labels import Rule, clean_label, label_of, labelled_images
from refnet.network import Network

Sources = Annotated[list[Path], Parameter(name="SOURCE")]
GalleryFile = Annotated[Path, Parameter(name="GALLERY")]
LabelOption = Annotated[str | None, Parameter(help="Label for everything given: all of it is this one person.")]
RuleOption = Annotated[
    Rule | None,
    Parameter(help="folder: the first folder below the one given (for a file of embeddings: the folder an image lay in); stem: the file's name without suffix and -<digits>. Default: folder if there is one, else stem; must be said for embeddings."),
]  # fmt: skip
LowerFlag = Annotated[bool, Parameter(negative="", help="Make labels lower case, as Open Model Zoo's demo does.")]
Labelled = tuple[EmbeddingSet, list[str]]


def build(
    sources: Sources,
    /,
    *,
    output: OutputOption,
    label: LabelOption = None,
    label_from: RuleOption = None,
    lower_case: LowerFlag = False,
    photographs: PhotographOptions = ALIGNED,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
) -> int:
    """Make a gallery of aligned face crops, of photographs with --faces, or of embeddings that are in a file already.

    Parameters
    ----------
    sources
        Images, folders of them, files of embeddings (.npz, .csv, .jsonl).
    output
        Gallery to write, FILE.npz.
    """
    check_gallery_path(output)
    _refuse_existing(output)
    found, failed = _labelled(
        sources,
        label,
        label_from,
        lower_case,
        lambda: open_model(model, engine, threads, memory, cache),
        _one_face(photographs),
    )
    with locked(output):
        _refuse_existing(output)
        merged = build_gallery(*found)
        write_gallery(output, merged.gallery)
    return _told(output, merged, failed)


def add(
    gallery: GalleryFile,
    sources: Sources,
    /,
    *,
    label: LabelOption = None,
    label_from: RuleOption = None,
    lower_case: LowerFlag = False,
    photographs: PhotographOptions = ALIGNED,
    model: ModelOption = None,
    engine: EngineOption = "fast",
    threads: ThreadsOption = None,
    memory: MemoryOption = "default",
    cache: CacheFlag = True,
) -> int:
    """Add faces to a gallery; what is there stays.

    Parameters
    ----------
    gallery
        Gallery to change.
    sources
        Images, folders of them, files of embeddings (.npz, .csv, .jsonl).
    """
    read_gallery(gallery)
    check_gallery_path(gallery)
    found, failed = _labelled(
        sources,
        label,
        label_from,
        lower_case,
        lambda: open_model(model, engine, threads, memory, cache),
        _one_face(photographs),
    )
    with changing(gallery) as known:  # read again: another program may have added to it while faces were embedded
        merged = merge_gallery(known, *found)
        write_gallery(gallery, merged.gallery)
    return _told(gallery, merged, failed)


def remove(
    gallery: GalleryFile,
    labels: Annotated[list[str], Parameter(name="LABEL", allow_leading_hyphen=True)] = [],  # noqa: B006  (cyclopts reads the default)
    /,
    *,
    image: Annotated[list[str], Parameter(negative="")] = [],  # noqa: B006
) -> None:
    """Take identities, or single images, out of a gallery.

    Parameters
    ----------
    gallery
        Gallery to change.
    labels
        Identities to remove, with all their images.
    image
        Name of an image to remove, as `refnet gallery list --images` shows it.
    """
    if not labels and not image:
        raise UsageError("nothing to remove; give a LABEL or --image NAME")
    with changing(gallery) as before:
        after = remove_from_gallery(before, labels, image)
        write_gallery(gallery, after)
    say(f"{_count(len(before) - len(after), 'image')} removed; {_size(after)} in {gallery}")


def list_gallery(
    gallery: GalleryFile,
    /,
    *,
    images: Annotated[bool, Parameter(negative="")] = False,
    json: JsonFlag = False,
) -> None:
    """List the identities of a gallery.

    Parameters
    ----------
    gallery
        Gallery to read.
    images
        One line an image instead of one an identity.
    """
    found = read_gallery(gallery)
    if json:
        print_json({"schema_version": 1, "gallery": str(gallery), **_described(found)})
        return
    for i, label in enumerate(found.identities):
        names = [found.names[entry] for entry in found.entries_of(i)]
        for line in names if images else [_count(len(names), "image")]:
            print_data(f"{printable(label)}\t{printable(line)}")


def verify(gallery: GalleryFile, /, *, json: JsonFlag = False) -> int:
    """Check every part of a gallery; exit status 1 if the same embedding stands under two labels.

    Parameters
    ----------
    gallery
        Gallery to check.
    """
    found = read_gallery(gallery)
    shared = list(shared_embeddings(found))
    if json:
        print_json(
            {
                "schema_version": 1,
                "gallery": str(gallery),
                "identities": len(found.identities),
                "images": len(found),
                "dimension": found.embeddings.shape[1],
                "provenance": found.provenance.to_json(),
                "shared": [
                    [{"label": label, "image": name} for label, name in pair] for pair in shared
                ],
            }
        )  # fmt: skip
        return 1 if shared else 0
    origin = found.provenance
    print_data(f"{_size(found)}, {found.embeddings.shape[1]} numbers each; every part is as it was written")
    print_data(f"model {printable(origin.model)}, sha256 {origin.model_sha256}; pipeline: {printable(origin.pipeline)}")
    for pair in shared:
        print_data(
            "the same embedding: " + " and ".join(f"{printable(label)} ({printable(name)})" for label, name in pair)
        )
    return 1 if shared else 0


def _refuse_existing(path: Path) -> None:
    """A gallery is kept, not made anew over what others have added to it."""
    if path.exists():
        raise UsageError(f"{path} is there already; `refnet gallery add` adds to it, or remove the file first")


def _one_face(photographs: PhotographOptions) -> Photographs | None:
    """A photograph under one label has one face that counts."""
    if photographs.faces == "all":
        raise UsageError("--faces all would give every face of a photograph the same label; use largest or single")
    return photographs.how


def _labelled(
    sources: Sequence[Path],
    label: str | None,
    rule: Rule | None,
    lower: bool,
    open_network: Callable[[], Network],
    how: Photographs | None,
) -> tuple[Labelled, list[RefnetError]]:
    """Everything in the sources, embedded and labelled; and what could not be read."""
    if label is not None and (rule is not None or lower):
        raise UsageError("--label names everything given; give it without --label-from and --lower-case")
    named = None if label is None else clean_label(label)
    parts: list[EmbeddingSet] = []
    labels: list[str] = []
    images: dict[Path, str] = {}
    for source in sources:
        if is_embeddings(source):
            if label is None and rule is None:
                raise UsageError(f"{source} says no labels; give --label, or --label-from folder or stem")
            part = read_embeddings(source)
            parts.append(part)
            labels += [named or label_of(Path(name), None, rule, lower=lower) for name in part.names]
        else:
            for path, its in labelled_images(source, rule, lower=lower):
                if images.setdefault(path, named or its) != (named or its):
                    raise UsageError(f"{path} was given twice, as {images[path]!r} and as {its!r}; give it once")
    failed: list[RefnetError] = []
    if images:
        network = open_network()
        rows, failed = embed_paths(network, list(images), how)
        if rows:
            parts.append(embedding_set(rows, origin_of(network, how)))
            labels += [images[Path(row.name)] for row in rows]
    if not parts:
        raise none_left(failed)
    return (joined(parts), labels), failed


def _told(path: Path, merged: Merged, failed: Sequence[RefnetError]) -> int:
    """Say what was added and what is doubtful; the exit status."""
    again = f" ({merged.known} were there already)" if merged.known else ""
    say(f"{_count(merged.added, 'image')} added{again}; {_size(merged.gallery)} in {path}")
    for one, other in shared_embeddings(merged.gallery):
        complain(f"{one[1]} of {one[0]} has the same embedding as {other[1]} of {other[0]}")
    if failed:
        what = "read" if all(isinstance(error, InputError) for error in failed) else "used"
        complain(f"{_count(len(failed), 'image')} could not be {what}")
    return 1 if failed else 0


def _size(gallery: Gallery) -> str:
    """How large a gallery is, in words."""
    return f"{_count(len(gallery.identities), 'identity', 'identities')}, {_count(len(gallery), 'image')}"


def _count(number: int, one: str, many: str = "") -> str:
    """A number of things."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _described(gallery: Gallery) -> dict[str, Any]:
    """A gallery's identities, and where they come from, for JSON."""
    listed = [
        {"label": label, "images": [gallery.names[entry] for entry in gallery.entries_of(i)]}
        for i, label in enumerate(gallery.identities)
    ]
    return {"identities": listed, "provenance": gallery.provenance.to_json()}
