"""Who is this? A gallery of known faces: kept in one file, searched exactly, or approximately once that is too slow."""

from refnet.faces.gallery.entries import Gallery, Merged, build, merge, remove
from refnet.faces.gallery.exact import Candidate, search
from refnet.faces.gallery.file import changing, locked, read_gallery, write_gallery

__all__ = [
    "Candidate",
    "Gallery",
    "Merged",
    "build",
    "changing",
    "locked",
    "merge",
    "read_gallery",
    "remove",
    "search",
    "write_gallery",
]
