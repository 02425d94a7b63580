"""Whole networks in many orders of their nodes, with inner tensors given out as well.

A network's graph is taken as its reader leaves it; other orders are what the reader would leave of a file that lists its
nodes so. In every order the fast engine must give the same bits for the same outputs (the order of nodes is part of
that promise), and each output must be within the noise floor of the whole network, as `refnet validate` has it: 16
standard deviations of what rounding makes of it (refnet/audit/rounding.py). The bound that random graphs are judged by
is a worst case, and of no use behind a hundred layers.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from refnet import fast
from refnet.audit.floor import excess, noise_floor
from refnet.audit.steps import Arrivals, steps
from refnet.network import Network
from refnet.ops.inference import infer
from tests.fuzz.growth import topological
from tests.fuzz.judging import Finding

SIDE = 96  # pixels, where the file leaves them open
EXTRA = 4  # inner tensors that are given out as well
ORDERS = 50
SETS = 5  # of inner tensors; each is given out in ORDERS / SETS orders


def judged_orders(graph, seed=0, orders=ORDERS, threads=1):
    """Run a network in many orders.

    Parameters
    ----------
    graph : refnet.graph.Graph, of one image input
    seed : int
    orders : int
    threads : int, of the fast engine

    Returns
    -------
    (list of Finding, number of orders run)
    """
    random = np.random.default_rng(seed)
    graph = _of_fixed_size(graph)
    network = Network(graph, engine="reference")
    images = _images(network, random)
    sets = [_extras(graph, random) for _ in range(min(SETS, orders))]
    exact = _exact(network, images, {name for names in sets for name in names} | {t.name for t in graph.outputs})
    findings, feeds = [], {graph.inputs[0].name: images}
    for i, names in enumerate(sets):
        shown = replace(
            graph, outputs=(*graph.outputs, *(replace(graph.outputs[0], name=name, shape=()) for name in names))
        )
        expected = fast.compile(shown, threads=threads).run(feeds)
        findings += _judged(expected, exact)
        for _ in range(i, orders, len(sets)):
            other = replace(shown, nodes=ordered(graph, random))
            actual = fast.compile(other, threads=threads).run(feeds)
            findings += [
                Finding(
                    "bits",
                    "fast",
                    f"{name}: other bits in another order of nodes, {_apart(expected[name], actual[name])}",
                )
                for name in expected
                if not np.array_equal(expected[name], actual[name])
            ]
    return findings, orders


def _apart(a, b):
    """How far two results are from each other, in words."""
    if a.shape != b.shape:
        return f"and shape {b.shape} for {a.shape}"
    return f"{np.linalg.norm((a - b).ravel()) / np.linalg.norm(a.ravel()):.1e} apart"


def ordered(graph, random):
    """A graph's nodes in a random topological order."""
    plain = [SimpleNamespace(input=node.inputs, output=(node.output,), node=node) for node in graph.nodes]
    return tuple(item.node for item in topological(plain, random))


def _of_fixed_size(graph):
    (tensor,) = graph.inputs
    batch, *extents = tensor.shape
    return replace(graph, inputs=(replace(tensor, shape=(batch, *(extent or SIDE for extent in extents))),))


def _images(network, random):
    """One batch that the network takes: whole numbers 0..255, or the same scaled."""
    shape = (network.fixed_batch or 2, *network.contract.shape)
    pixels = random.integers(0, 256, shape).astype(np.float32)
    return pixels if network.contract.inside else (pixels - np.float32(127.5)) / np.float32(127.5)


def _extras(graph, random):
    """Tensors of floats that nodes make, one row an image: others are given out for one image only."""
    (tensor,) = graph.inputs
    one, two = (infer(graph, {tensor.name: (n, *tensor.shape[1:])}) for n in (1, 2))
    names = [
        node.output
        for node in graph.nodes
        if node.op not in ("Shape", "Cast", "Gather")
        and two[node.output].shape == (2, *one[node.output].shape[1:])
        and node.output not in {output.name for output in graph.outputs}
    ]
    return [names[i] for i in random.permutation(len(names))[:EXTRA]]


def _exact(network, images, names):
    """{name: (float64 array, variance of its rounding errors)} of the tensors named."""
    made = steps(network, images, Arrivals(iter(()), frozenset()))
    return {step.node.output: (step.exact.copy(), step.whole_variance) for step in made if step.node.output in names}


def _judged(results, exact):
    """Findings about outputs that are further from the reference than the noise floor, or of another shape."""
    findings = []
    for name, actual in results.items():
        expected, variance = exact[name]
        if actual.shape != expected.shape:
            findings.append(Finding("shape", "fast", f"{name}: shape {actual.shape}, the reference's {expected.shape}"))
            continue
        ratio = excess(actual, expected, noise_floor(np.float32(actual), variance)).max(initial=0)
        if not ratio <= 1:
            findings.append(Finding("wrong", "fast", f"{name}: {ratio:.3g} times the noise floor"))
    return findings
