"""Gradients beside those of another implementation: PyTorch's autograd, in float64. Skipped where there is no torch."""

import numpy as np
import pytest

from refnet.audit.similarity_gradient import pixel_gradient
from refnet.bench.torch_form import torch_module
from refnet.formats.onnx_reader import read_model
from refnet.network import Network
from refnet.zoo.samples import sample_crops
from refnet.zoo.synthetic import synthetic_model
from tests import localdata

torch = pytest.importorskip("torch", reason="torch is not installed")
# Two orders of summation differ by what rounding makes of some 10^9 products; what comes in is a few hundred u.
ROUNDINGS = 2**12 * np.finfo(np.float64).eps


def by_autograd(network, image, other):
    """The similarity, and its gradient by the image."""
    x = torch.tensor(image[np.newaxis], dtype=torch.float64, requires_grad=True)
    embedding = torch_module(network.graph).double()(x)
    cosine = torch.nn.functional.cosine_similarity(embedding, torch.tensor(other[np.newaxis], dtype=torch.float64))
    cosine.sum().backward()
    return float(cosine.detach()), x.grad[0].numpy()


def agree(network):
    # Noise keeps PReLUs from standing at their kink, where each side is right.
    noise = np.random.default_rng(5).uniform(0, 1, size=(2, 3, 112, 112))
    a, b = network.contract.prepare(sample_crops()).astype(np.float64) * 0.9 + noise
    (other,) = Network(network.graph, engine="reference")(b[np.newaxis])
    found = pixel_gradient(network, a, other)
    similarity, gradient = by_autograd(network, a, other)
    assert abs(found.similarity - similarity) <= ROUNDINGS
    assert np.linalg.norm(found.gradient - gradient) <= ROUNDINGS * np.linalg.norm(gradient)


def test_the_gradient_of_a_similarity_is_autograds_on_the_narrow_network(narrow):
    agree(Network(narrow))


def test_the_gradient_of_a_similarity_is_autograds_on_a_trained_relative():
    agree(Network(read_model(localdata.path("models/mobilefacenet-arcface-mxnet.onnx"))))


@pytest.mark.full
def test_the_gradient_of_a_similarity_is_autograds_on_the_full_network():
    agree(Network(synthetic_model(0)))
