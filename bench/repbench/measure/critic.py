"""A contrastive critic against the truth: correlated Gaussians, of which the density ratio is known.

x ~ N(0, I), y = rho x + sqrt(1 - rho^2) e in d dimensions:

    I(x; y)          = -d/2 ln(1 - rho^2)
    ln r(x, y)       = ln p(x, y) / (p(x) p(y)) = I - (rho^2 |x|^2 + rho^2 |y|^2 - 2 rho x'y) / (2 (1 - rho^2))
    I_NCE(f)         = ln N + mean_i [f_ii - ln sum_j exp f_ij]  <=  min(I, ln N)     (Oord et al. 2018, equation 5)

The best critic is ln r plus anything that depends on x alone. I_NCE of ln r is what a critic can reach with N pairs; the
difference is its excess, 0 for a perfect one. A good bound proves no good ratio: correlation and slope are of the scores
less their row and column means, which training leaves free.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from repbench.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Gaussians:
    """Pairs of `dimensions` with mutual `information` in nats, spread evenly. Raises UsageError for numbers that make none."""

    dimensions: int = 20
    information: float = 4.0

    def __post_init__(self) -> None:
        if self.dimensions < 1 or not 0 <= self.information < 40 * self.dimensions:
            raise UsageError(
                f"{self.dimensions} dimensions with {self.information} nats: expected at least one dimension and 0 to 40 nats "
                "each."
            )

    @property
    def correlation(self) -> float:
        """rho of each pair of dimensions: sqrt(1 - exp(-2 I / d))."""
        return math.sqrt(-math.expm1(-2 * self.information / self.dimensions))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """n pairs x, y, float64 (n, dimensions)."""
        x = rng.standard_normal((n, self.dimensions))
        noise = rng.standard_normal((n, self.dimensions))
        return x, self.correlation * x + math.sqrt(1 - self.correlation**2) * noise

    def log_ratio(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """ln r(x_i, y_j), (n, m)."""
        rho = self.correlation
        squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)[None]
        found: np.ndarray = self.information - (rho**2 * squares - 2 * rho * x @ y.T) / (2 * (1 - rho**2))
        return found


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a critic is worth with `n` pairs a block: means over blocks, in nats. `error`: standard error of `excess`."""

    n: int
    bound: float  # I_NCE of the critic
    optimum: float  # I_NCE of the true log ratio
    excess: float
    error: float
    correlation: float  # Pearson, both centred by row and column; NaN for a constant critic
    slope: float  # of the critic on the truth: 1 where the scale is right
    top_1: float  # share of blocks' rows whose own pair scores most, ties by chance
    top_1_optimum: float


def info_nce(scores: np.ndarray) -> float:
    """The bound from scores (n, n), own pairs on the diagonal: ln n + mean_i [f_ii - ln sum_j exp f_ij]."""
    from scipy.special import logsumexp

    return float(math.log(len(scores)) + np.mean(np.diag(scores) - logsumexp(scores, axis=1)))


def judge(scores: list[np.ndarray], truth: list[np.ndarray]) -> Verdict:
    """The verdict on a critic's scores of some blocks, (n, n) each, by the true log ratios of the same pairs.

    Raises UsageError for scores that are not finite or of another shape.
    """
    for one, right in zip(scores, truth, strict=True):
        if np.shape(one) != np.shape(right) or not np.isfinite(one).all():
            raise UsageError(f"the critic gave scores of shape {np.shape(one)}; expected finite numbers (n, n), row i for x_i.")
    bounds, best = (np.array([info_nce(one) for one in side]) for side in (scores, truth))
    f, r = (np.concatenate([_centred(one).ravel() for one in side]) for side in (scores, truth))
    error = float(np.std(best - bounds, ddof=1) / math.sqrt(len(bounds))) if len(bounds) > 1 else math.nan
    sizes = float(np.sqrt((f @ f) * (r @ r)))
    return Verdict(
        n=len(truth[0]),
        bound=float(bounds.mean()),
        optimum=float(best.mean()),
        excess=float((best - bounds).mean()),
        error=error,
        correlation=float(f @ r) / sizes if f @ f > 1e-18 * f.size and sizes > 0 else math.nan,
        slope=float(f @ r / (r @ r)) if r @ r > 0 else math.nan,
        top_1=float(np.mean([_top(one) for one in scores])),
        top_1_optimum=float(np.mean([_top(one) for one in truth])),
    )


def _centred(scores: np.ndarray) -> np.ndarray:
    rows, columns = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    found: np.ndarray = np.asarray(scores, dtype=np.float64) - rows - columns + scores.mean()
    return found


def _top(scores: np.ndarray) -> float:
    own = np.diag(scores)[:, None]
    first = (scores > own).sum(axis=1) == 0
    return float((first / (scores == own).sum(axis=1)).mean())
