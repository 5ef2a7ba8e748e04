"""The probe's solver: at the optimum, with a bound that holds, on every shape; scikit-learn and Newton are the references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize
from sklearn.linear_model import LogisticRegression

from repbench.errors import ProtocolError
from repbench.measure.checked import ROWS
from repbench.measure.logistic import CERTIFIED, SKLEARN, SLOPE, STRENGTHS, Solution, fit, fit_path
from repbench.measure.solver import coordinates, problem
from repbench.measure.solver.problem import SMALL


def data(n: int, d: int, classes: int, separation: float = 0.4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scale = np.arange(1, d + 1) ** -0.5
    centres = generator.normal(size=(classes, d)) * scale * separation
    y = generator.integers(0, classes, n)
    x = centres[y] + generator.normal(size=(n, d)) * scale + 3.0  # far from the origin: centring must not matter
    return x.astype(np.float32), y


def objective(x: np.ndarray, y: np.ndarray, weights: np.ndarray, intercept: np.ndarray, strength: float) -> float:
    logits = x.astype(np.float64) @ weights + intercept
    top = logits.max(axis=1)
    loss = np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top - logits[np.arange(len(y)), y]
    return float(loss.sum() + strength / 2 * (weights**2).sum())


def newton(x: np.ndarray, y: np.ndarray, classes: int, strength: float) -> float:
    """The minimum, by damped Newton steps with the full Hessian in float64."""
    z = np.concatenate([x.astype(np.float64), np.ones((len(x), 1))], axis=1)
    point = np.zeros((z.shape[1], classes))
    penalty = np.full(z.shape[1], strength)
    penalty[-1] = 0.0
    truth = np.eye(classes)[y]

    def value(candidate: np.ndarray) -> float:
        return objective(x, y, candidate[:-1], candidate[-1], strength)

    for _ in range(200):
        logits = z @ point
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = (z.T @ (p - truth) + penalty[:, None] * point).T.reshape(-1)
        blocks = [[z.T @ (z * (p[:, [a]] * ((a == b) - p[:, [b]]))) for b in range(classes)] for a in range(classes)]
        hessian = np.block(blocks) + np.kron(np.eye(classes), np.diag(penalty))
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-14)[0].reshape(classes, -1).T
        length = 1.0
        while value(point - length * step) > value(point) and length > 1e-10:
            length /= 2
        if value(point) - value(point - length * step) <= 1e-14 * value(point):
            break
        point = point - length * step
    return value(point)


SHAPES = [(120, 6, 3, 0.4), (60, 20, 4, 1.0), (40, 90, 3, 0.5), (200, 8, 2, 0.6)]  # n > d, nearly separable, n < d, binary


@pytest.mark.parametrize("shape", SHAPES)
def test_every_strength_is_within_its_proven_gap_of_newtons_minimum(shape: tuple[int, int, int, float]) -> None:
    x, y = data(*shape)
    strengths = (1e-4, 1e-2, 1.0, 1e2, 1e5)
    for solution in fit_path(x, y, shape[2], strengths):
        best = newton(x, y, shape[2], solution.strength)
        reached = objective(x, y, solution.weights, solution.intercept, solution.strength)
        assert reached == pytest.approx(solution.objective, rel=1e-9)
        assert (reached - best) / reached <= solution.relative_gap + 1e-9
        assert solution.relative_gap <= 1e-4
        assert solution.converged


@pytest.mark.parametrize("shape", SHAPES)
def test_all_45_strengths_are_certified(shape: tuple[int, int, int, float]) -> None:
    x, y = data(*shape)
    solutions = fit_path(x, y, shape[2])
    assert [solution.strength for solution in solutions] == list(STRENGTHS)
    assert max(solution.relative_gap for solution in solutions) <= 1e-4
    assert all(solution.converged for solution in solutions)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_settled_solution_is_proven_a_hundred_times_finer_and_the_others_stay(shape: tuple[int, int, int, float]) -> None:
    x, y = data(*shape)
    path = fit_path(x, y, shape[2], (10.0, 0.1, 1e-3))
    settled = path.settled([1])
    assert settled[0] is path[0]
    assert settled[2] is path[2]
    assert settled[1].relative_gap <= 1e-6
    assert settled[1].evaluations > path[1].evaluations
    assert settled[1].objective <= path[1].objective * (1 + 1e-12)
    assert (settled[1].objective - newton(x, y, shape[2], 0.1)) / settled[1].objective <= settled[1].relative_gap + 1e-9
    [scores] = settled.scores(x, [1])
    assert np.allclose(scores, settled[1].scores(x), atol=1e-9)


@pytest.mark.parametrize("strength", [1e-2, 1.0, 1e2])
def test_the_optimum_is_scikit_learns(strength: float) -> None:
    x, y = data(300, 12, 5)
    [ours] = fit_path(x, y, 5, [strength], gap=1e-12)
    theirs = LogisticRegression(C=1 / strength, solver="newton-cg", tol=1e-12, max_iter=10_000).fit(x.astype(np.float64), y)
    # strong convexity: ||W - W*||^2 <= 2 (F - F*) / strength
    distance = np.sqrt(2 * ours.relative_gap * ours.objective / strength)
    assert np.linalg.norm(ours.weights.T - theirs.coef_) <= distance + 1e-6
    assert np.allclose(ours.intercept, theirs.intercept_ - theirs.intercept_.mean(), atol=1e-4)
    assert np.array_equal(ours.scores(x).argmax(axis=1), theirs.predict(x.astype(np.float64)))


def test_two_classes_are_scikit_learns_binary_fit_at_half_the_strength() -> None:
    x, y = data(200, 7, 2)
    [ours] = fit_path(x, y, 2, [1.0], gap=1e-12)
    theirs = LogisticRegression(C=2.0, solver="newton-cg", tol=1e-12, max_iter=10_000).fit(x.astype(np.float64), y)
    assert np.allclose(ours.weights[:, 1] - ours.weights[:, 0], theirs.coef_[0], atol=1e-5)


def test_the_order_of_rows_and_the_rest_of_the_grid_do_not_matter() -> None:
    x, y = data(150, 10, 4)
    order = np.random.default_rng(1).permutation(len(x))
    whole = fit_path(x, y, 4, gap=1e-10)[20]
    shuffled = fit_path(x[order], y[order], 4, gap=1e-10)[20]
    [alone] = fit_path(x, y, 4, [STRENGTHS[20]], gap=1e-10)
    for other in (shuffled, alone):
        assert np.allclose(whole.scores(x), other.scores(x), atol=1e-3)


def test_the_weights_of_the_classes_sum_to_zero_as_at_the_optimum() -> None:
    x, y = data(150, 10, 4)
    for solution in fit_path(x, y, 4):
        assert np.abs(solution.weights.sum(axis=1)).max() <= 1e-9 * max(1.0, np.abs(solution.weights).max())


def test_a_fit_at_one_strength_is_the_one_of_the_path() -> None:
    x, y = data(150, 10, 4)
    alone, of_the_path = fit(x, y, 4, STRENGTHS[12], gap=1e-10), fit_path(x, y, 4, gap=1e-10)[12]
    assert alone.strength == of_the_path.strength
    assert alone.evaluations > of_the_path.evaluations  # it counts the way there
    assert np.allclose(alone.scores(x), of_the_path.scores(x), atol=1e-3)


def settled(x: np.ndarray, y: np.ndarray, solution: Solution) -> tuple[float, float]:
    """Objective and proven relative gap of the weights with their best intercept, all in float64."""
    base, intercept, truth = (
        x.astype(np.float64) @ solution.weights,
        solution.intercept.copy(),
        np.eye(len(solution.intercept))[y],
    )
    for _ in range(30):
        logits = base + intercept
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        hessian = np.diag(p.sum(axis=0)) - p.T @ p
        intercept -= np.linalg.lstsq(hessian, (p - truth).sum(axis=0), rcond=1e-13)[0]
    gradient = (x - x.mean(axis=0, dtype=np.float64)).T @ (p - truth) + solution.strength * solution.weights
    value = objective(x, y, solution.weights, intercept, solution.strength)
    return value, float((gradient**2).sum()) / (2 * solution.strength) / value


def test_what_float32_products_prove_is_the_same_in_float64_with_the_intercept_at_its_optimum() -> None:
    x, y = data(1600, 160, 45)
    assert x.size * 45 > SMALL  # large enough to be solved with float32 products
    for solution in fit_path(x, y, 45)[::4]:
        value, gap = settled(x, y, solution)
        assert solution.converged
        assert value == pytest.approx(solution.objective, rel=1e-5)  # float32 logits: a tenth of the gap that is proven
        assert gap == pytest.approx(solution.relative_gap, rel=1e-2, abs=1e-9)


def uneven(n: int, d: int, classes: int, orders: float) -> tuple[np.ndarray, np.ndarray]:
    """Features whose scales differ by so many orders of ten either way."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, classes, n)
    x = (generator.normal(size=(n, d)) + 0.05 * generator.normal(size=(classes, d))[y]) * 10 ** generator.uniform(
        -orders, orders, d
    )
    return x.astype(np.float32), y


