"""SimCLR's loss against lightly's and against the equation written out."""

from __future__ import annotations

import math

import pytest
import torch

from repbench.trainers.methods.simclr import nt_xent


def pairs(n: int = 6, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=generator, dtype=torch.float64), torch.randn(
        n, d, generator=generator, dtype=torch.float64
    )


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_is_lightlys(temperature: float) -> None:
    loss = pytest.importorskip("lightly.loss").NTXentLoss(temperature=temperature)
    first, second = pairs(16, 8)
    torch.testing.assert_close(nt_xent(first, second, temperature), loss(first, second))


def test_nt_xent_is_the_equation_term_by_term() -> None:
    first, second = pairs()
    z = [row / row.norm() for row in (*first, *second)]
    n, total = len(first), 0.0
    for i in range(2 * n):
        above = math.exp(float(z[i] @ z[(i + n) % (2 * n)]) / 0.3)
        below = sum(math.exp(float(z[i] @ z[k]) / 0.3) for k in range(2 * n) if k != i)
        total -= math.log(above / below)
    assert float(nt_xent(first, second, 0.3)) == pytest.approx(total / (2 * n), rel=1e-12)


def test_nt_xent_of_equal_embeddings_is_the_log_of_its_candidates() -> None:
    same = torch.ones(8, 4)
    assert float(nt_xent(same, same, 0.5)) == pytest.approx(math.log(15), rel=1e-6)
