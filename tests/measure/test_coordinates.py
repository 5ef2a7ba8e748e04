"""The probe's coordinates: turned so that nothing is correlated, at no product lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repbench.measure.solver.coordinates import COLUMNS, STEPS, Coordinates


@pytest.mark.parametrize("width", [20, COLUMNS + 44, (STEPS // 4) * COLUMNS + 90])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_the_covariance_is_diagonal_and_its_values_are_those_of_numpy(width: int, dtype: torch.dtype, error: float) -> None:
    x = np.random.default_rng(0).standard_normal((900, width)) * np.geomspace(1, 0.1, width) + 0.5
    coordinates = Coordinates(x.astype(np.float32), dtype, "cpu")
    z = coordinates.z.double()
    expected = np.linalg.eigvalsh(np.cov(x.astype(np.float32).astype(np.float64), rowvar=False, bias=True))
    covariance = (z.T @ z / len(z)).numpy()
    np.testing.assert_allclose(np.diag(covariance), expected, rtol=error, atol=error * expected.max())
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=error * expected.max())
    weights = torch.randn(3, width, dtype=dtype)
    back = coordinates.back(weights)
    np.testing.assert_allclose(z @ weights.double().T, coordinates_free(x, back), atol=10 * error * float(back.norm()))
    np.testing.assert_allclose(coordinates.back(weights, 7), back[:, :7], atol=error * float(back.norm()))


def coordinates_free(x: np.ndarray, weights: torch.Tensor) -> np.ndarray:
    """Logits of weights in the features themselves, centred."""
    given = x.astype(np.float32).astype(np.float64)
    logits: np.ndarray = (given - given.mean(axis=0)) @ weights.double().numpy().T
    return logits
