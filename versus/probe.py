"""The linear probe's whole path beside single scikit-learn fits: `python versus/probe.py [pets flowers fashion cifar sun]`.

At scikit-learn's own stop rule, beside one default fit; and certified, beside one fit that is driven to the same gap.

Data are Gaussian classes with a power-law spectrum in the shapes of the transfer datasets (80 % train, 20 % validation): not
features of a trained encoder. Scikit-learn's best strength is the best on validation of 10, 1 and 0.1.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
from common import Finding, figure, ratio, save
from scipy import optimize
from sklearn.linear_model import LogisticRegression, _logistic

from repbench.measure import logistic

SHAPES = {
    "pets": (3680, 2048, 37, 0.16),
    "flowers": (2040, 2048, 102, 0.3),
    "fashion": (60000, 512, 10, 0.16),
    "cifar": (50000, 512, 100, 0.16),
    "sun": (20000, 2048, 397, 0.16),
}
ROUNDS = 3


class _ReachedError(Exception):
    """The fit is as near to the optimum as was asked."""


def data(n: int, d: int, classes: int, separation: float) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 (n, d) with a 1/rank spectrum and balanced labels (n,)."""
    generator = np.random.default_rng(0)
    scale = np.sqrt(1 / np.arange(1, d + 1) / (1 / np.arange(1, d + 1)).sum())
    rotation, _ = np.linalg.qr(generator.standard_normal((d, d)))
    y = generator.permutation(np.arange(n) % classes)
    centres = generator.standard_normal((classes, d)) * scale * separation
    x = (centres[y] + generator.standard_normal((n, d)) * scale) @ rotation.T
    return (x * np.sqrt(d) * 0.5 + 0.3).astype(np.float32), y


def driven_to(x: np.ndarray, y: np.ndarray, strength: float, objective: float) -> int:
    """Evaluations of one scikit-learn fit until its objective (summed losses) is at most `objective`."""
    count = 0

    def minimize(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        def watched(*point: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            found = function(*point, **more)
            if found[0] * len(x) <= objective:
                raise _ReachedError
            return found

        return optimize.minimize(watched, *arguments, **options)

    with mock.patch.object(_logistic, "optimize", mock.Mock(wraps=optimize, minimize=minimize)):
        try:
            LogisticRegression(C=1 / strength, tol=1e-12, max_iter=5000).fit(x, y)
        except _ReachedError:
            return count
    raise RuntimeError(f"scikit-learn stopped before the objective {objective} was reached at strength {strength}")


def compare(name: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and details of one shape, in rounds that take turns."""
    n, d, classes, separation = SHAPES[name]
    x, y = data(n, d, classes, separation)
    cut = int(0.8 * n)
    train, labels, val, truth = x[:cut], y[:cut], x[cut:], y[cut:]
    fits = {s: LogisticRegression(C=1 / s).fit(train, labels).score(val, truth) for s in (10.0, 1.0, 0.1)}
    best = max(fits, key=lambda strength: fits[strength])
    [optimum] = logistic.fit_path(train, labels, classes, [best], gap=1e-6)
    target = optimum.objective * (1 + 1e-4)
    parts = ("sklearn rule", "path", "path and choice", "ours", "default fit", "fit to the gap")
    seconds: dict[str, list[float]] = {part: [] for part in parts}
    theirs = 0
    chosen, score = best, 0.0
    for _ in range(ROUNDS):
        loose, last, _, times = probe(train, labels, val, truth, logistic.SKLEARN)
        seconds["sklearn rule"].append(times[-1])
        path, final, score, times = probe(train, labels, val, truth, logistic.CERTIFIED)
        for part, until in zip(("path", "path and choice", "ours"), times, strict=True):
            seconds[part].append(until)
        chosen = final.strength
        if not (all(one.converged for one in path) and final.converged):
            raise RuntimeError(f"{name}: a strength was not certified")
        began = time.perf_counter()
        default = LogisticRegression(C=1 / best).fit(train, labels)
        seconds["default fit"].append(time.perf_counter() - began)
        began = time.perf_counter()
        theirs = driven_to(train, labels, best, target)
        seconds["fit to the gap"].append(time.perf_counter() - began)
    few = sum(one.evaluations for one in loose) + last.evaluations
    spent = {"path": sum(one.evaluations for one in path), "refit": final.evaluations}
    shape = f"{name} {n} x {d} x {classes}: 45 strengths, choice and refit"
    gap = f"{shape}, certified; ONE scikit-learn fit to that gap"
    rule = f"{shape} at its stop rule; ONE default scikit-learn fit"
    share = (seconds["ours"][-1] - seconds["path and choice"][-1]) / seconds["ours"][-1]
    why = f"{spent['path']} evaluations for the path, {spent['refit']} for the refit at {chosen:.2g}, {share:.0%} of the time"
    findings = [
        ratio(
            rule,
            seconds["default fit"],
            seconds["sklearn rule"],
            1,
            f"{few} evaluations against {default.n_iter_[0]} iterations",
        ),
        ratio(gap, seconds["fit to the gap"], seconds["ours"], 4, why),
        figure(
            f"{name}: evaluations of that one fit / of our 45 strengths and refit", [theirs / sum(spent.values())], 1, why=why
        ),
    ]
    their_own = {"strength": best, "validation": fits, "evaluations": theirs}
    found = {"theirs": their_own, "ours": {"strength": chosen, "validation": score, "evaluations": spent}, "seconds": seconds}
    return findings, {name: found}


def probe(
    train: np.ndarray, labels: np.ndarray, val: np.ndarray, truth: np.ndarray, rule: str
) -> tuple[logistic.Path, logistic.Solution, float, list[float]]:
    """Path, refit and best validation score; and the seconds until the path, the choice and the refit were there."""
    began, times = time.perf_counter(), []
    path = logistic.fit_path(train, labels, int(labels.max()) + 1, stop_rule=rule)
    times.append(time.perf_counter() - began)
    scores = [float((one.argmax(axis=1) == truth).mean()) for one in path.scores(val)]
    best = max((place for place, score in enumerate(scores) if score == max(scores)), key=lambda place: path[place].strength)
    times.append(time.perf_counter() - began)
    final = path.refit(val, truth, path[best].strength)
    times.append(time.perf_counter() - began)
    return path, final, max(scores), times


def main() -> None:
    """Compare the shapes that are named, or all."""
    warnings.simplefilter("ignore")
    findings, details = [], {}
    for name in sys.argv[1:] or SHAPES:
        more, found = compare(name)
        findings += more
        details |= found
    save(__file__, findings, details)


if __name__ == "__main__":
    main()
