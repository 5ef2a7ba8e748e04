"""The files of one run, beside each other: weights, description, curve, and the state from which it goes on."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from repbench.digests import digest_bytes
from repbench.errors import TrainingError, UsageError
from repbench.results.files import write_atomically
from repbench.trainers.method import TrainedTower

ENDING = ".safetensors"


@dataclass(frozen=True)
class RunFiles:
    """`weights` is FILE.safetensors; the others lie beside it under its name."""

    weights: Path

    def __post_init__(self) -> None:
        if self.weights.suffix != ENDING:
            raise UsageError(f"--out {self.weights}: a trained encoder is a file that ends in {ENDING}.")

    @property
    def description(self) -> Path:
        """JSON: method, architecture, preprocessing, data, versions, losses."""
        return self.weights.with_suffix(".json")

    @property
    def curve(self) -> Path:
        """CSV: a row an epoch, the last of what part of one the run ends in."""
        return self.weights.with_suffix(".csv")

    @property
    def plot(self) -> Path:
        """PNG of the curve."""
        return self.weights.with_suffix(".png")

    def at_epoch(self, epoch: float) -> RunFiles:
        """The files of a snapshot: FILE-epoch-5.safetensors."""
        return RunFiles(self.weights.with_name(f"{self.weights.stem}-epoch-{epoch:g}{ENDING}"))

    @property
    def state(self) -> Path:
        """What an interrupted run goes on from."""
        return self.weights.with_suffix(".state.pt")

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write the state so that a reader sees the old one or the new one, whenever the process is killed."""
        temporary = self.state.with_name(f".{self.state.name}.{os.getpid()}.tmp")
        torch.save(dict(state), temporary)
        os.replace(temporary, self.state)

    def load_state(self) -> dict[str, Any] | None:
        """The saved state, or None. Raises TrainingError when it is damaged."""
        if not self.state.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.state, map_location="cpu", weights_only=True)
        except Exception as error:
            raise TrainingError(f"{self.state} is damaged ({error}). Delete it to begin anew.") from error
        return state

    def export(self, towers: Mapping[str, TrainedTower], facts: Mapping[str, Any]) -> None:
        """Write the description with the digest of the weights, then the weights: who finds weights finds what they are."""
        tensors = {}
        for modality, tower in towers.items():
            for part, module in (("network", tower.network), ("head", tower.head)):
                for name, value in (module.state_dict() if module is not None else {}).items():
                    tensors[f"{modality}.{part}.{name}"] = value.detach().cpu().contiguous().clone()
        data = save(tensors)
        description = {
            "format": "repbench trained encoder 1",
            **facts,
            "towers": {modality: dict(tower.facts) for modality, tower in towers.items()},
            "weights digest": digest_bytes(data),
        }
        write_atomically(self.description, json.dumps(description, indent=2) + "\n")
        temporary = self.weights.with_name(f".{self.weights.name}.{os.getpid()}.tmp")
        temporary.write_bytes(data)
        os.replace(temporary, self.weights)

    def describes(self, facts: Mapping[str, Any]) -> bool:
        """Whether weights of these facts lie there whole, so that they keep the description of what made them."""
        if not (self.description.is_file() and self.weights.is_file()):
            return False
        try:
            told = json.loads(self.description.read_text(encoding="utf-8"))
        except ValueError:
            return False
        same = all(told.get(name) == value for name, value in json.loads(json.dumps(dict(facts))).items())
        return same and told.get("weights digest") == digest_bytes(self.weights.read_bytes())

    def write_curve(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The curve as CSV."""
        if not rows:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.curve, text.getvalue())


def draw_curve(path: Path, rows: Sequence[Mapping[str, Any]], log: Callable[[str], None]) -> None:
    """Loss and learning rate against epochs; nothing where there is no epoch, and a word where matplotlib is not installed."""
    if not rows:
        return
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        log(f"{path.name} is not drawn, for matplotlib is not installed: pip install 'repbench[train]'")
        return
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    epochs = [row["epoch"] for row in rows]
    left.plot(epochs, [row["loss"] for row in rows], color="C0", marker="." if len(rows) < 40 else "")
    left.set_xlabel("epoch")
    left.set_ylabel("loss, mean of the epoch", color="C0")
    right = left.twinx()
    right.plot(epochs, [row["learning_rate"] for row in rows], color="C1", linestyle=":")
    right.set_ylabel("learning rate", color="C1")
    figure.savefig(path, dpi=120)
