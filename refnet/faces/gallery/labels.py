"""Labels: who an image is of, from where it lies.

Two conventions are known. *Folder*: the name of the first folder below the folder given, so that `people/Ann/2019/1.png`
given as `people` is Ann. *Stem*: the file's name without its suffix and without a last ``-<digits>``, as in Open Model
Zoo's face recognition demo (`Ann-0.jpg`, `Ann-1.jpg`). An image in a folder below the one given is labelled by the
first, one that lies right in it, or is given by itself, by the second.

A label is any text: it is compared and sorted by code points, is never part of a path and never interpreted. Only its
Unicode form is made one (NFC), so that two spellings of the same text are the same person; case is kept.
"""

import re
import unicodedata
from pathlib import Path, PurePath
from typing import Literal

from refnet.errors import InputError, UsageError
from refnet.faces.image import find_images

Rule = Literal["folder", "stem"]
LONGEST = 1000


def clean_label(text: str) -> str:
    """The label that a text means.

    Raises
    ------
    UsageError
        If nothing of it can be seen, or it is longer than 1000 characters.
    """
    if not text.strip():
        raise UsageError(f"a label is {text!r}; expected a name")
    if len(text) > LONGEST:
        raise UsageError(f"a label has {len(text):,} characters ({text[:20]!r}...); expected at most {LONGEST:,}")
    return unicodedata.normalize("NFC", text)


def label_of(path: PurePath, below: PurePath | None = None, rule: Rule | None = None, *, lower: bool = False) -> str:
    """Label an image.

    Parameters
    ----------
    path : where it lies
    below : the folder that was given, if it was found in one
    rule : "folder" or "stem"; by default as the module says
    lower : make the label lower case, as Open Model Zoo's demo does

    Raises
    ------
    InputError
        If the rule is "folder" and there is no folder.

    Examples
    --------
    >>> label_of(PurePath("people/Ann/2019/1.png"), PurePath("people"))
    'Ann'
    >>> label_of(PurePath("people/Ann-Lee-12.png"), PurePath("people"))
    'Ann-Lee'
    """
    folders = path.relative_to(below).parts[:-1] if below is not None else ()
    if rule == "stem" or (rule is None and not folders):
        label = re.sub(r"-[0-9]+$", "", path.stem)
    else:
        label = folders[0] if folders else path.parent.name
        if not label:
            raise InputError(f"{path}: it lies in no folder to be labelled by; say --label or --label-from stem")
    return clean_label(label.lower() if lower else label)


def labelled_images(entry: Path, rule: Rule | None = None, *, lower: bool = False) -> list[tuple[Path, str]]:
    """The images of a file or folder, each with its label."""
    below = entry if entry.is_dir() else None
    return [(path, label_of(path, below, rule, lower=lower)) for path in find_images([entry])]
