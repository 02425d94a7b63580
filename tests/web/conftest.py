"""An explorer of a narrow network, shared by the tests that only look."""

import pytest

from refnet.network import Network
from refnet.web.explorer import Explorer
from refnet.zoo.samples import sample_crops


@pytest.fixture(scope="session")
def explorer(narrow):
    """The float64 network, the two samples, and no detector."""
    made = Explorer(Network(narrow, engine="reference"), "no detector is installed")
    for name, crop in zip(("first", "second"), sample_crops(), strict=True):
        made.album.keep(name, f"sample {name}", crop, ("drawn",))
    return made
