"""For tasks that train the network: the items that they ask for, numbered, and the network that is trained on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from repbench.datasets.items import Items, Joined
from repbench.embeddings.needs import TrainableModel
from repbench.embeddings.trainable import Trainable
from repbench.encoder import Encoder
from repbench.errors import DataError
from repbench.run.plan import Job, modality_of
from repbench.run.settings import Settings

if TYPE_CHECKING:
    from repbench.trainers.batches import Decoded


@dataclass(frozen=True, kw_only=True)
class ToTrain:
    """What a job trains: the network, and the numbers of the items of each need, int64 (n, 1)."""

    model: Trainable
    rows: Mapping[TrainableModel, np.ndarray]
    skipped: Mapping[str, str]  # key of an item that cannot be decoded -> why


def to_train(job: Job, encoder: Encoder, settings: Settings, log: Callable[[str], None]) -> ToTrain | None:
    """What the job trains; None for one that needs embeddings alone. Raises DataError for an item that cannot be decoded."""
    needs = [need for need in job.task.needs if isinstance(need, TrainableModel)]
    if not needs:
        return None
    from repbench.trainers.batches import Decoded
    from repbench.trainers.fine_tune import Machine, Network

    assert job.dataset is not None
    items, rows = _numbered(needs, job)
    tower = encoder.towers[modality_of(needs[0], job.dataset)]  # the plan has seen that it is there
    extract = settings.extract
    machine = Machine(device=extract.device, precision=extract.precision, workers=extract.workers)
    folder = settings.store / "fine-tuned" / tower.fingerprint
    images = Decoded(items)
    skipped = _undecodable(images, items) if extract.on_bad_item == "skip" else {}
    model = Network(tower, images, items.keys, folder, machine, lambda line: log(f"{job.task.name}: {line}"))
    return ToTrain(model=model, rows=rows, skipped=skipped)


def _numbered(needs: list[TrainableModel], job: Job) -> tuple[Items, dict[TrainableModel, np.ndarray]]:
    """All items that the needs ask for, one after the other, and where those of each need lie."""
    assert job.dataset is not None
    media = [job.dataset.splits[name].media[need.column] for need in needs for name in need.splits]
    ends = np.cumsum([sum(len(job.dataset.splits[name]) for name in need.splits) for need in needs])
    starts = [0, *ends[:-1].tolist()]
    rows = {need: np.arange(start, end)[:, None] for need, start, end in zip(needs, starts, ends.tolist(), strict=True)}
    return reduce(Joined, media), rows


def _undecodable(images: Decoded, items: Items) -> dict[str, str]:
    found = {}
    for place, key in enumerate(items.keys):
        try:
            images[place]
        except DataError as error:
            found[key] = str(error)
    return found
