"""The reference runs: each method beside its twin, with several seeds, written to docs/reference-results.md.

`python reference/make.py` trains (runs that were interrupted go on, what is done is not done again), evaluates with
`repbench run`'s own parts, and writes the tables. `--only fashion` takes one dataset,
`--seeds 1 --epochs 1 --limit 60` is a quick look that shows that it works; its tables say so.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from tabulate import tabulate

import repbench
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.shares import aligned, by_cluster, shares_of
from repbench.measure.significance import holm, paired_p_values

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference-results.md"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A method and the twin that it must beat, on the tasks of one dataset. A twin "random" is the method after no epoch."""

    method: str
    dataset: str
    tasks: str
    twin: str = "random"


IMAGES = ("simclr", "vicreg", "barlow-twins", "byol", "dino", "mae", "alignment-uniformity", "cpc-image", "supervised")
COMPARISONS = (
    *(Comparison(method=method, dataset="fashion", tasks="linear-probe/fashion,knn/fashion") for method in IMAGES),
    Comparison(method="cpc-audio", dataset="speakers", tasks="linear-probe/speakers,knn/speakers"),
    Comparison(method="clip", dataset="emoji", tasks="zero-shot/emoji"),
    Comparison(method="blip", dataset="emoji", tasks="zero-shot/emoji"),
    *(
        Comparison(method=f"lie-{base}", twin=base, dataset="furniture", tasks="linear-probe/furniture,knn/furniture")
        for base in ("simclr", "vicreg", "mae")
    ),
)


def main() -> None:
    """Train and evaluate what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "leaderboard" / "reference-runs", help="folder of runs and records")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", help="one dataset")
    parser.add_argument("--epochs", type=int, help="instead of each method's default: a quick look")
    parser.add_argument("--limit", type=int, help="examples a split: a quick look")
    arguments = parser.parse_args()
    chosen = [one for one in COMPARISONS if arguments.only in (None, one.dataset)]
    rows = []
    for one in chosen:
        for seed in range(arguments.seeds):
            for method in (one.method, one.twin):
                train_and_evaluate(one, method, seed, arguments)
        rows += compared(one, arguments.work / "results", arguments.seeds)
        write(rows, arguments)


def encoder_name(one: Comparison, method: str, seed: int) -> str:
    """The row of a run: the method, or "random-METHOD" for its random twin, the dataset and the seed."""
    return f"{f'random-{one.method}' if method == 'random' else method}-{one.dataset}-{seed}"


def train_and_evaluate(one: Comparison, method: str, seed: int, arguments: argparse.Namespace) -> None:
    """One run of one seed; what has its file is not trained again."""
    name = encoder_name(one, method, seed)
    out = arguments.work / "runs" / f"{name}.safetensors"
    epochs: dict[str, Any] = {"epochs": 0} if method == "random" else {"epochs": arguments.epochs}
    if not out.exists():
        print(name, flush=True)
        kind = one.method if method == "random" else method
        repbench.train(kind, one.dataset, out=out, seed=seed, limit=arguments.limit, **epochs)
    spec = f"trained:{out},name={name}"
    repbench.evaluate(
        spec, one.tasks, out=arguments.work / "results", store=arguments.work / "store", limit=arguments.limit, quiet=True
    )


def compared(one: Comparison, results: Path, seeds: int) -> list[list[Any]]:
    """A row for each task: both means over seeds with 95 % intervals (t), the gain, and the paired test of the examples.

    The test is of the examples' outcomes, each averaged over the seeds: method and twin are swapped example by example.
    """
    board, read = open_board([results])
    rows = []
    for task in one.tasks.split(","):
        records = {record.encoder: record for record in board.done if record.task == task}
        sides = [[records[encoder_name(one, method, seed)] for seed in range(seeds)] for method in (one.method, one.twin)]
        values = [np.array([record.value.value for record in side if record.value is not None]) for side in sides]
        outcomes, clusters, _ = aligned([shares_of(record, read(record)) for side in sides for record in side])
        outcomes = by_cluster(outcomes, clusters)
        ours, theirs = outcomes[:seeds].mean(0), outcomes[seeds:].mean(0)
        p = float(paired_p_values(ours, theirs[None], 0)[0])
        twin = "random twin" if one.twin == "random" else one.twin
        rows.append([task, one.method, twin, *map(interval, values), 100 * (values[0].mean() - values[1].mean()), p])
    return rows


def interval(values: np.ndarray) -> str:
    """Mean and half the 95 % interval over seeds, in percent."""
    if len(values) < 2:
        return f"{100 * values.mean():.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{100 * values.mean():.1f} ± {100 * half:.1f}"


def write(rows: Sequence[Sequence[Any]], arguments: argparse.Namespace) -> None:
    """The page, with p-values corrected by Holm over all of its rows."""
    corrected = holm(np.array([row[-1] for row in rows]))
    shown = [[*row[:-2], f"{row[-2]:+.1f}", f"{p:.2g}"] for row, p in zip(rows, corrected, strict=True)]
    headers = ["task", "method", "twin", "method, %", "twin, %", "gain", "p (Holm)"]
    quick = " **A quick look: not the defaults, not all examples.**" if arguments.limit or arguments.epochs else ""
    text = (
        "# Results of the reference trainers\n\n"
        f"Written by `python reference/make.py`: {arguments.seeds} seeds, the defaults of docs/training.md.{quick} Means over "
        "seeds with 95 % intervals (t); p of the paired test over test examples, each averaged over the seeds, corrected over "
        "the rows.\n\n" + tabulate(shown, headers=headers, tablefmt="github", disable_numparse=True) + "\n"
    )
    arguments.page.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
