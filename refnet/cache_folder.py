"""Where refnet keeps what it would be slow to make or to fetch again."""

import os
from pathlib import Path

import platformdirs


def cache_folder(kind: str) -> Path:
    """The folder for things of a kind, in `$REFNET_CACHE_DIR`, else the user's cache folder; it need not exist yet."""
    return Path(os.environ.get("REFNET_CACHE_DIR") or platformdirs.user_cache_path("refnet")) / kind