def test_features_of_scales_that_float32_cannot_add_up_are_proven_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem, "SMALL", 0)
    x, y = uneven(1200, 40, 4, 3)
    path = fit_path(x, y, 4)
    for solution in path:
        value, gap = settled(x, y, solution)
        assert solution.converged
        assert value == pytest.approx(solution.objective, rel=1e-9)
        assert gap <= 1.01e-4  # with the intercept at its very optimum
    refit = path.refit(x[:100], y[:100], 1e-6)
    value, gap = settled(np.concatenate([x, x[:100]]), np.concatenate([y, y[:100]]), refit)
    assert refit.converged
    assert gap <= 1e-6
    monkeypatch.setattr(problem, "ROOM", 0)  # the control: in float32 alone they are not
    assert not all(solution.converged for solution in fit_path(x, y, 4, STRENGTHS[:4]))


def test_a_refit_that_float32_cannot_prove_is_solved_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem, "SMALL", 0)
    x, y = data(300, 12, 3)
    path = fit_path(x, y, 3, [1e-3])
    more_x, more_y = uneven(500, 12, 3, 4)
    refit = path.refit(more_x, more_y, 1e-3)
    both = np.concatenate([x, more_x]), np.concatenate([y, more_y])
    assert path[0]._stop.point.dtype == torch.float32
    assert refit._stop.point.dtype == torch.float64
    assert settled(*both, refit)[1] <= 1e-4


