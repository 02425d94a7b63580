"""Gemm and MatMul."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refnet.errors import ShapeError, UnsupportedModelError
from refnet.ops import Known
from refnet.ops import gemm as gemm_module
from refnet.ops import matmul as matmul_module
from refnet.ops.gemm import gemm
from refnet.ops.matmul import matmul
from tests import oracle
from tests.comparison import assert_within, gamma

extent = st.integers(1, 6)


@given(extent, extent, extent, st.integers(0, 1), st.integers(0, 1), st.booleans(), st.integers(0, 2**32))
def test_gemm_is_within_highams_bound_of_exact_arithmetic(n, k, oc, trans_a, trans_b, added, seed):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(k, n) if trans_a else (n, k))
    b = rng.normal(size=(oc, k) if trans_b else (k, oc))
    c = rng.normal(size=oc) if added else None
    alpha, beta = rng.normal(size=2)
    said = {"alpha": float(alpha), "beta": float(beta), "trans_a": trans_a, "trans_b": trans_b}
    bold = {**said, "alpha": abs(float(alpha)), "beta": abs(float(beta))}
    magnitude = oracle.gemm(abs(a), abs(b), None if c is None else abs(c), **bold)
    assert_within(gemm(a, b, c, **said), oracle.gemm(a, b, c, **said), gamma(k + 2) * oracle.floats(magnitude))


@given(extent, extent, extent, st.integers(0, 2**32))
def test_matmul_of_matrices_has_the_bits_of_gemm(n, k, j, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(n, k)), rng.normal(size=(k, j))
    assert_within(matmul(a, b), gemm(a, b))


def test_matmul_stretches_stacks():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (2, 1, 3, 4)).astype(float), rng.integers(-9, 9, (5, 4, 6)).astype(float)
    y = matmul(a, b)
    assert y.shape == (2, 5, 3, 6)
    for i, j in np.ndindex(2, 5):
        assert_within(y[i, j], oracle.gemm(a[i, 0], b[j]))
    assert_within(matmul(a[0, 0], b), y[0])


@pytest.mark.parametrize(("k", "oc"), [(1, 1), (7, 3), (511, 13), (1025, 64), (25088, 17)])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_an_image_has_the_same_bits_alone_and_at_every_place_of_a_batch(k, oc, trans_b):
    rng = np.random.default_rng(0)
    images, bias = rng.normal(size=(9, k)), rng.normal(size=oc)
    weight = rng.normal(size=(oc, k) if trans_b else (k, oc))
    batch = gemm(images, weight, bias, trans_b=trans_b)
    for n in range(len(images)):
        assert_within(gemm(images[n : n + 1], weight, bias, trans_b=trans_b)[0], batch[n])
    assert_within(gemm(images[2:7], weight, bias, trans_b=trans_b), batch[2:7])
    assert_within(gemm(np.asfortranarray(images), weight, bias, trans_b=trans_b), batch)


def test_flops_count_products_additions_and_addend():
    a, b, c = Known((1, 25088)), Known((512, 25088)), Known((512,))
    assert gemm_module.flops((1, 512), a, b, trans_b=1) == 25_690_112
    assert gemm_module.flops((1, 512), a, b, c, trans_b=1) == 25_690_112 + 512
    assert gemm_module.flops((3, 5), Known((7, 3)), Known((7, 5)), trans_a=1) == 2 * 7 * 15
    assert matmul_module.flops((2, 3, 5), Known((2, 3, 7)), Known((7, 5))) == 2 * 7 * 30


def test_what_does_not_fit_is_refused():
    with pytest.raises(
        ShapeError,
        match=r"a has shape \(1, 512, 7, 7\) and b \(512, 25088\); expected two matrices",
    ):
        gemm_module.output_shape(Known((1, 512, 7, 7)), Known((512, 25088)))
    with pytest.raises(ShapeError, match="with trans_a = 0 and trans_b = 1; expected equal inner extents, not 5 and 7"):
        gemm_module.output_shape(Known((1, 5)), Known((3, 7)), trans_b=1)
    with pytest.raises(ShapeError, match=r"c has shape \(4,\); expected one that broadcasts to \(1, 3\)"):
        gemm_module.output_shape(Known((1, 5)), Known((5, 3)), Known((4,)))
    with pytest.raises(UnsupportedModelError, match="trans_a = 2, trans_b = 0; refnet implements 0 and 1"):
        gemm_module.output_shape(Known((1, 5)), Known((5, 3)), trans_a=2)


def test_what_does_not_fit_matmul_is_refused():
    with pytest.raises(ShapeError, match=r"a has shape \(5,\) and b \(5, 3\); expected matrices, or stacks"):
        matmul_module.output_shape(Known((5,)), Known((5, 3)))
    with pytest.raises(ShapeError, match="expected equal inner extents, not 5 and 4"):
        matmul_module.output_shape(Known((1, 5)), Known((4, 3)))
    with pytest.raises(ShapeError, match="leading axes do not broadcast"):
        matmul_module.output_shape(Known((2, 1, 5)), Known((3, 5, 3)))
