"""The linear probe's whole path, certified, beside single scikit-learn fits: `python versus/probe.py [pets flowers cifar]`.

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

SHAPES = {"pets": (3680, 2048, 37, 0.16), "flowers": (2040, 2048, 102, 0.3), "cifar": (50000, 512, 100, 0.16)}
ROUNDS = 3
SLOW = (
    "beside the products of the data, time goes to eigendecompositions of the whole covariance (one for the path, one for the"
    " refit), to single-threaded softmax passes, and to a refit that goes down the path again; see the parts in results/"
)
WEAK = "the refit takes as many evaluations as the path down to its strength"


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
    parts = ("path", "path and choice", "ours", "default fit", "fit to the gap")
    seconds: dict[str, list[float]] = {part: [] for part in parts}
    theirs = ours = 0
    chosen, score = best, 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        path = logistic.fit_path(train, labels, classes)
        seconds["path"].append(time.perf_counter() - began)
        scores = [float((one.scores(val).argmax(axis=1) == truth).mean()) for one in path]
        chosen, score = path[int(np.argmax(scores))].strength, max(scores)
        seconds["path and choice"].append(time.perf_counter() - began)
        final = logistic.fit(x, y, classes, chosen)
        seconds["ours"].append(time.perf_counter() - began)
        ours = sum(one.evaluations for one in path) + final.evaluations
        if not (all(one.converged for one in path) and final.converged):
            raise RuntimeError(f"{name}: a strength was not certified")
        began = time.perf_counter()
        LogisticRegression(C=1 / best).fit(train, labels)
        seconds["default fit"].append(time.perf_counter() - began)
        began = time.perf_counter()
        theirs = driven_to(train, labels, best, target)
        seconds["fit to the gap"].append(time.perf_counter() - began)
    all_of_it = f"{name} {n} x {d} x {classes}: 45 certified strengths, choice and refit"
    findings = [
        ratio(f"{all_of_it}; ONE default scikit-learn fit", seconds["default fit"], seconds["ours"], 1, SLOW),
        ratio(f"{all_of_it}; ONE scikit-learn fit to the same gap", seconds["fit to the gap"], seconds["ours"], 4, SLOW),
        figure(f"{name}: evaluations of that one fit / of our 45 strengths and refit", [theirs / ours], 1, why=WEAK),
    ]
    found = {"strength": best, "validation": fits, "our strength": chosen, "our validation": score, "seconds": seconds}
    return findings, {name: found}


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
