"""Figures of what is asked of a probe's predictions, drawn from records: `python docs/figures.py` calls these."""

from __future__ import annotations

import numpy as np
from figures_of_geometry import short
from matplotlib.figure import Figure

from repbench.leaderboard.gather import Examples
from repbench.leaderboard.tables import Board
from repbench.measure import calibration as measure
from repbench.protocols.ood import SCORES


def calibration(board: Board, read: Examples, figure: Figure) -> None:
    """Reliability before and after the temperature, with the error of equal-mass bins; right, the risk against the coverage."""
    before, after, risk = figure.subplots(1, 3)
    for place, record in enumerate(one for one in board.done if one.task == "calibration/furniture"):
        rows = read(record)
        assert rows is not None
        credit, color = rows["credit"].to_numpy(), f"C{place}"
        for axes, column, when in ((before, "confidence before", "before"), (after, "confidence", "after")):
            bins = measure.bins_of(rows[column].to_numpy(), credit, equal_mass=True)
            at, share = ([one[name] for one in bins] for name in ("confidence", "accuracy"))
            label = f"ECE {record.metrics[f'ece-mass-{when}'].value:.2f}"
            axes.plot(at, share, marker="o", markersize=2.5, linewidth=1, color=color, label=label)
        sure = rows["confidence"].to_numpy()
        coverage = np.arange(1, len(credit) + 1) / len(credit)
        label = f"{short(record.encoder)}: AURC {record.metrics['aurc'].value:.2f}"
        risk.plot(coverage, measure.risks(sure, credit), linewidth=1.2, color=color, label=label)
    for axes, when in ((before, "before"), (after, "after")):
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
        axes.set(xlabel="confidence", ylabel="share right", title=f"reliability, {when} the temperature", ylim=(-0.03, 1.03))
    risk.set(xlabel="coverage: the share that it is surest of", ylabel="share wrong", title="risk against coverage")
    for axes in (before, after, risk):
        axes.title.set_fontsize("medium")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="xx-small", loc="lower right" if axes is risk else "upper left")
    risk.set_ylim(-0.45, 1.03)  # room for the legend
    risk.set_yticks(np.linspace(0, 1, 6))


def ood(board: Board, read: Examples, figure: Figure) -> None:
    """AUROC of each score, a panel a dataset (at most three)."""
    datasets = sorted({one.dataset for one in board.done if one.protocol == "ood"})[-3:]
    for axes, dataset in zip(figure.subplots(1, len(datasets), sharey=True, squeeze=False)[0], datasets, strict=True):
        records = [one for one in board.done if one.task == f"ood/{dataset}"]
        width = 0.8 / len(SCORES)
        for place, score in enumerate(SCORES):
            found = [record.metrics[f"auroc-{score}"] for record in records]
            value = np.array([one.value for one in found])
            ends = np.array([[one.value - (one.low or one.value), (one.high or one.value) - one.value] for one in found]).T
            at = np.arange(len(records)) + (place - (len(SCORES) - 1) / 2) * width
            axes.bar(at, value, width * 0.9, yerr=np.maximum(ends, 0), error_kw={"elinewidth": 0.8}, label=score)
        axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
        axes.set_xticks(
            range(len(records)), [short(one.encoder) for one in records], fontsize="x-small", rotation=30, ha="right"
        )
        axes.set_title(dataset, fontsize="medium")
    figure.axes[0].set_ylabel("AUROC, familiar against foreign")
    figure.axes[0].set_ylim(0, 1)
    figure.axes[len(figure.axes) // 2].legend(fontsize="x-small")


def groups(board: Board, read: Examples, figure: Figure) -> None:
    """Accuracy in each group, with the interval of the record; the worst is what is ranked."""
    tasks = [one for one in ("groups/furniture", "groups/emoji", "groups/waterstamps") if one in board.tasks]
    wanted = {"groups/furniture": "light", "groups/emoji": "style", "groups/waterstamps": "group"}
    for axes, task in zip(np.atleast_1d(figure.subplots(1, len(tasks), sharey=True)), tasks, strict=True):
        records = [one for one in board.done if one.task == task]
        for place, record in enumerate(records):
            own = record.diagnostics["groups"][wanted[task]]
            at = np.arange(len(own)) + (place - (len(records) - 1) / 2) * 0.15
            value = np.array([one["accuracy"] for one in own])
            ends = [value - [one["low"] for one in own], [one["high"] for one in own] - value]
            label = f"{short(record.encoder)}: worst {value.min():.2f}"
            axes.errorbar(at, value, yerr=ends, fmt="o", markersize=4, color=f"C{place}", label=label, elinewidth=0.8)
            axes.set_xticks(range(len(own)), [one["value"].replace(" on ", "\non ") for one in own], fontsize="x-small")
        axes.set_title(f"{task}, by {wanted[task]}", fontsize="small")
        axes.legend(fontsize="xx-small", loc="upper left", ncols=2)
        axes.grid(alpha=0.3, axis="y")
    figure.axes[0].set_ylabel("accuracy")
    figure.axes[0].set_ylim(0, 1.2)  # room for the legend


def features(board: Board, read: Examples, figure: Figure) -> None:
    """Score by feature of one encoder, tasks side by side: rows NAME[FEATURE] of a run with --features."""
    axes = figure.subplots()
    records = [one for one in board.done if one.encoder.endswith("]")]
    words = list(dict.fromkeys(one.encoder.rpartition("[")[2][:-1] for one in records))
    for place, task in enumerate(dict.fromkeys(one.task for one in records)):
        own = {one.encoder.rpartition("[")[2][:-1]: one.metrics[one.primary] for one in records if one.task == task}
        value = np.array([own[word].value if word in own else np.nan for word in words])
        ends = [[getattr(own[word], end) if word in own else np.nan for word in words] for end in ("low", "high")]
        at = np.arange(len(words)) + 0.04 * place
        axes.errorbar(
            at, value, yerr=[value - ends[0], ends[1] - value], marker="o", markersize=4, color=f"C{place}", label=task
        )
    axes.set_xticks(range(len(words)), words)
    axes.set_xlabel("feature")
    axes.set_ylabel("score")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")


def audio(board: Board, read: Examples, figure: Figure) -> None:
    """What a linear probe reads of sounds: a panel a task, a bar an encoder, chance dotted."""
    tasks = [one for one in ("linear-probe/phones", "linear-probe/speakers", "linear-probe/languages") if one in board.tasks]
    encoders = list(dict.fromkeys(one.encoder for one in board.done))
    for axes, task in zip(np.atleast_1d(figure.subplots(1, len(tasks), sharey=True)), tasks, strict=True):
        records = sorted((one for one in board.done if one.task == task), key=lambda one: encoders.index(one.encoder))
        found = [record.metrics[record.primary] for record in records]
        value = np.array([one.value for one in found])
        ends = np.array([[one.value - (one.low or one.value), (one.high or one.value) - one.value] for one in found]).T
        axes.bar(np.arange(len(records)), value, 0.7, yerr=np.maximum(ends, 0), color="C0", error_kw={"elinewidth": 0.8})
        axes.axhline(records[0].chance, color="grey", linewidth=0.8, linestyle=":")
        axes.set_xticks(
            range(len(records)), [short(one.encoder) for one in records], fontsize="x-small", rotation=30, ha="right"
        )
        axes.set_title(f"{task.partition('/')[2]}, {records[0].primary}", fontsize="medium")
    figure.axes[0].set_ylabel("score")
    figure.axes[0].set_ylim(0, 1.03)
