"""For runs in reduced precision: what the precision did to embeddings and predictions, measured on a sample and recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.extract import Work, extract
from repbench.embeddings.fidelity import SAMPLE, fidelity, spread
from repbench.embeddings.needs import Need
from repbench.embeddings.store import Address, Shelf
from repbench.embeddings.views import view_size
from repbench.encoder import Tower
from repbench.errors import RepbenchError
from repbench.protocol import Outcome
from repbench.run.plan import Job, modality_of
from repbench.run.settings import Settings


class FidelityNotes:
    """Measures each dataset and modality of a run once. The float32 embeddings of the sample go to the store like others."""

    def __init__(self, towers: Mapping[str, Tower], settings: Settings) -> None:
        self._towers, self._settings = towers, settings
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def of(self, job: Job, shelves: Mapping[Address, Shelf]) -> dict[str, dict[str, Any]]:
        """Modality -> how far a sample of the job's items is from float32 (see `Fidelity`); nothing for a run in fp32."""
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

    def prediction_flips(self, job: Job, got: Embeddings, outcome: Outcome) -> dict[str, Any]:
        """How many of a sample of the test examples the task predicts otherwise when they are embedded in float32.

        All that it learns from (bank, train, class prompts) stays as the run has it. It is empty for a run in fp32, and for a
        task that predicts nothing, or by other than one embedding of each column of a test example.
        """
        if self._settings.extract.precision == "fp32" or "prediction" not in outcome.examples or not _can_sample(job, got):
            return {}
        asked = [(need, work) for need, work in job.works if not need.tuning]
        places = np.array(spread(len(got.test[0]), SAMPLE))
        judged = {rule: scores[places] for rule, scores in got.judged.items()}
        try:
            exact = (self._in_float32(job, *ask, test.take(places)) for ask, test in zip(asked, got.test, strict=True))
            again = job.task.protocol.score(replace(got, test=tuple(exact), judged=judged), self._settings.seed)
        except Exception as error:  # of whatever cannot be asked about a few examples alone: no number of the task is wrong
            return {"not measured": str(error)}
        before, after = (dict(zip(one.examples.id, one.examples.prediction, strict=True)) for one in (outcome, again))
        return {"examples": len(after), "flips": sum(before[name] != predicted for name, predicted in after.items())}

    def _in_float32(self, job: Job, need: Need, work: Work, part: TestSplit) -> TestSplit:
        assert job.dataset is not None
        keys: dict[str, str] = {}
        for name in need.splits:
            split = job.dataset.splits[name]
            keys |= dict(zip(map(str, split.ids), split.media[need.column].keys, strict=True))
        wanted = [keys[str(one)] for one in part.ids]
        exact = self._exact(work, list(dict.fromkeys(wanted)))
        return replace(part, x=exact.rows(wanted)[:, 0])

    def _measure(self, job: Job, need: Need, work: Work, shelf: Shelf) -> dict[str, Any]:
        absent = set(shelf.missing(work.keys))
        there = [key for key in work.keys if key not in absent]
        keys = [there[place] for place in spread(len(there), SAMPLE)]
        try:
            exact = self._exact(work, keys)
        except RepbenchError as error:  # a note is missing then, and no number is wrong
            return {"not measured": str(error)}
        label = np.repeat(_labels(job, need, keys), view_size(work.view))
        return asdict(fidelity(_rows(exact, keys), _rows(shelf, keys), label))

    def _exact(self, work: Work, keys: Sequence[str]) -> Shelf:
        """The shelf of float32 that holds these items of a work. Raises as `extract`."""
        places = dict(zip(work.keys, work.places, strict=True))
        address = replace(work.address, precision="fp32")
        sample = Work(address=address, view=work.view, keys=tuple(keys), places=tuple(places[key] for key in keys))
        exact = Shelf(self._settings.store, address)
        tower = self._towers[address.tower]
        extract(sample, tower, exact, replace(self._settings.extract, precision="fp32"))
        return exact


def _can_sample(job: Job, got: Embeddings) -> bool:
    """Whether test is one table of examples, with one embedding of each in every column."""
    assert job.dataset is not None
    asked = [work for need, work in job.works if not need.tuning]
    return (
        len(asked) == len(got.test) > 0
        and all(np.array_equal(test.ids, got.test[0].ids) for test in got.test)
        and all(view_size(work.view) == 1 for work in asked)
        and job.dataset.declaration.frames is None
    )


def _rows(shelf: Shelf, keys: Sequence[str]) -> np.ndarray:
    rows = shelf.rows(keys)
    return rows.reshape(-1, rows.shape[2])


def _labels(job: Job, need: Need, keys: Sequence[str]) -> np.ndarray:
    """One number an item: equal numbers, equal labels."""
    assert job.dataset is not None
    known: dict[str, str] = {}
    for name in need.splits:
        split = job.dataset.splits[name]
        known |= dict(zip(split.media[need.column].keys, map(str, split.label.tolist()), strict=True))
    numbers: np.ndarray = np.unique([known[key] for key in keys], return_inverse=True)[1]
    return numbers
