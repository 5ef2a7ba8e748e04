"""Does contrastive training keep content and drop style? The numerical simulation of von Kuegelgen et al. (2021, section 5.1).

    c ~ N(0, S_c)    s ~ N(a + B c, S_s)    s' = s + m N(0, S_a), m_i ~ Bernoulli(p)    x = g(c, s), x' = g(c, s')

c is content and s style, five dimensions each. a, B ~ N(0, 1) where style depends on content by cause, else 0; covariances are
Wishart(5, I) where dimensions depend on each other statistically, else I. g is an invertible network. An encoder of five
dimensions learns by InfoNCE on -|f(x) - f(x')|^2, and content and style are read off it by regression, as in the paper. The
published run takes 100,001 steps of 6,144 pairs; here 2,500 of 512 (`--steps`, `--batch`), on one core in minutes.

`python reference/content_style.py` prints the table of docs/identifiability.md.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from tabulate import tabulate
from torch import Tensor, nn

SIZE = 5  # dimensions of content, and of style
SLOPE = 0.2  # of the mixing's leaky ReLU
LAYERS = 3  # of the mixing
CANDIDATES = 25_000  # matrices of which one in a thousand, the best conditioned, is taken
WIDTHS = (100, 200, 200, 100)
TRAIN, TEST = 1024, 4096  # rows of the regressions


@dataclass(frozen=True, kw_only=True)
class Setting:
    """`change` is the probability p that a dimension of style changes between the views of a pair."""

    change: float = 0.75
    statistical: bool = False
    causal: bool = False

    @property
    def words(self) -> str:
        """The setting as the table says it."""
        kinds = [name for name, is_so in (("statistical", self.statistical), ("causal", self.causal)) if is_so]
        return f"p = {self.change:g}, {' and '.join(kinds) or 'independent'}"


SETTINGS = (
    Setting(change=1.0),
    Setting(),
    Setting(statistical=True),
    Setting(causal=True),
    Setting(statistical=True, causal=True),
)


class World:
    """Pairs of views of one setting: covariances, dependence and mixing are drawn once by the seed."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        rng = np.random.default_rng(seed)
        self.content, self.style, self.change = (_covariance(setting.statistical, rng) for _ in range(3))
        self.shift = rng.normal(size=SIZE) * setting.causal
        self.cause = rng.normal(size=(SIZE, SIZE)) * setting.causal
        self.layers = _well_conditioned(rng)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Content (count, 5), style (count, 5) and the style of the other view (count, 5)."""
        content = _normal(self.content, count, rng)
        style = self.shift + content @ self.cause.T + _normal(self.style, count, rng)
        changed = rng.random((count, SIZE)) < self.setting.change
        return content, style, style + changed * _normal(self.change, count, rng)

    def mix(self, content: np.ndarray, style: np.ndarray) -> np.ndarray:
        """Observations (count, 10): g is linear, leaky ReLU, linear, leaky ReLU, linear."""
        x = np.concatenate([content, style], axis=1)
        for place, layer in enumerate(self.layers):
            x = (np.where(x > 0, x, SLOPE * x) if place else x) @ layer.T
        return x

    def unmix(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Content and style of observations: the inverse of `mix`."""
        for place, layer in reversed(list(enumerate(self.layers))):
            x = np.linalg.solve(layer, x.T).T
            x = np.where(x > 0, x, x / SLOPE) if place else x
        return x[:, :SIZE], x[:, SIZE:]


def _covariance(is_wishart: bool, rng: np.random.Generator) -> np.ndarray:
    root = rng.normal(size=(SIZE, SIZE))
    return root @ root.T if is_wishart else np.eye(SIZE)


def _normal(covariance: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(count, SIZE)) @ np.linalg.cholesky(covariance).T


def _well_conditioned(rng: np.random.Generator) -> np.ndarray:
    """Square matrices (3, 10, 10) of columns of norm one, among the best conditioned thousandth of many."""
    drawn = rng.uniform(-1, 1, size=(CANDIDATES, 2 * SIZE, 2 * SIZE))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    condition = np.linalg.cond(drawn)
    good = np.flatnonzero(condition <= np.quantile(condition, 0.001))
    return drawn[rng.choice(good, LAYERS, replace=False)]


def info_nce(z: Tensor, other: Tensor) -> Tensor:
    """Symmetric InfoNCE of pairs (n, d) by negative squared distance, temperature 1, negatives within the batch."""
    scores = -torch.cdist(z, other).square()
    target = torch.arange(len(z))
    return (nn.functional.cross_entropy(scores, target) + nn.functional.cross_entropy(scores.T, target)) / 2


def train(world: World, seed: int, steps: int, batch: int) -> nn.Module:
    """An encoder of observations, 10 -> 5, by Adam at 1e-3."""
    torch.manual_seed(seed)
    sizes = (2 * SIZE, *WIDTHS, SIZE)
    layers = [part for a, b in itertools.pairwise(sizes) for part in (nn.Linear(a, b), nn.LeakyReLU(0.01))]
    encoder = nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    rng = np.random.default_rng([seed, 1])
    for _ in range(steps):
        content, style, other = world.draw(batch, rng)
        views = np.concatenate([world.mix(content, style), world.mix(content, other)])
        z = encoder(torch.from_numpy(views).float())
        loss = info_nce(z[:batch], z[batch:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return encoder


def explained(x: np.ndarray, y: np.ndarray, *, kernel: bool) -> float:
    """R^2 of y from x on the rows after the first 1,024, both standardised; kernel ridge is chosen by three folds."""
    grid = {"alpha": [1, 0.1, 0.01, 0.001], "gamma": np.logspace(-2, 2, 4)}
    model = GridSearchCV(KernelRidge(kernel="rbf"), grid, cv=3) if kernel else LinearRegression()
    inputs, targets = StandardScaler().fit(x[:TRAIN]), StandardScaler().fit(y[:TRAIN])
    x, y = inputs.transform(x), targets.transform(y)
    return float(r2_score(y[TRAIN:], model.fit(x[:TRAIN], y[:TRAIN]).predict(x[TRAIN:])))


def row(setting: Setting, seed: int, steps: int, batch: int) -> list[str]:
    """One line of the table."""
    world = World(setting, seed)
    encoder = train(world, seed, steps, batch)
    content, style, _ = world.draw(TRAIN + TEST, np.random.default_rng([seed, 2]))
    with torch.no_grad():
        z = encoder(torch.from_numpy(world.mix(content, style)).float()).numpy().astype(np.float64)
    read = {
        (name, kernel): explained(z, y, kernel=kernel)
        for name, y in (("content", content), ("style", style))
        for kernel in (1, 0)
    }
    cells = [f"{read[name, 1]:.3f} ({read[name, 0]:.3f})" for name in ("content", "style")]
    least = float(np.linalg.eigvalsh(world.content)[0])
    return [setting.words, *cells, f"{explained(content, style, kernel=True):.3f}", f"{least:.3f}"]


def main() -> None:
    """Train and read one encoder a setting and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one setting, by its number from 0")
    given = parser.parse_args()
    torch.set_num_threads(1)
    chosen = SETTINGS if given.only is None else SETTINGS[given.only : given.only + 1]
    rows = [row(one, given.seed, given.steps, given.batch) for one in chosen]
    headers = ["setting", "R² content", "R² style", "R² of style from the true content", "least eigenvalue of S_c"]
    print(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
