"""Rows that are finite, against numpy on the whole table."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from repbench.measure import finite


@pytest.mark.parametrize("shape", [(50, 7), (50, 3, 4), (50,), (0, 5), (6, 0)])
@pytest.mark.parametrize("numbers", [1, 20, 10_000])
def test_it_is_numpys_answer_in_blocks(shape: tuple[int, ...], numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finite, "NUMBERS", numbers)
    x = np.random.default_rng(0).normal(size=shape)
    x.flat[::9] = np.nan
    x.flat[4::11] = -np.inf
    assert_array_equal(finite.finite_rows(x), np.isfinite(x).all(axis=tuple(range(1, x.ndim))))
