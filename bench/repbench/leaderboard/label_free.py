"""How well does a metric without labels foretell the probes of this board? Spearman's correlation over its encoders.

The interval is Bonett and Wright's (2000): Fisher's z with the standard error sqrt((1 + r^2 / 2) / (n - 3)). Where two rankings
agree altogether, z is that of half the least disagreement that n encoders can have, since one more encoder may break it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from repbench.leaderboard.tables import Board
from repbench.results.record import Record

FREE = ("alignment-uniformity", "spectrum", "lidar")
PROBES = ("linear-probe", "knn")
LEAST = 5  # encoders below which no correlation is told
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Foretold:
    """One metric without labels beside the primary metric of one probe of the same dataset, over `n` encoders that have both.

    `rho` and its interval are None for fewer than five encoders, or where one of the two is the same for all. A loss that
    foretells well has a negative one: nothing is turned round.
    """

    dataset: str
    protocol: str
    metric: str
    primary: bool
    probe: str
    n: int
    controls: int
    rho: float | None
    low: float | None
    high: float | None


def spearman(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float] | None:
    """Correlation of ranks (ties share theirs) of x and y, (n,) each, with its interval of 95 %; None where one is constant."""
    a, b = rankdata(x), rankdata(y)
    if not np.ptp(a) or not np.ptp(b):
        return None
    n, rho = len(a), float(np.corrcoef(a, b)[0, 1].round(12))
    most = 1 - 6 / (n * (n * n - 1))  # a swap of two neighbours would cost twice as much
    inner = min(max(rho, -most), most)
    half = float(norm.ppf((1 + LEVEL) / 2)) * np.sqrt((1 + inner**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(inner) - half), np.tanh(np.arctanh(inner) + half)
    return rho, min(rho, float(low)), max(rho, float(high))


def foretold(board: Board) -> list[Foretold]:
    """Every metric of every label-free task beside every probe of its dataset, in the order of their names."""
    by_task: dict[str, dict[str, Record]] = {}
    for record in board.done:
        by_task.setdefault(record.task, {})[record.encoder] = record
    found: list[Foretold] = []
    for protocol in FREE:
        for task in sorted(one for one in by_task if one.startswith(f"{protocol}/")):
            dataset = task.partition("/")[2]
            for probe in (one for one in PROBES if f"{one}/{dataset}" in by_task):
                found += _beside(by_task[task], by_task[f"{probe}/{dataset}"])
    return sorted(found, key=lambda one: (one.dataset, FREE.index(one.protocol), not one.primary, one.metric, one.probe))


def _beside(free: Mapping[str, Record], probe: Mapping[str, Record]) -> list[Foretold]:
    found = []
    one = next(iter(free.values()))
    judge = next(iter(probe.values()))
    for metric in sorted({name for record in free.values() for name in record.metrics}):
        pairs = {
            encoder: (free[encoder].metrics[metric].value, value.value)
            for encoder in sorted(free.keys() & probe.keys())
            if metric in free[encoder].metrics and (value := probe[encoder].value) is not None
        }
        kept = {encoder: pair for encoder, pair in pairs.items() if np.isfinite(pair).all()}
        x, y = (np.array([pair[place] for pair in kept.values()]).round(6) for place in (0, 1))
        told = spearman(x, y) if len(kept) >= LEAST else None
        rho, low, high = told if told is not None else (None, None, None)
        found.append(
            Foretold(
                dataset=one.dataset,
                protocol=one.protocol,
                metric=metric,
                primary=metric == one.primary,
                probe=judge.protocol,
                n=len(kept),
                controls=sum(free[encoder].encoder_kind == "control" for encoder in kept),
                rho=rho,
                low=low,
                high=high,
            )
        )
    return found


def foretold_section(board: Board) -> list[str]:
    """The correlations as a section of a Markdown document; nothing where no dataset has a label-free metric and a probe."""
    from tabulate import tabulate

    every = foretold(board)
    if not every:
        return []
    rows: dict[tuple[str, str, str], dict[str, Foretold]] = {}
    for one in every:
        if one.n >= LEAST:
            rows.setdefault((one.dataset, one.protocol, one.metric), {})[one.probe] = one
    few = sorted({(one.dataset, one.n) for one in every if one.n < LEAST and one.primary})
    parts = ["## What metrics without labels foretell"]
    if rows:
        cells = [[*key, *(_cell(found.get(probe)) for probe in PROBES)] for key, found in rows.items()]
        headers = ["dataset", "protocol", "metric", *PROBES]
        parts += [str(tabulate(cells, headers=headers, tablefmt="github", disable_numparse=True)), _legend(every)]
    if few:
        told = ", ".join(f"{dataset} ({n})" for dataset, n in few)
        parts.append(f"Fewer than {LEAST} encoders have both, too few for a correlation: {told}.")
    return parts


def _legend(every: list[Foretold]) -> str:
    controls = max(one.controls for one in every)
    among = f", up to {controls} controls among them (they widen the range, and with it the correlation)" if controls else ""
    return (
        f"Spearman's correlation with the primary metric of the probe on the same dataset, interval of 95 %, and over how many"
        f" encoders{among}. Signs are as they are: a loss (alignment, uniformity) that foretells well is negative."
    )


def _cell(one: Foretold | None) -> str:
    if one is None or one.rho is None:
        return "–" if one is None else "– (all equal)"
    return f"{one.rho:.2f} ({one.low:.2f} to {one.high:.2f}), {one.n}"
