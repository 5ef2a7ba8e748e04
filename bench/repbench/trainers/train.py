"""One run from an opened dataset to a file: method, loop, export."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from repbench.datasets.dataset import Dataset
from repbench.errors import DataError
from repbench.strict import build
from repbench.trainers.batches import Examples
from repbench.trainers.bounds import check_options
from repbench.trainers.distributed import process_group, rank, wait_for_all
from repbench.trainers.files import RunFiles, draw_curve
from repbench.trainers.loop import Hooks, Log, fit
from repbench.trainers.method import Method, MethodFile, Parts
from repbench.trainers.seeds import seed_of
from repbench.trainers.settings import TrainSettings

SPLIT = "train"  # validation and test stay unseen


def train_to_file(
    method: MethodFile,
    dataset: Dataset,
    settings: TrainSettings,
    options: Mapping[str, Any],
    files: RunFiles,
    log: Log,
    hooks: Hooks,
) -> None:
    """Train a method on the split `train` and write the files of the run; a run that was interrupted goes on.

    Raises UsageError for unknown options, DataError without a split `train`, TrainingError for a loss that is not finite.
    """
    chosen: Any = build(method.options, options, f"options of {method.name}")
    check_options(chosen)
    with process_group(settings.device), torch.random.fork_rng(devices=[]):
        parts = parts_of(dataset, settings)
        built = make_method(method, parts, chosen)
        identity = {
            "method": method.name,
            "options": asdict(chosen),
            "settings": settings.facts,
            "data": {"dataset": dataset.name, "split": SPLIT, "fingerprint": dataset.fingerprint((SPLIT,))},
        }
        quiet = (lambda line: None) if rank() else log
        if rank() == 0:
            files.weights.parent.mkdir(parents=True, exist_ok=True)
        run = fit(built, Examples(built.example, parts.split.label, settings.seed), settings, files, identity, quiet, hooks)
        if rank() == 0:
            if files.describes({**identity, "steps": run.step}):
                log(f"{files.weights} is there already")
            else:
                export(files, run.kept, identity, run.step, run.rows)
                draw_curve(files.plot, run.rows, quiet)
                log(f"wrote {files.weights}")
        wait_for_all()  # the others read what the first has written


def export(
    files: RunFiles, method: Method, identity: Mapping[str, Any], step: int, rows: Sequence[Mapping[str, float]]
) -> None:
    """Write what is kept of a method after `step` steps, with a description of the run so far."""
    facts = {**identity, "steps": step, "curve": list(rows), "versions": versions()}
    if (scale := method.logit_scale()) is not None:
        facts["logit scale"] = scale
    files.export(method.towers(), facts)


def parts_of(dataset: Dataset, settings: TrainSettings) -> Parts:
    """What a method is built from. Raises DataError where the dataset has no training split."""
    if SPLIT not in dataset.splits:
        raise DataError(f"{dataset.name} has no split {SPLIT!r} to train on; it has {', '.join(dataset.splits)}.")
    declaration = dataset.declaration
    medium = declaration.medium
    return Parts(split=dataset.splits[SPLIT], medium=medium, modality=declaration.columns[medium], settings=settings)


def make_method(method: MethodFile, parts: Parts, options: Any) -> Method:
    """The method with the weights of its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(parts.settings.seed, "weights"))
        return method.make(parts, options)


def versions() -> dict[str, str]:
    """Versions of repbench (with the commit, in a checkout), torch and timm."""
    import timm

    from repbench import __version__

    found = {"repbench": __version__, "torch": torch.__version__, "timm": timm.__version__}
    root = Path(__file__).resolve().parents[3]
    # An installed copy may lie below a repository of the reader's own, whose commit says nothing about it.
    if _git(root, "rev-parse", "--show-toplevel") != str(root):
        return found
    commit = _git(root, "describe", "--always", "--dirty")
    return found | ({"commit": commit} if commit else {})


def _git(folder: Path, *words: str) -> str:
    """What git answers there; nothing without git or a repository."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
