"""Effective robustness to pose: is accuracy in new poses more than accuracy in the typical pose foretells? (Taori et al. 2020)

    logit(unknown-new) = a + b logit(unknown-typical)

The line is fitted by least squares through all other encoders of the board, never through the one that is judged; the
interval is the 95 % prediction interval for one more. An encoder beyond it is robust in a way that accuracy does not explain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t

from repbench.leaderboard.tables import Board

PROTOCOL, TYPICAL, NEW = "pose-robustness", "unknown-typical", "unknown-new"
LEAST = 4  # other encoders, below which no line is told


@dataclass(frozen=True, kw_only=True)
class Effective:
    """Accuracy in new poses as measured, and as foretold by the line with its interval; those are None where there is none."""

    task: str
    encoder: str
    typical: float
    measured: float
    foretold: float | None
    low: float | None
    high: float | None


def foretold_by(x: np.ndarray, y: np.ndarray, at: float) -> tuple[float, float, float] | None:
    """The line through x and y (n,) at a place, with its 95 % prediction interval; None for fewer than LEAST or x all equal."""
    n = len(x)
    if n < LEAST or not np.ptp(x):
        return None
    slope, start = np.polyfit(x, y, 1)
    line = start + slope * at
    left = float(((y - start - slope * x) ** 2).sum())
    half = t.ppf(0.975, n - 2) * math.sqrt(left / (n - 2) * (1 + 1 / n + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()))
    return float(line), float(line - half), float(line + half)


def effective(board: Board) -> list[Effective]:
    """Every encoder of every pose task. Accuracies of 0 and 1 count as half an example away from them."""
    by_task: dict[str, list[tuple[str, float, float, float]]] = {}
    for record in sorted(board.done, key=lambda one: (one.task, one.encoder)):
        if record.protocol == PROTOCOL and {TYPICAL, NEW} <= record.metrics.keys():
            typical, new = (record.metrics[name].value for name in (TYPICAL, NEW))
            by_task.setdefault(record.task, []).append((record.encoder, typical, new, 0.5 / record.n))
    found = []
    for task, rows in by_task.items():
        x, y = (logit([min(max(row[place], row[3]), 1 - row[3]) for row in rows]) for place in (1, 2))
        for place, (encoder, typical, measured, _) in enumerate(rows):
            others = np.arange(len(rows)) != place
            told = foretold_by(x[others], y[others], x[place])
            line = (None, None, None) if told is None else tuple(float(expit(one)) for one in told)
            found.append(
                Effective(
                    task=task,
                    encoder=encoder,
                    typical=typical,
                    measured=measured,
                    foretold=line[0],
                    low=line[1],
                    high=line[2],
                )
            )
    return found


def effective_section(board: Board) -> list[str]:
    """Measured beside foretold as a section of a Markdown document; nothing where no line can be drawn."""
    from tabulate import tabulate

    every = [one for one in effective(board) if one.foretold is not None]
    if not every:
        return []
    rows = [
        [one.task, one.encoder.replace("|", "\\|"), f"{one.typical:.3f}", f"{one.measured:.3f}", _line(one), _verdict(one)]
        for one in every
    ]
    headers = ["task", "encoder", TYPICAL, NEW, "foretold by the others", ""]
    return [
        "## Robustness to pose beyond accuracy",
        str(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)),
        f"Foretold: {NEW} on a line through the logits of the other encoders, controls among them, with its 95 % prediction"
        " interval for one more encoder (effective robustness, Taori et al. 2020).",
    ]


def _line(one: Effective) -> str:
    return f"{one.foretold:.3f} ({one.low:.3f} to {one.high:.3f})"


def _verdict(one: Effective) -> str:
    assert one.low is not None
    assert one.high is not None
    return "above" if one.measured > one.high else "below" if one.measured < one.low else ""