def test_overlapping_classes_with_hardly_any_penalty_are_fitted_to_the_proven_gap() -> None:
    x, y = data(900, 20, 8, separation=0.2)
    solution = fit(x / np.linalg.norm(x, axis=1, keepdims=True), y, 8, 1e-5)
    assert solution.converged
    assert solution.relative_gap <= 1e-4


def test_constant_features_predict_the_class_frequencies() -> None:
    y = np.repeat([0, 1, 2], [50, 30, 20])
    solution = fit(np.full((100, 5), 7.0), y, 3, 1.0)
    logits = solution.scores(np.full((1, 5), 7.0))[0]
    shares = np.exp(logits) / np.exp(logits).sum()
    assert np.allclose(shares, [0.5, 0.3, 0.2], atol=1e-6)


def test_features_without_variance_are_solved_where_products_are_float32_too() -> None:
    y = np.arange(600) % 40
    x = np.full((600, 1000), 7.0, dtype=np.float32)
    assert x.size * 40 > SMALL
    solution = fit_path(x, y, 40, [1.0])[0]
    assert solution.converged
    assert solution.objective == pytest.approx(600 * np.log(40), rel=1e-6)


@pytest.mark.parametrize("strength", [1.0, 100.0])
def test_what_is_proven_holds_where_one_of_more_features_than_rows_dwarfs_the_others(strength: float) -> None:
    x, y = data(900, 1000, 12)
    assert x.size * 12 > SMALL
    without = x.copy()
    without[:, 0] = 0.0
    x[:, 0] *= 1e5
    solution, plain = (fit_path(rows, y, 12, [strength])[0] for rows in (x, without))
    told = objective(x, y, solution.weights, solution.intercept, strength)
    assert solution.converged
    assert told <= 1.001 * objective(without, y, plain.weights, plain.intercept, strength)
    assert told == pytest.approx(solution.objective, rel=1e-4)


