"""Figures of the documentation, made by the suite: `python docs/figures.py` (matplotlib: `pip install 'repbench[plots]'`).

All but those of the critic and of similarity are drawn from records: `--results FOLDER`, by default of `make demo`. That of
`features` needs records of a run with `--features`, that of `audio` rows of sounds, as of `make full`; these two are drawn when
asked for: `--only NAME`.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import figures_of_geometry as geometry
import figures_of_predictions as predictions
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from repbench.critic import CriticTest, judge_critic
from repbench.leaderboard.gather import Examples, open_board
from repbench.leaderboard.tables import Board
from repbench.measure import intervals

HERE = Path(__file__).resolve().parent
SIZES = (4, 8, 16, 32, 64, 128, 256, 512)


def critic(figure: Figure) -> None:
    """The bound against N for the exact critic at four informations, and for trained critics at 3 nats."""
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


def example() -> object:
    """The module examples/my_critic.py."""
    found = importlib.util.spec_from_file_location("my_critic", HERE.parent / "examples" / "my_critic.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def pose(board: Board, read: Examples, figure: Figure) -> None:
    """Accuracy of unknown objects against the angle, with intervals that draw whole objects; and of each class."""
    axes, by_class = figure.subplots(1, 2, width_ratios=(1.3, 1))
    records = [one for one in board.done if one.task == "pose-robustness/furniture"]
    best = max(records, key=lambda one: one.metrics[one.primary].value)
    for place, record in enumerate(records):
        rows = read(record)
        assert rows is not None
        rows = rows[rows.test.str.startswith("unknown")]
        far = np.minimum(rows.angle % 360, -rows.angle % 360).round()
        steps = np.unique(far)
        parts = [rows[far == step] for step in steps]
        shares = [part.credit.mean() for part in parts]
        bounds = np.array([intervals.proportion(part.credit.to_numpy(), 0, groups=part.cluster.to_numpy()) for part in parts])
        axes.plot(steps, shares, marker="o", markersize=3, color=f"C{place}", label=geometry.short(record.encoder))
        axes.fill_between(steps, bounds[:, 0], bounds[:, 1], color=f"C{place}", alpha=0.12, linewidth=0)
        if record is best:
            table = rows.groupby(["truth", far], observed=True).credit.mean().unstack()
            by_class.imshow(table, vmin=0, vmax=1, cmap="viridis", aspect="auto")
            by_class.set_yticks(range(len(table)), table.index, fontsize="xx-small")
            by_class.set_xticks(range(len(steps)), [f"{step:g}" for step in steps], fontsize="x-small")
            by_class.set_title(f"{geometry.short(record.encoder)}: each class (yellow: all right)", fontsize="small")
            by_class.set_xlabel("degrees from the front")
    axes.axhline(records[0].chance, color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.axvspan(-5, 45, color="grey", alpha=0.12, linewidth=0)
    axes.set_xlim(-5, 185)
    axes.set_xlabel("degrees from the front (grey: the typical pose)")
    axes.set_ylabel("share of unknown objects right")
    axes.set_ylim(-0.03, 1.0)
    axes.legend(fontsize="x-small", loc="upper right", ncols=2)


def identifiability(board: Board, read: Examples, figure: Figure) -> None:
    """What the kernel reads of each factor, from guessing (0) to everything (1), with intervals that draw whole objects."""
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
        axes.bar(
            at,
            value,
            width * 0.9,
            yerr=[value - low, high - value],
            error_kw={"elinewidth": 0.8},
            label=geometry.short(record.encoder),
        )
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(factors)), [f"{name}\n{records[0].diagnostics['roles'][name]}" for name in factors])
    axes.set_ylabel("read by the kernel, above chance")
    axes.legend(fontsize="x-small")


Draw = Callable[[Board, Examples, Figure], None]
OF_RECORDS: dict[str, tuple[Draw, tuple[float, float]]] = {
    "alignment-uniformity": (geometry.alignment_uniformity, (8, 4)),
    "spectrum": (geometry.spectrum, (9, 3.8)),
    "modality-gap": (geometry.modality_gap, (9, 3.2)),
    "equivariance": (geometry.equivariance, (7.5, 3.6)),
    "calibration": (predictions.calibration, (11, 4)),
    "ood": (predictions.ood, (9, 3.6)),
    "groups": (predictions.groups, (9, 3.8)),
    "features": (predictions.features, (6, 3.6)),
    "audio": (predictions.audio, (9, 3.6)),
    "pose": (pose, (10, 4)),
    "identifiability": (identifiability, (8, 3.6)),
}
ALONE = ("critic", "similarity")


def main() -> None:
    """Draw what is asked for into docs/images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    demo = HERE.parent / "leaderboard" / "demo"
    parser.add_argument("--results", type=Path, nargs="+", default=[demo / "results"])
    parser.add_argument("--store", type=Path, default=demo / "store", help="embeddings, for the figure of similarity")
    parser.add_argument("--only", choices=(*OF_RECORDS, *ALONE), nargs="+")
    given = parser.parse_args()
    wanted = given.only or [*(name for name in OF_RECORDS if name not in ("features", "audio")), *ALONE]
    opened = open_board(given.results) if set(wanted) & set(OF_RECORDS) else None
    for name in wanted:
        size = OF_RECORDS[name][1] if name in OF_RECORDS else (9, 3.8)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        if name == "critic":
            critic(figure)
        elif name == "similarity":
            geometry.similarity(given.store, figure)
        else:
            assert opened is not None
            OF_RECORDS[name][0](*opened, figure)
        figure.savefig(HERE / "images" / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main()
