"""The linear probe's whole path beside single scikit-learn fits: `python versus/probe.py [pets flowers fashion cifar sun]`.

At scikit-learn's own stop rule, beside one default fit (a solution that satisfies the rule at weaker strengths too stands for
them, as in a fit of scikit-learn that starts warm); and certified, beside one fit that is driven to the same gap, at two
strengths: scikit-learn's best (on validation, of 10, 1 and 0.1), and, once, the one of the 45 that is chosen, where MOST
evaluations are waited for and the ratio is then a lower bound. A run of the suite also settles what it chooses among
(linear_probe.settled): that has a row of its own.

Data are Gaussian classes with a power-law spectrum in the shapes of the transfer datasets (80 % train, 20 % validation): not
features of a trained encoder. Work is counted in products of the data with a matrix of the classes' width: an evaluation of
scikit-learn's is two (logits, gradient), one of ours too, but for the last at each strength, which only proves (the logits
are kept). At the chosen strength, often the weakest, scikit-learn is given float64: in float32 its line search gives up early.
What a product takes by itself is measured beside: the floor. `sun` is compared at the stop rule alone, for the time it takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
from common import Finding, figure, ratio, results, save, shape_by_shape, timed
from scipy import optimize
from sklearn.linear_model import LogisticRegression, _logistic

from repbench.measure import logistic
from repbench.measure.solver import descent, stop
from repbench.measure.solver.products import Products
from repbench.protocols import linear_probe

SHAPES = {
    "pets": (3680, 2048, 37, 0.16),
    "flowers": (2040, 2048, 102, 0.3),
    "fashion": (60000, 512, 10, 0.16),
    "cifar": (50000, 512, 100, 0.16),
    "sun": (20000, 2048, 397, 0.16),
}
AT_THE_RULE_ALONE = ("sun",)
AT_THE_RULE = "(a) ONE default scikit-learn fit / all of ours at its stop rule"
ROUNDS = 3
SETTLED = (
    "settling takes strengths near the best to a gap of 1e-6 or less, so that neither the grid nor rounding chooses:"
    " nobody else does"
)
MOST = 500  # evaluations that are waited for at the chosen strength


Split = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # features and labels of train, of validation


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


def driven_to(x: np.ndarray, y: np.ndarray, strength: float, objective: float, most: int = 5000) -> int:
    """Evaluations of one scikit-learn fit until its objective (summed losses) is at most `objective`; `most` at the most."""
    count = 0

    def minimize(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        def watched(*point: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            found = function(*point, **more)
            if found[0] * len(x) <= objective or count >= most:
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
    split = x[:cut], y[:cut], x[cut:], y[cut:]
    best, fits = best_of_three(*split)
    seconds: dict[str, list[float]] = {}
    details = {"best of theirs": best, "validation of theirs": fits, "seconds": seconds}
    findings = at_the_rule(name, split, best, seconds)
    if name not in AT_THE_RULE_ALONE:
        certified, more = to_the_gap(name, split, best, seconds)
        findings, details = findings + certified, {**details, **more}
    return findings, {name: details}


def at_the_rule(name: str, split: Split, best: float, seconds: dict[str, list[float]]) -> list[Finding]:
    """The whole probe at scikit-learn's stop rule, and one default fit at its best strength."""
    default = LogisticRegression(C=1 / best)
    for _ in range(ROUNDS):
        with counted() as few:
            timed(seconds.setdefault("loose", []), lambda: probe(*split, logistic.SKLEARN))
        timed(seconds.setdefault("default fit", []), lambda: default.fit(*split[:2]))
    why = f"{sum(few)} products against {2 * default.n_iter_[0]} or more of that fit"
    what = f"{of_shape(name)}: {AT_THE_RULE}"
    return [ratio(what, seconds["default fit"], seconds["loose"], 1, why)]


def to_the_gap(name: str, split: Split, best: float, seconds: dict[str, list[float]]) -> tuple[list[Finding], dict[str, Any]]:
    """The whole probe certified, and one fit to the same gap: at scikit-learn's best strength, and at the chosen one."""
    classes = SHAPES[name][2]
    target = objective(*split[:2], classes, best)
    for _ in range(ROUNDS):
        with counted() as spent:
            path, final, score = timed(
                seconds.setdefault("certified", []), lambda: probe(*split, logistic.CERTIFIED, settle=False)
            )
        timed(seconds.setdefault("settled", []), lambda: probe(*split, logistic.CERTIFIED))
        if not (all(one.converged for one in path) and final.converged):
            raise RuntimeError(f"{name}: a strength was not certified")
        theirs = timed(seconds.setdefault("fit to the gap", []), lambda: driven_to(*split[:2], best, target))
    ours, on_path = sum(spent), sum(2 * one.evaluations - 1 for one in path)
    far = at_the_chosen(split[:2], classes, final.strength, seconds)
    product, quarter = product_seconds(split[0], classes), float(np.median(seconds["fit to the gap"])) / 4
    why = (
        f"{ours} products ({on_path} of 45 strengths, {ours - on_path} of the refit at {final.strength:.2g}) of"
        f" {1e3 * product:.1f} ms take {ours * product:.2f} s by themselves, a quarter of that fit {quarter:.2f} s"
    )
    what = f"{name}: (b) ONE scikit-learn fit to a gap of 1e-4 / all of ours, certified"
    bound = "" if far < MOST else " (at least: it was not there)"
    findings = [
        ratio(what, seconds["fit to the gap"], seconds["certified"], 4, why),
        figure(f"{name}: (b) products of the data, of that fit / of ours", [2 * theirs / ours], 1, why=why),
        ratio(
            f"{name}: that fit / ours, strengths near the best settled too",
            seconds["fit to the gap"],
            seconds["settled"],
            1,
            SETTLED,
        ),
        ratio(
            f"{name}: such a fit at the strength that ours chose{bound} / all of ours, certified",
            seconds["chosen fit"] * ROUNDS,
            seconds["certified"],
            4,
            why,
        ),
        figure(f"{name}: products of the fit at the chosen strength / of ours", [2 * far / ours], 1, why=why),
    ]
    own = {"strength": final.strength, "validation": score, "products": ours, "of the refit": ours - on_path}
    return findings, {"ours": own, "theirs": {"evaluations": theirs, "at the chosen strength": far}, "product": product}


