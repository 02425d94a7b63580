"""The same image twice, alone and in a batch, with one thread and with many: the bits must be the same."""

import numpy as np

from refnet.audit.doctor.finding import Check, Evidence, Finding, Skipped
from refnet.audit.doctor.running import FLAT, Running
from refnet.errors import RefnetError
from refnet.graph import Array
from refnet.network import Network

THREADS = 4


def same_bits(running: Running) -> list[Finding] | Skipped:
    """Run the fast engine in several ways."""
    if running.traced is None:
        return FLAT
    network, images = running.network, running.traced.astype(np.float32)
    try:
        first = network.run(images, strict=False)
        ways = {"a second run": network.run(images, strict=False)}
        if network.fixed_batch is None and len(images) > 1:
            ways["one image at a time"] = _one_at_a_time(network, images)
        for threads in (1, THREADS):
            again = Network(
                network.graph, threads=threads, memory="low"
            )  # packed once more, in a quarter of the memory
            ways[f"{threads} thread{'s' if threads > 1 else ''}"] = again.run(images, strict=False)
    except RefnetError as error:
        return Skipped(f"the fast engine cannot run it: {error}")
    evidence = []
    for way, outputs in ways.items():
        for name, array in outputs.items():
            count = int(np.count_nonzero(array.view(np.uint8) != first[name].view(np.uint8)))
            if array.shape != first[name].shape or count:
                evidence.append(Evidence(f"output {name!r}, {way}", f"{count} bytes differ", "the same bits"))
    if not evidence:
        return []
    return [Finding("problem", "the same images have different embeddings", tuple(evidence))]


def _one_at_a_time(network: Network, images: Array) -> dict[str, Array]:
    """The outputs of each image alone, put together."""
    alone = [network.run(images[i : i + 1], strict=False) for i in range(len(images))]
    return {name: np.concatenate([outputs[name] for outputs in alone]) for name in alone[0]}


CHECKS = (
    Check(
        "same-bits", "running", "Do bits depend on the run, the batch or the threads?",
        "Runtimes sum in an order that depends on them; refnet promises not to.",
        "Report it to refnet's makers with the processor's name: this must not happen.",
        same_bits,
        (
            "https://github.com/microsoft/onnxruntime/issues/7642",
            "https://github.com/microsoft/onnxruntime/issues/12086",
        ),
    ),
)  # fmt: skip
