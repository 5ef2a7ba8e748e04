"""From an encoder's tower and the items of a dataset to class scores, fit by fit; what is done is never done again.

Every fit has a name made of all that decides it. Its scores lie under that name in a folder; while it runs, the state from
which an interrupted fit goes on lies there too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repbench.digests import digest_json
from repbench.embeddings.embedded import TestSplit, TuningSplit
from repbench.embeddings.trainable import Recipe
from repbench.encoder import Tower
from repbench.errors import DivergedError
from repbench.results.files import write_atomically
from repbench.trainers.batches import Decoded, Examples, fit_batch
from repbench.trainers.files import RunFiles
from repbench.trainers.fine_tuning import FineTuned, centred, set_norm_momentum
from repbench.trainers.loop import Hooks, Log, fit
from repbench.trainers.seeds import seed_of
from repbench.trainers.settings import TrainSettings

VERSION = 1  # raised when an equal fit would give other scores
ASKED = 64  # items that are scored at once
TOLD = 1000  # steps between two lines of progress


@dataclass(frozen=True, kw_only=True)
class Machine:
    """How fits are computed: nothing here is part of the question."""

    device: str = "cpu"
    precision: str = "fp32"  # or bf16, by autocast
    workers: int = 0
    save_every: float = 30.0  # seconds between two saved states


class _Files(RunFiles):
    """Of a fit only the state is kept, and that only while it runs."""

    def write_curve(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Nothing."""


class Network:
    """A tower to train: a `Trainable` (embeddings/trainable.py). `keys` are the contents of its items."""

    def __init__(
        self,
        tower: Tower,
        images: Decoded,
        keys: Sequence[str],
        folder: Path,
        machine: Machine,
        log: Log,
        stepped: Callable[[int], None] = lambda step: None,
    ) -> None:
        self._tower, self._images, self._keys = tower, images, keys
        self._folder, self._machine, self._log, self._stepped = folder, machine, log, stepped

    def scores(self, on: Sequence[TuningSplit], ask: TuningSplit | TestSplit, recipe: Recipe, seed: int) -> np.ndarray:
        """Class scores float32 (n, classes) of `ask` from the network trained on `on`. Raises DivergedError."""
        rows = np.concatenate([split.x[:, 0] for split in on])
        label = np.concatenate([split.label for split in on])
        classes = len(ask.class_names)
        name = self._name(rows, label, ask.x[:, 0], classes, recipe, seed)
        kept, diverged = self._folder / f"{name}.npy", self._folder / f"{name}.diverged"
        if diverged.is_file():
            raise DivergedError(diverged.read_text(encoding="utf-8"))
        if (found := _read(kept, (len(ask), classes))) is not None:
            return found
        self._folder.mkdir(parents=True, exist_ok=True)
        files = _Files(self._folder / f"{name}.safetensors")
        try:
            with torch.random.fork_rng(devices=[]), _exact():
                scores = self._ask(self._trained(rows, label, classes, recipe, seed, files), ask.x[:, 0])
        except DivergedError as error:
            write_atomically(diverged, str(error))
            files.state.unlink(missing_ok=True)
            raise
        _write(kept, scores)
        files.state.unlink(missing_ok=True)
        return scores

    def _name(self, rows: np.ndarray, label: np.ndarray, asked: np.ndarray, classes: int, recipe: Recipe, seed: int) -> str:
        """Digest of all that decides the scores of a fit."""
        return digest_json(
            {
                "version": VERSION,
                "tower": self._tower.fingerprint,
                "recipe": asdict(recipe),
                "seed": seed,
                "precision": self._machine.precision,
                "classes": classes,
                "labels": label.tolist(),
                "items": [self._keys[row] for row in rows],
                "asked": [self._keys[row] for row in asked],
            }
        )

    def _trained(
        self, rows: np.ndarray, label: np.ndarray, classes: int, recipe: Recipe, seed: int, files: RunFiles
    ) -> FineTuned:
        torch.manual_seed(seed_of(seed, "weights"))
        method = FineTuned(self._tower, classes, self._images, rows.tolist(), recipe)
        set_norm_momentum(method.network, max(1, len(rows) // fit_batch(len(rows), recipe.batch_size)))
        about = f"rate {recipe.rate:.2g}, decay {recipe.rate * recipe.weight_decay:.2g}, {len(rows)} items"
        self._log(f"{about}: {recipe.steps} steps{', going on' if files.state.is_file() else ''}")

        def stepped(step: int) -> None:
            if step % TOLD == 0:
                self._log(f"{about}: step {step} of {recipe.steps}")
            self._stepped(step)

        examples = Examples(method.example, label, seed)
        identity = {"fit": files.weights.stem}
        fit(method, examples, _settings(recipe, seed, self._machine), files, identity, _quiet, Hooks(step=stepped))
        return method

    @torch.no_grad()
    def _ask(self, method: FineTuned, asked: np.ndarray) -> np.ndarray:
        """Class scores of the items at the rows `asked`, without a random view."""
        prepare = centred(method.preprocess)
        device = torch.device(self._machine.device)
        method.eval()
        found = []
        for start in range(0, len(asked), ASKED):
            view = torch.stack([prepare.pixels(self._images[row]) for row in asked[start : start + ASKED].tolist()])
            with torch.autocast(device.type, torch.bfloat16, enabled=self._machine.precision == "bf16"):
                found.append(method.logits(view.to(device)).cpu().numpy())
        return np.concatenate(found)


def _settings(recipe: Recipe, seed: int, machine: Machine) -> TrainSettings:
    return TrainSettings(
        arch="",  # that of the tower
        epochs=0,
        steps=recipe.steps,
        batch_size=recipe.batch_size,
        optimizer="sgd",
        lr=recipe.rate,
        weight_decay=recipe.weight_decay,
        warmup=0.0,
        seed=seed,
        precision=machine.precision,
        device=machine.device,
        workers=machine.workers,
        save_every=machine.save_every,
    )


@contextlib.contextmanager
def _exact() -> Iterator[None]:
    """On CUDA the same numbers each time, and fp32 in full: cuDNN would round the inputs of convolutions."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


def _quiet(line: str) -> None:
    """No progress."""


def _read(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Scores that are kept; None where there are none, or a damaged file."""
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def _write(path: Path, scores: np.ndarray) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "wb") as stream:
        np.save(stream, scores, allow_pickle=False)
    os.replace(temporary, path)