def of_shape(name: str) -> str:
    """A shape in words."""
    n, d, classes, _ = SHAPES[name]
    return f"{name} {n} x {d} x {classes}"


def at_the_chosen(train: tuple[np.ndarray, np.ndarray], classes: int, strength: float, seconds: dict[str, list[float]]) -> int:
    """Evaluations of one fit at the strength that was chosen, MOST at the most."""
    x, y = train
    goal = objective(x, y, classes, strength)
    fit = timed(seconds.setdefault("chosen fit", []), lambda: driven_to(x.astype(np.float64), y, strength, goal, MOST))
    return int(fit)


def product_seconds(x: np.ndarray, classes: int) -> float:
    """Median seconds of the two products of an evaluation, halved: logits (classes, n), and a gradient (classes, d)."""
    products = Products(torch.from_numpy(x))
    point, residual = torch.randn(classes, x.shape[1] + 1), torch.randn(classes, len(x))
    seconds: list[float] = []
    for _ in range(11):
        timed(seconds, lambda: (products.logits(point), products.gradient(residual)))
    return float(np.median(seconds)) / 2


def best_of_three(
    train: np.ndarray, labels: np.ndarray, val: np.ndarray, truth: np.ndarray
) -> tuple[float, dict[float, float]]:
    """Scikit-learn's best strength on validation, and the accuracy of each."""
    fits = {s: LogisticRegression(C=1 / s).fit(train, labels).score(val, truth) for s in (10.0, 1.0, 0.1)}
    return max(fits, key=lambda strength: fits[strength]), fits


def objective(x: np.ndarray, y: np.ndarray, classes: int, strength: float) -> float:
    """What a fit within 1e-4 of the optimum has at the most."""
    return logistic.fit(x, y, classes, strength, gap=1e-6).objective * (1 + 1e-4)


@contextmanager
def counted() -> Iterator[list[int]]:
    """The products of the data that our fits take in this context, stage by stage."""
    found: list[int] = []
    minimise, start_from = descent.Descent._minimise, descent.Descent.start_from

    def minimised(self: descent.Descent, strength: float, most: int) -> stop.Stop:
        reached = minimise(self, strength, most)
        found.append(2 * reached.evaluations - 1)
        return reached

    def started(self: descent.Descent, point: torch.Tensor) -> None:
        start_from(self, point)
        found.append(1)

    with mock.patch.multiple(descent.Descent, _minimise=minimised, start_from=started):
        yield found


def probe(
    train: np.ndarray, labels: np.ndarray, val: np.ndarray, truth: np.ndarray, rule: str, *, settle: bool = True
) -> tuple[logistic.Path, logistic.Solution, float]:
    """Path, refit at the strength that is best on validation, and the score there: what a linear probe does."""
    path = logistic.fit_path(train, labels, int(labels.max()) + 1, stop_rule=rule)

    def judge(logits: np.ndarray) -> float:
        return float((logits.argmax(axis=1) == truth).mean())

    scores = [judge(logits) for logits in path.scores(val)]
    if rule == logistic.CERTIFIED and settle:
        path, scores = linear_probe.settled(path, scores, val, judge)
    best = max((place for place, score in enumerate(scores) if score == max(scores)), key=lambda place: path[place].strength)
    return path, path.refit(val, truth, path[best].strength), max(scores)


def over_all_shapes() -> None:
    """On how many of the shapes that were measured the whole probe is twice as fast as one default fit, beside the findings."""
    rows = json.loads(results(__file__).read_text())["findings"]
    ratios = [row["measured"] for row in rows if row["what"].endswith(AT_THE_RULE)]
    twice, what = sum(one >= 2 for one in ratios), f"all: shapes of {len(ratios)} where ours of (a) are at least twice as fast"
    why = "of the others the products alone take most of that time: see the reasons of each"
    save(__file__, [figure(what, [twice], 3, unit="shapes", why=why)], {"all": ratios}, part=True)


if __name__ == "__main__":
    shape_by_shape(__file__, compare, SHAPES)
    over_all_shapes()
