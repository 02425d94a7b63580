"""Where a number came from: what stands beside every embedding that leaves refnet.

Two embeddings can be compared only if the model and the way an image became the network's input are the same; these
are the fields that say so (`comparable`). The engine and the versions are told but not compared: they change
rounding, not what is computed.
"""

import functools
import hashlib
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from refnet.files import sha256
from refnet.network import Network
from refnet.version import __version__

ALIGNED_CROPS = "aligned crops"  # a pipeline in which nothing happens to an image before the network sees it


@dataclass(frozen=True)
class Provenance:
    """Model, engine and pipeline behind a file of embeddings or tensors."""

    model: str
    model_sha256: str
    model_note: str
    engine: str
    input: str
    refnet: str
    numpy: str
    pipeline: str = ALIGNED_CROPS

    def to_json(self) -> dict[str, str]:
        """A plain dict."""
        return asdict(self)


def provenance(network: Network, pipeline: str = ALIGNED_CROPS) -> Provenance:
    """Gather the provenance of what `network` computes; reads its files once to take the digest.

    `pipeline` says how a photograph became the crop that the network was given.
    """
    source = network.graph.source
    path = source.path
    return Provenance(
        model=path.name if path else network.graph.name,
        model_sha256=sha256(path, *source.beside) if path else "",
        model_note=network.synthetic or "",
        engine=network.engine,
        input=f"{network.contract.channels}, values {network.contract.values}",
        refnet=__version__,
        numpy=version("numpy"),
        pipeline=pipeline,
    )


@functools.cache
def sources_digest() -> str:
    """A digest of the package's code and model cards, which decide every number; taken once in a process."""
    return digest_of(Path(__file__).parent)


def digest_of(package: Path) -> str:
    """A digest of the code and the model cards in a package's folder."""
    digest = hashlib.sha256()
    for source in sorted(path for path in package.rglob("*") if path.suffix in (".py", ".toml")):
        content = source.read_bytes()
        digest.update(f"{source.relative_to(package).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def comparable(a: Provenance, b: Provenance) -> str | None:
    """Why embeddings of two provenances must not be compared; None if they may.

    Equal are the digest of the model, what its input takes, and the pipeline. A provenance that leaves one of them
    empty is comparable with nothing: what is not known is not assumed.

    Returns
    -------
    A clause such as "one comes from the model a.onnx (sha256 12ab...), the other from b.onnx (sha256 34cd...)".
    """
    for field, what in (("model_sha256", "model"), ("input", "input"), ("pipeline", "pipeline")):
        first, second = getattr(a, field), getattr(b, field)
        if not first or not second:
            return f"one of them does not say which {what} it comes from"
        if first != second:
            if field == "model_sha256":
                first, second = (f"{it.model or 'unnamed'} (sha256 {it.model_sha256[:12]}...)" for it in (a, b))
            return f"one comes from the {what} {first}, the other from {second}"
    return None