def test_a_class_without_examples_is_never_predicted() -> None:
    x, y = data(100, 5, 3)
    solution: Solution = fit(x, y, 4, 1.0)
    assert (solution.scores(x).argmax(axis=1) != 3).all()
    assert solution.converged


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_scale_of_the_features_does_not_keep_it_from_the_optimum(scale: float) -> None:
    x, y = data(120, 8, 3)
    assert all(solution.converged for solution in fit_path(x * scale, y, 3))


def test_features_that_cannot_be_fitted_are_refused() -> None:
    x, y = data(20, 3, 2)
    x[3, 1] = np.nan
    with pytest.raises(ProtocolError, match="finite"):
        fit_path(x, y, 2)
    with pytest.raises(ProtocolError, match="features"):
        fit_path(np.zeros((0, 3)), np.zeros(0, dtype=int), 2)
    for strength in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ProtocolError, match="above 0"):
            fit_path(np.ones((3, 3)), np.array([0, 1, 0]), 2, [1.0, strength])


@pytest.mark.parametrize(
    ("features", "labels", "classes", "words"),
    [
        (1.0, [0, 0, 0], 1, "two classes or more apart; got 1"),
        (1.0, [0, 1, 2], 2, "labels of 2 classes are 0 to 1; got 0 to 2"),
        (1.0, [0, -1, 1], 2, "labels of 2 classes are 0 to 1; got -1 to 1"),
        (1.0, [0.0, 1.0, 0.5], 2, "whole numbers"),
        (1.0, [[1, -1], [1, 1], [2, 0]], 2, "1, -1 or 0 in"),
        (1.0, [[1, -1], [1, 1], [1, 0]], 3, r"1, -1 or 0 in \(n, 3\); got int64 \(3, 2\)"),
        (1e200, [0, 1, 0], 2, r"as large as 2e\+200: at most 1e\+14"),
    ],
)
def test_labels_and_features_beyond_what_can_be_solved_are_refused_in_words(
    features: float, labels: list[object], classes: int, words: str
) -> None:
    with pytest.raises(ProtocolError, match=words):
        fit_path(np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 1.0]]) * features, np.array(labels), classes)


@pytest.mark.parametrize("strengths", [None, (), 0.0, np.array(-1.0), [1.0, "strong"], [1.0, 1j], [True]])
def test_strengths_that_are_no_numbers_above_0_are_refused_in_words(strengths: object) -> None:
    x, y = data(20, 3, 2)
    with pytest.raises(ProtocolError, match="finite numbers above 0"):
        fit_path(x, y, 2, strengths)  # type: ignore[arg-type]
    for strength in (0, -1.0, float("nan")):
        with pytest.raises(ProtocolError, match=f"finite numbers above 0; got {strength}"):
            fit_path(x, y, 2, [1.0]).refit(x, y, strength)
        with pytest.raises(ProtocolError, match="finite numbers above 0"):
            fit(x, y, 2, strength)


def test_values_that_are_not_finite_are_found_in_every_block_of_rows() -> None:
    x, y = data(2 * ROWS + 5, 3, 2)
    for place in (0, ROWS + 1, 2 * ROWS + 4):
        bad = x.copy()
        bad[place, 1] = np.nan
        with pytest.raises(ProtocolError, match="finite"):
            fit_path(bad, y, 2, [1.0])


def test_features_and_labels_of_every_layout_and_kind_of_number_give_one_answer() -> None:
    x, y = data(60, 4, 3)
    plain = fit_path(x, y, 3, [0.1])[0].weights
    for kind in (">f4", np.longdouble, np.float64):
        assert np.allclose(fit_path(x.astype(kind), y, 3, [0.1])[0].weights, plain, atol=1e-6)
    for labels in (y.astype("i4"), y.astype(">i2"), y.astype("u1"), y[::-1][::-1]):
        assert np.array_equal(fit_path(x, labels, 3, [0.1])[0].weights, plain)
    assert np.allclose(fit_path(x[::-1], y[::-1], 3, [0.1])[0].weights, plain, atol=1e-6)
    path = fit_path(x, y, 3, [1.0, 0.1])
    assert path.settled([-1])[1].evaluations > path[1].evaluations


