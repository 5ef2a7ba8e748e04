"""The quality of an encoder while it trains: a table of task scores by step, and its plot."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from repbench.results.files import write_atomically

COLUMNS = ("run", "step", "task", "metric", "value")


def read_quality(path: Path) -> pd.DataFrame:
    """The table of a CSV, empty where there is none yet."""
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=list(COLUMNS))


def add_quality(path: Path, rows: Iterable[tuple[str, int, str, str, float]]) -> pd.DataFrame:
    """Add rows (run, step, task, metric, value) to a CSV, in place of earlier ones of equal run and step; draw the PNG."""
    added = pd.DataFrame(list(rows), columns=list(COLUMNS))
    known = read_quality(path)
    table = added if known.empty else pd.concat([known, added])
    table = table.drop_duplicates(["run", "step", "task", "metric"], keep="last").sort_values(["run", "task", "metric", "step"])
    write_atomically(path, table.to_csv(index=False))
    draw_quality(table, path.with_suffix(".png"))
    return table


def draw_quality(table: pd.DataFrame, path: Path) -> None:
    """One line a run and task against steps; nothing of an empty table, or where matplotlib is not installed."""
    if table.empty:
        return
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    several = table.run.nunique() > 1
    for (run, task, metric), part in table.groupby(["run", "task", "metric"]):
        label = f"{task} {metric}" + (f", {run}" if several else "")
        axes.plot(part.step, part.value, marker="o", markersize=3, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("primary metric")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
