"""The ridge path against scikit-learn, the kernel features against kernel ridge, contributions against r2_score."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score

from repbench.errors import ProtocolError
from repbench.measure import kernels, ridge
from repbench.measure.explained import r2_contributions, skill_contributions

ALPHAS = (0.01, 1.0, 10.0, 1000.0)


@pytest.mark.parametrize("shape", [(60, 12), (30, 80)])
def test_every_solution_and_every_leave_one_out_error_is_that_of_scikit_learn(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) + 3
    y = x[:, :2] @ rng.normal(size=(2, 3)) + rng.normal(size=(len(x), 3))
    path = ridge.fit_path(x, y, ALPHAS)
    theirs = RidgeCV(alphas=ALPHAS, store_cv_results=True, alpha_per_target=True).fit(x, y)
    assert path.errors == pytest.approx(theirs.cv_results_.mean(axis=0).T, rel=1e-8)
    new = rng.normal(size=(7, shape[1]))
    every = path.predict_all(new)
    for place, alpha in enumerate(ALPHAS):
        expected = Ridge(alpha=alpha).fit(x, y).predict(new)
        assert path.predict(new, np.full(3, place)) == pytest.approx(expected, rel=1e-7)
        assert every[place] == pytest.approx(expected, rel=1e-7)
    chosen = [ridge.strongest_of_best(path.errors[:, target]) for target in range(3)]
    assert [ALPHAS[place] for place in chosen] == theirs.alpha_.tolist()


def test_rows_left_out_one_by_one_give_the_closed_form() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(15, 4)), rng.normal(size=(15, 1))
    left = [
        y[i, 0] - Ridge(alpha=2.0).fit(np.delete(x, i, 0), np.delete(y[:, 0], i)).predict(x[i : i + 1])[0] for i in range(15)
    ]
    assert ridge.fit_path(x, y, (2.0,)).errors[0, 0] == pytest.approx(np.mean(np.square(left)))


def test_a_constant_embedding_predicts_the_mean_at_the_strongest_penalty() -> None:
    y = np.arange(10.0)[:, None]
    path = ridge.fit_path(np.ones((10, 5)), y)
    place = ridge.strongest_of_best(path.errors[:, 0])
    assert place == len(ridge.STRENGTHS) - 1
    assert path.predict(np.ones((2, 5)), np.array([place])) == pytest.approx(np.full((2, 1), 4.5))


def test_too_few_rows_and_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ProtocolError, match="three rows"):
        ridge.fit_path(np.ones((2, 2)), np.ones((2, 1)))
    with pytest.raises(ProtocolError, match="NaN"):
        ridge.fit_path(np.full((4, 2), np.nan), np.ones((4, 1)))
    with pytest.raises(ProtocolError, match=r"as large as 1e\+200: at most 1e\+100"):
        ridge.fit_path(np.full((4, 2), 1e200), np.ones((4, 1)))
    with pytest.raises(ProtocolError, match="NaN"):
        ridge.fit_path(np.ones((4, 2)), np.full((4, 1), np.nan))
    with pytest.raises(ProtocolError, match=r"targets \(n, targets\); got \(4, 2\) and \(4,\)"):
        ridge.fit_path(np.ones((4, 2)), np.ones(4))
    with pytest.raises(ProtocolError, match="real numbers"):
        ridge.fit_path(np.ones((4, 2), dtype=complex), np.ones((4, 1)))
    for strengths in ((), (1.0, 0.0), (-1.0,), (float("nan"),)):
        with pytest.raises(ProtocolError, match="finite numbers above 0"):
            ridge.fit_path(np.eye(4), np.ones((4, 1)), strengths)


def test_ridge_on_all_landmarks_is_kernel_ridge() -> None:
    rng = np.random.default_rng(2)
    x, new = rng.normal(size=(40, 3)), rng.normal(size=(9, 3))
    y = np.sin(x[:, :1]) + x[:, 1:2] ** 2
    between, far = kernels.squared_distances(x, x), kernels.squared_distances(new, x)
    features = kernels.gaussian_features(between, 0.4)
    expected = KernelRidge(kernel="rbf", gamma=0.4, alpha=0.1).fit(x, y).predict(new)
    ours = Ridge(alpha=0.1, fit_intercept=False).fit(features(between), y).predict(features(far))
    assert ours.ravel() == pytest.approx(expected.ravel(), abs=1e-6)
    distances = [((a - b) ** 2).sum() for place, a in enumerate(x) for b in x[:place]]
    assert kernels.median_gamma(between) == pytest.approx(1 / np.median(distances))
    assert kernels.median_gamma(np.zeros((4, 4))) == 1


def test_what_examples_add_to_r2_is_r2_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    y, f = rng.normal(size=(50, 2)), rng.normal(size=(50, 2))
    rows = r2_contributions(y, f)
    assert rows.mean() == pytest.approx(r2_score(y, f, multioutput="variance_weighted"))
    resampled = [r2_score(y[i], f[i], multioutput="variance_weighted") for i in rng.integers(50, size=(600, 50))]
    assert rows.std() / np.sqrt(50) == pytest.approx(np.std(resampled), rel=0.25)
    with pytest.raises(ProtocolError, match="constant"):
        r2_contributions(np.ones(5), np.ones(5))


def test_skill_is_zero_for_guessing_and_one_for_knowing() -> None:
    assert skill_contributions(np.array([1.0, 0, 0, 0]), 0.25).mean() == pytest.approx(0)
    assert skill_contributions(np.ones(3), 0.25).mean() == pytest.approx(1)
    with pytest.raises(ProtocolError, match="always right"):
        skill_contributions(np.ones(3), 1.0)


@pytest.mark.parametrize("shape", [(60, 12), (30, 80)])
def test_small_features_are_not_lost_beside_one_ten_million_times_as_large(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=shape)
    y = x @ rng.normal(size=(shape[1], 1))
    x[:, 0] *= 1e7
    path, new = ridge.fit_path(x, y, ALPHAS), rng.normal(size=(7, shape[1]))
    for place, alpha in enumerate(ALPHAS):
        expected = Ridge(alpha=alpha, solver="svd").fit(x, y).predict(new).reshape(-1, 1)
        assert path.predict(new, np.full(1, place)) == pytest.approx(expected, rel=1e-6)