def test_labels_that_say_nothing_of_absence_and_those_of_another_kind_are_refused() -> None:
    x, y = data(30, 4, 3)
    there = np.eye(3, dtype=int)[y]
    with pytest.raises(ProtocolError, match="1, -1 or 0"):
        fit_path(x, there.astype(bool), 3)  # False is not -1
    with pytest.raises(ProtocolError, match="fitted to labels of 1 dimensions"):
        fit_path(x, y, 3, [1.0]).refit(x, 2 * there - 1, 1.0)
    for labels in (None, 1):
        with pytest.raises(ProtocolError, match="n labels"):
            fit_path(x, labels, 3)  # type: ignore[arg-type]
    for classes in (None, "3", 2.5):
        with pytest.raises(ProtocolError, match="whole number"):
            fit_path(x, y, classes)  # type: ignore[arg-type]


@pytest.mark.parametrize("gap", ["a", None, 0.0, -1.0, 2.0, float("nan"), float("inf")])
def test_a_gap_that_no_fit_can_be_proven_to_have_is_refused(gap: object) -> None:
    with pytest.raises(ProtocolError, match=f"gap is {gap!r}; expected a number between 0 and 1"):
        fit_path(*data(20, 3, 2), 2, gap=gap)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [object, str, complex])
def test_features_that_are_no_real_numbers_are_refused(kind: type) -> None:
    x, y = data(20, 3, 2)
    with pytest.raises(ProtocolError, match="features are real numbers"):
        fit_path(x.astype(kind), y, 2)


def test_features_of_another_width_are_refused_after_the_fit_too() -> None:
    x, y = data(20, 3, 2)
    path = fit_path(x, y, 2)
    for asked in (lambda: path.refit(x[:, :2], y, 1.0), lambda: list(path.scores(x[:, :2])), lambda: path[0].scores(x[:, :2])):
        with pytest.raises(ProtocolError, match=r"fitted to features \(n, 3\); got \(20, 2\)"):
            asked()


def test_the_refit_is_the_fit_of_all_rows_together_wherever_it_starts() -> None:
    x, y = data(300, 12, 4)
    path = fit_path(x[:240], y[:240], 4, gap=1e-10)
    for strength in (STRENGTHS[2], STRENGTHS[24], STRENGTHS[40]):  # the first goes down from the strong end
        refitted, direct = path.refit(x[240:], y[240:], strength), fit(x, y, 4, strength, gap=1e-10)
        assert refitted.converged
        assert refitted.objective == pytest.approx(direct.objective, rel=1e-9)
        assert refitted.objective == pytest.approx(objective(x, y, refitted.weights, refitted.intercept, strength), rel=1e-9)


def test_a_refit_with_fewer_rows_than_dimensions_sees_what_the_new_rows_add() -> None:
    x, y = data(120, 200, 4)  # the new rows lie outside of the space of the first 90; with all, rows stay fewer, or not
    for kept in (200, 110):
        path = fit_path(x[:90, :kept], y[:90], 4)
        for strength in (1.0, 1e4):
            refitted, direct = path.refit(x[90:, :kept], y[90:], strength), fit(x[:, :kept], y, 4, strength, gap=1e-8)
            assert refitted.converged
            assert refitted.objective == pytest.approx(direct.objective, rel=1e-6)
            weights, intercept = refitted.weights, refitted.intercept
            assert refitted.objective == pytest.approx(objective(x[:, :kept], y, weights, intercept, strength), rel=1e-9)


def test_scores_along_the_path_are_those_of_its_solutions() -> None:
    x, y = data(150, 10, 4)
    path = fit_path(x, y, 4, STRENGTHS[::9])
    for scores, solution in zip(path.scores(x[:20]), path, strict=True):
        differences = scores - scores[:, :1]  # a shift common to all classes is free
        expected = solution.scores(x[:20])
        assert np.allclose(differences, expected - expected[:, :1], atol=1e-8)


def test_more_dimensions_than_are_decomposed_are_solved_to_the_proven_gap() -> None:
    x, y = data(400, coordinates.FULL + 76, 30)
    for solution in fit_path(x, y, 30)[::8]:
        value, gap = settled(x, y, solution)
        assert solution.converged
        assert value == pytest.approx(solution.objective, rel=1e-5)
        assert gap == pytest.approx(solution.relative_gap, rel=1e-2, abs=1e-9)


