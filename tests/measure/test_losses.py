"""The softmax's losses and residuals in float32, where float64 says what they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repbench.measure.solver import losses
from repbench.measure.solver.losses import SUMMED, Softmax


@pytest.mark.parametrize("scale", [0.1, 3.0, 40.0, 300.0])
@pytest.mark.parametrize("block", [2**22, 10**5])
def test_losses_and_residuals_are_those_of_float64(monkeypatch: pytest.MonkeyPatch, scale: float, block: int) -> None:
    monkeypatch.setattr(losses, "BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    classes, rows = 101, SUMMED + 300  # a residual that is summed in two parts
    logits = scale * torch.randn(classes, rows, generator=generator)
    y = torch.randint(classes, (rows,), generator=generator)
    y[::2] = logits.argmax(dim=0)[::2]  # half of the rows are right
    judged = Softmax(y, classes).judge(logits, torch.empty_like(logits))
    p = torch.softmax(logits.double(), 0)
    exact = p - torch.nn.functional.one_hot(y, classes).T
    assert judged.residual.abs().max() <= 1.0
    torch.testing.assert_close(judged.residual.double(), exact, rtol=1e-5, atol=1e-7)
    expected = (torch.logsumexp(logits.double(), 0) - logits.double().gather(0, y[None])[0]).sum()
    assert judged.loss == pytest.approx(float(expected), rel=1e-6)
    torch.testing.assert_close(judged.by_class(), exact.sum(dim=1), rtol=1e-5, atol=1e-3)
    assert judged.uncertainty == pytest.approx(float((p * (1 - p)).sum()), rel=1e-4, abs=1e-3)


def test_a_loss_near_none_keeps_its_digits() -> None:
    """-log p of p = 1 - 1e-9 is nothing in float32; -log(1 - q) of the others' q is not."""
    logits = torch.tensor([[20.7], [0.0]])
    judged = Softmax(torch.tensor([0]), 2).judge(logits, torch.empty_like(logits))
    assert judged.loss == pytest.approx(np.log1p(np.exp(-20.7)), rel=1e-5)
    assert float(judged.residual[0]) == pytest.approx(-np.exp(-20.7), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.1, 3.0, 12.0])
def test_the_hessian_in_the_intercepts_is_that_of_autograd(dtype: torch.dtype, scale: float) -> None:
    """Nearly separable rows too, whose curvature is a millionth: differences of probabilities would lose it in float32."""
    generator = torch.Generator().manual_seed(0)
    classes, rows = 13, 900
    logits = scale * torch.randn(classes, rows, generator=generator, dtype=dtype)
    y = logits.argmax(dim=0)
    loss = Softmax(y, classes)
    ours = loss.intercept_hessian(loss.judge(logits, torch.empty_like(logits)).residual)

    def summed(intercepts: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy((logits.double() + intercepts[:, None]).T, y, reduction="sum")

    exact = torch.autograd.functional.hessian(summed, torch.zeros(classes, dtype=torch.float64))
    centre = torch.eye(classes, dtype=torch.float64) - 1 / classes  # a shift common to all classes is given curvature
    torch.testing.assert_close(centre @ ours @ centre, exact, rtol=1e-4, atol=1e-6 * float(exact.abs().max()))
    assert torch.linalg.eigvalsh(ours).min() > 0
