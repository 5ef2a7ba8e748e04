"""Figures of the documentation, made by the suite: `python docs/figures.py` (matplotlib: `pip install 'repbench[plots]'`).

Those of pose and identifiability are drawn from records of `furniture`: `--results FOLDER`, by default those of `make demo`.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from repbench.critic import CriticTest, judge_critic
from repbench.leaderboard.gather import open_board
from repbench.measure import intervals

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


def pose(results: Path, path: Path) -> None:
    """Accuracy of unknown objects against the angle from the typical pose, with intervals that draw whole objects."""
    board, read = open_board([results])
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    records = [one for one in board.done if one.task == "pose-robustness/furniture"]
    for place, record in enumerate(records):
        rows = read(record)
        assert rows is not None
        rows = rows[rows.test != "known-new"]
        far = np.minimum(rows.angle % 360, -rows.angle % 360).round()
        steps = np.unique(far)
        parts = [rows[far == step] for step in steps]
        shares = [part.credit.mean() for part in parts]
        bounds = np.array([intervals.proportion(part.credit.to_numpy(), 0, groups=part.cluster.to_numpy()) for part in parts])
        axes.plot(steps, shares, marker="o", markersize=3, color=f"C{place}", label=record.encoder)
        axes.fill_between(steps, bounds[:, 0], bounds[:, 1], color=f"C{place}", alpha=0.12, linewidth=0)
    axes.axhline(records[0].chance, color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.axvspan(-5, 45, color="grey", alpha=0.12, linewidth=0)
    axes.set_xlim(-5, 185)
    axes.set_xlabel("degrees from the front (grey: the typical pose)")
    axes.set_ylabel("share of unknown objects right")
    axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=110)


def identifiability(results: Path, path: Path) -> None:
    """What the kernel reads of each factor, from guessing (0) to everything (1), with intervals that draw whole objects."""
    board, _ = open_board([results])
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    records = [one for one in board.done if one.task == "identifiability/furniture"]
    factors = list(records[0].diagnostics["roles"])
    width = 0.8 / len(records)
    for place, record in enumerate(records):
        chance = [record.diagnostics["chance"].get(name, 0.0) for name in factors]
        found = [record.metrics[f"kernel-{name}"] for name in factors]
        told = [[one.value if end is None else end for end in (one.low, one.value, one.high)] for one in found]
        low, value, high = ((np.array(told) - np.array(chance)[:, None]) / (1 - np.array(chance))[:, None]).T
        at = np.arange(len(factors)) + (place - (len(records) - 1) / 2) * width
        axes.bar(at, value, width * 0.9, yerr=[value - low, high - value], error_kw={"elinewidth": 0.8}, label=record.encoder)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(factors)), [f"{name}\n{records[0].diagnostics['roles'][name]}" for name in factors])
    axes.set_ylabel("read by the kernel, above chance")
    axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE.parent / "leaderboard" / "demo" / "results")
    parser.add_argument("--only", choices=("critic", "pose", "identifiability"))
    given = parser.parse_args()
    for name, draw in (("pose", pose), ("identifiability", identifiability)):
        if given.only in (None, name):
            draw(given.results, HERE / "images" / f"{name}.png")
    if given.only in (None, "critic"):
        critic(HERE / "images" / "critic.png")