def test_wide_overlapping_features_are_solved_at_every_strength_and_a_descent_from_there_finds_hardly_more() -> None:
    d = coordinates.FULL + 76
    generator = np.random.default_rng(3)
    y = generator.integers(0, 3, coordinates.MANY * d)
    basis = np.linalg.qr(generator.normal(size=(d, d)))[0] * np.arange(1, d + 1)[:, None] ** -1.5  # flat, as pixels are
    x = ((generator.normal(size=(len(y), d)) + 0.1 * generator.normal(size=(3, d))[y]) @ basis).astype(np.float32)
    path = fit_path(x, y, 3)
    assert x.size * 3 > SMALL
    assert all(solution.converged for solution in path)
    wide, truth = np.concatenate([x.astype(np.float64), np.ones((len(x), 1))], axis=1), np.eye(3)[y]
    for solution in path[4::13]:

        def value(flat: np.ndarray, strength: float = solution.strength) -> tuple[float, np.ndarray]:
            point = flat.reshape(-1, 3)
            logits = wide @ point
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            gradient = wide.T @ (p - truth)
            gradient[:-1] += strength * point[:-1]
            return objective(x, y, point[:-1], point[-1], strength), gradient.reshape(-1)

        start = np.concatenate([solution.weights, solution.intercept[None]]).reshape(-1)
        further = optimize.minimize(value, start, jac=True, method="L-BFGS-B", options={"maxiter": 30})
        assert value(start)[0] == pytest.approx(solution.objective, rel=1e-5)
        assert value(start)[0] - further.fun <= 1e-4 * value(start)[0]


def test_one_vs_rest_is_scikit_learns_binary_fit_of_every_class_without_the_rows_not_to_be_judged() -> None:
    x, _ = data(200, 7, 3)
    generator = np.random.default_rng(0)
    truth = np.where((x - 3.0) @ generator.normal(size=(7, 3)) + generator.normal(size=(200, 3)) > 0.5, 1, -1)
    truth[generator.random((200, 3)) < 0.1] = 0
    [ours] = fit_path(x, truth, 3, [1.0], gap=1e-12)
    assert ours.converged
    for place in range(3):
        known = truth[:, place] != 0
        theirs = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-12, max_iter=10_000)
        theirs.fit(x[known].astype(np.float64), truth[known, place])
        assert np.allclose(ours.weights[:, place], theirs.coef_[0], atol=1e-4)
        assert ours.scores(x)[:, place] == pytest.approx(theirs.decision_function(x.astype(np.float64)), abs=1e-3)


def test_scikit_learns_stop_rule_stops_at_its_gradient_of_the_mean_loss_and_no_sooner_than_its_optimum_allows() -> None:
    x, y = data(400, 30, 5, separation=1.0)
    one_hot = np.eye(5)[y]
    path = fit_path(x, y, 5, stop_rule=SKLEARN)
    assert 0 < sum(ours.evaluations == 0 for ours in path) < len(path)  # a stop may be one at weaker strengths too
    for ours in path:
        scores = ours.scores(x)
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        gradient = (x.T @ (p - one_hot) + ours.strength * ours.weights) / len(x)
        assert max(np.abs(gradient).max(), np.abs((p - one_hot).mean(axis=0)).max()) <= SLOPE * (1 + 1e-6)
        assert ours.objective == pytest.approx(objective(x, y, ours.weights, ours.intercept, ours.strength), rel=1e-9)
        centred = len(x) * gradient - x.mean(axis=0)[:, None] * (p - one_hot).sum(axis=0)
        assert ours.gradient_norm == pytest.approx(np.linalg.norm(centred), rel=1e-6)
    loose, proven = (fit_path(x, y, 5, stop_rule=rule)[0] for rule in (SKLEARN, CERTIFIED))
    assert loose.objective > proven.objective * 1.01  # where the penalty is weak, it is far from the optimum


def test_an_unknown_stop_rule_is_refused_with_those_there_are() -> None:
    with pytest.raises(ProtocolError, match="certified, sklearn"):
        fit_path(*data(20, 3, 2), 2, stop_rule="soon")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_gives_the_certified_answer() -> None:
    x, y = data(1600, 160, 45)
    for solution in fit_path(x, y, 45)[::8]:
        value, gap = settled(x, y, solution)
        assert solution.converged
        assert value == pytest.approx(solution.objective, rel=1e-5)
        assert gap == pytest.approx(solution.relative_gap, rel=1e-2, abs=1e-9)
