"""Figures of the documentation, made by the suite: `python docs/figures.py` (matplotlib: `pip install 'repbench[plots]'`)."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from repbench.critic import CriticTest, judge_critic

HERE = Path(__file__).resolve().parent
SIZES = (4, 8, 16, 32, 64, 128, 256, 512)


def critic(path: Path) -> None:
    """The bound against N for the exact critic at four informations, and for trained critics at 4 nats."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for information in (1.0, 2.0, 4.0, 10.0):
        test = CriticTest(information=information, sizes=SIZES, blocks=20)
        found = judge_critic(test.pairs.log_ratio, test)
        left.plot(SIZES, [one.bound for one in found], marker="o", markersize=3, label=f"I = {information:g}")
    left.set_title("the exact critic, 20 dimensions", fontsize="medium")
    test = CriticTest(dimensions=5, information=3.0, sizes=SIZES, blocks=20)
    rng = np.random.default_rng(1)
    for name in ("quadratic", "separable", "cosine"):
        trained = getattr(example(), name)(lambda n: tuple(one.astype(np.float32) for one in test.pairs.draw(n, rng)), 5)
        found = judge_critic(trained, test)
        label = f"{name}: correlation {found[-3].correlation:.2f}, slope {found[-3].slope:.2f}"
        right.plot(SIZES, [one.bound for one in found], marker="o", markersize=3, label=label)
    right.axhline(3.0, color="grey", linewidth=0.8, linestyle=":")
    right.set_title("trained critics, 5 dimensions, I = 3", fontsize="medium")
    for axes in (left, right):
        axes.plot(SIZES, [math.log(n) for n in SIZES], color="black", linestyle="--", label="log N")
        axes.set_xscale("log", base=2)
        axes.set_xlabel("N, pairs in a block")
        axes.set_ylabel("log N - InfoNCE, nats")
        axes.legend(fontsize="x-small")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def example() -> object:
    """The module examples/my_critic.py."""
    found = importlib.util.spec_from_file_location("my_critic", HERE.parent / "examples" / "my_critic.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


if __name__ == "__main__":
    critic(HERE / "images" / "critic.png")
