"""Fails the build if a page asks for anything from elsewhere, or links a page or a file that the site does not have."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_LOADED = re.compile(r'<(?:script|img|iframe|source|video|audio)\b[^>]*?\ssrc="([^"]+)"|<link\b[^>]*?\shref="([^"]+)"')
_FOLLOWED = re.compile(r'<a\b[^>]*?\shref="([^"]+)"')


def faults(page: Path) -> Iterator[str]:
    """What is wrong with a page's addresses."""
    text = page.read_text("utf-8")
    loaded = [source or target for source, target in _LOADED.findall(text)]
    yield from (f"asks for {address}" for address in loaded if urlsplit(address).netloc)
    for address in [*loaded, *_FOLLOWED.findall(text)]:
        parts = urlsplit(address)
        if parts.scheme or parts.netloc or not parts.path:
            continue
        if not (page.parent / unquote(parts.path)).exists():
            yield f"links {address}, which is not there"


def check(app: Sphinx, exception: Exception | None) -> None:
    """Look at every page that was built."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    found = [f"{page.relative_to(folder)} {fault}" for page in folder.rglob("*.html") for fault in faults(page)]
    if found:
        raise ExtensionError("\n".join(["the site is not whole:", *found]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Check at the very end."""
    app.connect("build-finished", check, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
