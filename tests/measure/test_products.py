"""Products of rows that are laid out anew are those of float64, as are the plain ones that stand in for them."""

from __future__ import annotations

import pytest
import torch

from repbench.measure import fixed_matrix
from repbench.measure.fixed_matrix import FixedMatrix, times_once
from repbench.measure.solver import products
from repbench.measure.solver.losses import SUMMED
from repbench.measure.solver.products import Products

ROWS, WIDTH, CLASSES = SUMMED + 100, 65, 7  # one part of a gradient that is full, and one that is not


@pytest.fixture(params=["laid out", "no operators", "no room"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "no operators":
        monkeypatch.setattr(fixed_matrix, "can_lay_out", lambda: False)
    if request.param == "no room":
        monkeypatch.setattr(products, "MOST", ROWS * WIDTH - 1)
    return str(request.param)


def rows(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = ((ROWS, WIDTH), (CLASSES, WIDTH + 1), (CLASSES, ROWS))
    z, point, residual = (torch.randn(size, generator=generator, dtype=dtype) for size in sizes)
    return z, point, residual


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_products_are_those_of_float64_whichever_way_they_are_taken(way: str, dtype: torch.dtype, error: float) -> None:
    z, point, residual = rows(dtype)
    ours = Products(z)
    logits = point[:, :-1].double() @ z.double().T + point[:, -1:].double()
    assert (ours.logits(point).double() - logits).abs().max() < error * logits.abs().max()
    gradient = residual.double() @ z.double()
    assert ours.gradient(residual).dtype == torch.float64
    assert (ours.gradient(residual) - gradient).abs().max() < error * gradient.abs().max()
    assert (
        FixedMatrix(point[:, :-1]).times(z).double() - (logits - point[:, -1:].double()).T
    ).abs().max() < error * logits.abs().max()


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_parts_of_matrices_in_either_order_of_memory_give_the_same_product(way: str, dtype: torch.dtype, error: float) -> None:
    z, point, _ = rows(dtype)
    expected = point[:, :-1].double() @ z[:50].double().T
    for few in (z[:50], z.T.contiguous().T[:50], torch.cat([z, z], dim=1)[:50, :WIDTH]):
        product = times_once(point[:, :-1], few)
        assert (product.double() - expected).abs().max() < error * expected.abs().max()


def test_the_operators_that_lay_rows_out_are_in_this_build_of_torch() -> None:
    """They are torch's own, not promised to users: where a release drops them, we are to hear of it here."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this build of torch has no oneDNN")
    assert fixed_matrix.can_lay_out()


def test_a_matrix_of_nothing_gives_products_of_zero() -> None:
    assert torch.equal(FixedMatrix(torch.empty(4, 0)).times(torch.empty(3, 0)), torch.zeros(3, 4))


def test_matrices_are_laid_out_where_that_is_known_to_help_alone() -> None:
    matrix = torch.zeros(3, 2)
    assert (FixedMatrix(matrix)._laid_out is not None) == fixed_matrix.can_lay_out()
    assert FixedMatrix(matrix, lay_out=False)._laid_out is None
    assert FixedMatrix(matrix.double())._laid_out is None
