"""For runs in reduced precision: what the precision did to the embeddings, measured on a sample and written into the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from repbench.embeddings.extract import Work, extract
from repbench.embeddings.fidelity import SAMPLE, fidelity, spread
from repbench.embeddings.needs import Need
from repbench.embeddings.store import Address, Shelf
from repbench.embeddings.views import view_size
from repbench.encoder import Tower
from repbench.errors import RepbenchError
from repbench.run.plan import Job, modality_of
from repbench.run.settings import Settings


class FidelityNotes:
    """Measures each dataset and modality of a run once. The float32 embeddings of the sample go to the store like others."""

    def __init__(self, towers: Mapping[str, Tower], settings: Settings) -> None:
        self._towers, self._settings = towers, settings
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def of(self, job: Job, shelves: Mapping[Address, Shelf]) -> dict[str, dict[str, Any]]:
        """Modality -> cosines and flipped neighbours of a sample of the job's items; nothing for a run in fp32."""
        if self._settings.extract.precision == "fp32":
            return {}
        assert job.dataset is not None
        found: dict[str, dict[str, Any]] = {}
        for need, work in job.works:
            modality = modality_of(need, job.dataset)
            if modality in found:
                continue
            key = (job.dataset.name, modality)
            if key not in self._known:
                self._known[key] = self._measure(job, need, work, shelves[work.address])
            found[modality] = self._known[key]
        return found

    def _measure(self, job: Job, need: Need, work: Work, shelf: Shelf) -> dict[str, Any]:
        absent = set(shelf.missing(work.keys))
        there = [place for place, key in enumerate(work.keys) if key not in absent]
        chosen = [there[place] for place in spread(len(there), SAMPLE)]
        sample = Work(
            address=replace(work.address, precision="fp32"),
            view=work.view,
            keys=tuple(work.keys[place] for place in chosen),
            places=tuple(work.places[place] for place in chosen),
        )
        exact = Shelf(self._settings.store, sample.address)
        tower = self._towers[work.address.tower]
        try:
            extract(sample, tower, exact, replace(self._settings.extract, precision="fp32"))
        except RepbenchError as error:  # a note is missing then, and no number is wrong
            return {"not measured": str(error)}
        label = np.repeat(_labels(job, need, sample.keys), view_size(work.view))
        return asdict(fidelity(_rows(exact, sample.keys), _rows(shelf, sample.keys), label))


def _rows(shelf: Shelf, keys: tuple[str, ...]) -> np.ndarray:
    rows = shelf.rows(keys)
    return rows.reshape(-1, rows.shape[2])


def _labels(job: Job, need: Need, keys: tuple[str, ...]) -> np.ndarray:
    """One number an item: equal numbers, equal labels."""
    assert job.dataset is not None
    known: dict[str, str] = {}
    for name in need.splits:
        split = job.dataset.splits[name]
        known |= dict(zip(split.media[need.column].keys, map(str, split.label.tolist()), strict=True))
    numbers: np.ndarray = np.unique([known[key] for key in keys], return_inverse=True)[1]
    return numbers
