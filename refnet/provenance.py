"""Where a number came from: what stands beside every embedding that leaves refnet.

Two embeddings can be compared only if the model, the engine's specification and the way an image became the network's
input are the same; these are the fields that say so.
"""

from dataclasses import asdict, dataclass
from importlib.metadata import version

from refnet.files import sha256
from refnet.network import Network


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

    def to_json(self) -> dict[str, str]:
        """A plain dict."""
        return asdict(self)


def provenance(network: Network) -> Provenance:
    """Gather the provenance of what `network` computes; reads its file once to take the digest."""
    path = network.graph.source.path
    return Provenance(
        model=path.name if path else network.graph.name,
        model_sha256=sha256(path) if path else "",
        model_note=network.synthetic or "",
        engine=network.engine,
        input=f"RGB, values {network.contract.values}",
        refnet=version("refnet"),
        numpy=version("numpy"),
    )
