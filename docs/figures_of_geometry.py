"""Figures of what is asked without labels, drawn from records: `python docs/figures.py` calls these."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from repbench.datasets.open import open_dataset
from repbench.embeddings.options import ExtractOptions
from repbench.encoders.load import LoadOptions
from repbench.leaderboard.gather import Examples
from repbench.leaderboard.tables import Board
from repbench.similarity import METRICS, compare_encoders
from repbench.tasks import load_catalogue

SHORT = {"packaged:efficientnet-lite0,size=64": "pretrained", "random:efficientnet_lite0,size=64": "untrained"}
MARKERS = "os^DvP"


def short(encoder: str) -> str:
    """A row's name as a legend has room for it."""
    return SHORT.get(encoder, encoder.split(",")[0])


def alignment_uniformity(board: Board, read: Examples, figure: Figure) -> None:
    """Every encoder on every dataset between the two corners that must not win; lines are equal losses."""
    axes = figure.subplots()
    records = [one for one in board.done if one.protocol == "alignment-uniformity"]
    encoders = list(dict.fromkeys(one.encoder for one in records))
    datasets = list(dict.fromkeys(one.dataset for one in records))
    a, u = np.meshgrid(np.linspace(-0.1, 2.1, 50), np.linspace(-4.1, 0.1, 50))
    lines = axes.contour(a, u, 2 * a + u, levels=np.arange(-3, 4), colors="grey", linewidths=0.6, linestyles="dotted")
    axes.clabel(lines, fontsize="xx-small", fmt="loss %g")
    for record in records:
        x, y = (record.metrics[name].value for name in ("alignment", "uniformity"))
        at = MARKERS[datasets.index(record.dataset) % len(MARKERS)]
        axes.plot(x, y, at, color=f"C{encoders.index(record.encoder)}", markersize=6, alpha=0.8)
    for place, name in enumerate(encoders):
        axes.plot([], [], "s", color=f"C{place}", label=short(name))
    for place, name in enumerate(datasets):
        axes.plot([], [], MARKERS[place % len(MARKERS)], color="grey", label=name)
    axes.set_xlabel("alignment: mean squared distance of two crops (0: the same)")
    axes.set_ylabel("uniformity (-4: spread all over, 0: one point)")
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def spectrum(board: Board, read: Examples, figure: Figure) -> None:
    """The leading eigenvalues of the covariance, as a share of the first, with RankMe in the legend."""
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, dataset in ((left, "digits"), (right, "furniture")):
        for place, record in enumerate(one for one in board.done if one.task == f"spectrum/{dataset}"):
            values = np.array(record.diagnostics.get("spectrum", [np.nan]))
            label = f"{short(record.encoder)}: RankMe {record.metrics['rankme'].value:.0f}"
            axes.plot(np.arange(1, len(values) + 1), values / values[0], color=f"C{place}", label=label)
        axes.set(xscale="log", yscale="log", xlabel="direction", title=dataset)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="xx-small", loc="lower left")
    left.set_ylabel("variance, as a share of the first direction's")


def modality_gap(board: Board, read: Examples, figure: Figure) -> None:
    """Where images lie on the line from the mean text (0) to the mean image."""
    axes = figure.subplots()
    records = [one for one in board.done if one.protocol == "modality-gap" and one.encoder != "control:constant"]
    datasets = list(dict.fromkeys(one.dataset for one in records))
    for record in records:
        rows = read(record)
        assert rows is not None
        label = f"{short(record.encoder)} on {record.dataset}: gap {record.metrics['gap'].value:.2f}"
        style = {"linestyle": ":" if record.encoder_kind == "control" else "-", "color": f"C{datasets.index(record.dataset)}"}
        axes.hist(rows["score"], bins=np.linspace(-0.2, 1.1, 66), density=True, histtype="step", label=label, **style)
    axes.axvline(0, color="black", linewidth=0.8, linestyle="--", label="the mean text")
    axes.set_xlabel("an image along the line from the mean text to the mean image; its mean is the gap")
    axes.set_yticks([])
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def equivariance(board: Board, read: Examples, figure: Figure) -> None:
    """How well each operator finds the turned view, beside chance and beside doing nothing."""
    axes = figure.subplots()
    records = [one for one in board.done if one.task == "equivariance/furniture"]
    ways = {"identity-mrr": "none", "blind-mrr": "blind to the turn", "mrr": "linear, one a turn", "lie-mrr": "one rotation"}
    width = 0.8 / len(ways)
    for place, (metric, words) in enumerate(ways.items()):
        found = [record.metrics[metric] for record in records]
        value = np.array([one.value for one in found])
        ends = np.array([[one.value - (one.low or one.value), (one.high or one.value) - one.value] for one in found]).T
        at = np.arange(len(records)) + (place - 1.5) * width
        axes.bar(at, value, width * 0.9, yerr=np.maximum(ends, 0), error_kw={"elinewidth": 0.8}, label=words)
    axes.axhline(records[0].chance, color="grey", linewidth=0.8, linestyle=":", label="chance")
    axes.set_xticks(range(len(records)), [short(one.encoder) for one in records], fontsize="small")
    axes.set_ylabel("mean reciprocal rank of the true view")
    axes.legend(fontsize="x-small", title="operator", title_fontsize="x-small")


def similarity(store: Path, figure: Figure) -> None:
    """The three similarities of every pair of demo encoders, on digits."""
    specs = (
        "packaged:efficientnet-lite0,size=64",
        "joined:lite0+minilm,size=64",
        "random:efficientnet_lite0,size=64",
        "control:pixels,size=16",
    )
    dataset = open_dataset(load_catalogue().dataset("digits"))
    tables = {metric: np.eye(len(specs)) for metric in METRICS}
    for a, b in itertools.combinations(range(len(specs)), 2):
        pair = specs[a], specs[b]
        for metric, one in compare_encoders(pair, dataset, "test", 359, ExtractOptions(), LoadOptions(), store).items():
            tables[metric][a, b] = tables[metric][b, a] = one.value
    names = [short(one) for one in specs]
    for axes, (metric, table) in zip(figure.subplots(1, len(tables)), tables.items(), strict=True):
        axes.imshow(table, vmin=0, vmax=1, cmap="viridis")
        for (row, column), value in np.ndenumerate(table):
            ink = "white" if value < 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=8)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize="x-small")
        axes.set_yticks(range(len(names)), names if metric == "cka" else [], fontsize="x-small")
        axes.set_title(metric, fontsize="medium")
