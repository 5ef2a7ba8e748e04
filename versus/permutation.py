"""Paired tests over 10,000 examples beside scipy.stats.permutation_test: `python versus/permutation.py`.

Scores of two encoders that differ a little: 0/1 (accuracy), where ours is the binomial of McNemar's exact test, and real ones,
where ours are DRAWS swaps. SciPy draws RESAMPLES (its default) in batches, as all of them at once would take 800 MB.
"""

from __future__ import annotations

import numpy as np
from common import figure, in_turn, ratio, save
from scipy.stats import binomtest, permutation_test

from repbench.measure.significance import DRAWS, paired_p_values

EXAMPLES, RESAMPLES = 10_000, 9_999


def scores(*, real: bool) -> tuple[np.ndarray, np.ndarray]:
    """Two encoders' scores (n,): the same but on some examples, where one is ahead a little more often."""
    generator = np.random.default_rng(0)
    first = generator.random(EXAMPLES) if real else (generator.random(EXAMPLES) < 0.7).astype(float)
    if real:
        return first, first + generator.normal(0.0015, 0.1, EXAMPLES)
    changed = generator.random(EXAMPLES) < 0.05
    return first, np.where(changed, generator.random(EXAMPLES) < 0.7, first).astype(float)


def scipys(best: np.ndarray, other: np.ndarray) -> float:
    """SciPy's two-sided p."""

    def difference(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        total: np.ndarray = (a - b).sum(axis=axis)
        return total

    kinds = {"permutation_type": "samples", "n_resamples": RESAMPLES, "batch": 500, "rng": np.random.default_rng(1)}
    return float(permutation_test((best, other), difference, vectorized=True, **kinds).pvalue)


def main() -> None:
    """Time both kinds in turn, and set the p-values beside each other."""
    findings, values = [], {}
    for name, real in (("0/1 scores, exact", False), (f"real scores, {DRAWS} swaps", True)):
        best, other = scores(real=real)
        sides = {
            "ours": lambda a=best, b=other: paired_p_values(a, b[None], seed=0),
            "scipy": lambda a=best, b=other: scipys(a, b),
        }
        seconds = in_turn(sides, warm_up=False)
        found, theirs = float(paired_p_values(best, other[None], seed=0)[0]), scipys(best, other)
        values[name] = {"p": found, "scipy": theirs, "seconds": seconds}
        what = f"paired test of {EXAMPLES} examples, {name}"
        findings += [
            figure(f"{what}: ours", seconds["ours"], DRAWS / 10_000, unit="s", higher_is_better=False),
            ratio(f"{what}: scipy's {RESAMPLES} resamples / ours", seconds["scipy"], seconds["ours"], 1),
            figure(f"{what}: p less scipy's", [abs(found - theirs)], 0.02, unit="", higher_is_better=False),
        ]
    best, other = scores(real=False)
    wins, losses = int((best > other).sum()), int((best < other).sum())
    exact = binomtest(wins, wins + losses).pvalue
    error = abs(values["0/1 scores, exact"]["p"] - exact)
    findings.append(figure("0/1 scores: p less that of scipy.stats.binomtest", [error], 1e-12, unit="", higher_is_better=False))
    save(__file__, findings, values)


if __name__ == "__main__":
    main()
