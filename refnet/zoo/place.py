"""Put a file into its place: whole and verified, or not at all."""

import hashlib
from pathlib import Path

from refnet.errors import ModelError
from refnet.files import replacing
from refnet.opening import open_regular
from refnet.zoo.cards import ModelFile

_BLOCK_BYTES = 1 << 20


def place(source: Path, target: Path, file: ModelFile) -> None:
    """Copy `source`, found to be `file`, to `target`; what is digested is what is written.

    Raises
    ------
    ModelError
        If what was read differs from `file` after all: somebody writes to `source`.
    UsageError
        If `target` cannot be written.
    """
    digests = {name: hashlib.new(name) for name in file.digests}
    with open_regular(source) as opened, replacing(target, durable=True) as written:
        while block := opened.read(_BLOCK_BYTES):
            for digest in digests.values():
                digest.update(block)
            written.write(block)
        if any(digests[name].hexdigest() != value for name, value in file.digests.items()):
            raise ModelError(f"{source} changed while it was copied; nothing was written")
