"""The plan: from one encoder and its tasks to the distinct embeddings that they need, and what of it is done already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from repbench.datasets.dataset import Dataset
from repbench.datasets.open import open_splits
from repbench.datasets.prompt_split import prompt_split
from repbench.embeddings.extract import Work, distinct
from repbench.embeddings.needs import AnyNeed, Need, PairScores, TrainableModel
from repbench.embeddings.pairs import PairWork, pair_work
from repbench.embeddings.store import Address, Shelf
from repbench.embeddings.text_judges import can_be_asked
from repbench.embeddings.views import view_address, view_size
from repbench.encoder import Encoder, FrameGrid, Logit, Tower
from repbench.errors import DataError, MissingModalityError, RecordError, RepbenchError, UnfitError
from repbench.protocols._blind import NOT_ASKED
from repbench.results.files import read_record
from repbench.results.record import DONE, Inputs, Record
from repbench.run.changes import check_unchanged
from repbench.run.settings import Settings
from repbench.tasks import Task


class Datasets:
    """The datasets of a run, each opened once; one that cannot be opened gives the same error each time.

    One of which splits are missing is opened once for each set of splits that tasks need.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: dict[tuple[str, tuple[str, ...]], Dataset | RepbenchError] = {}

    def open(self, task: Task) -> Dataset:
        """The dataset of a task. Raises DataError or DeclarationError."""
        needed = task.splits
        found = self._opened.get((task.dataset.name, ())) or self._opened.get((task.dataset.name, needed))
        if found is None:
            found = self._read(task, needed)
            whole = isinstance(found, Dataset) and all(name in found.splits for name in task.dataset.split_names)
            self._opened[task.dataset.name, () if whole else needed] = found
        if isinstance(found, RepbenchError):
            raise found
        if task.own_prompts is None:
            return found
        spoken = prompt_split(task.dataset, next(iter(found)).class_names)
        return replace(found, declaration=task.dataset, splits={**found.splits, "prompts": spoken})

    def _read(self, task: Task, needed: tuple[str, ...]) -> Dataset | RepbenchError:
        given = self._settings
        try:
            return open_splits(task.dataset, needed, given.data, given.limit, deviating=given.deviating)
        except RepbenchError as error:
            return error


@dataclass(frozen=True, kw_only=True)
class Job:
    """One task for one encoder: what must be embedded for it, or why it cannot be done, or the record that is there already."""

    task: Task
    dataset: Dataset | None = None
    works: tuple[tuple[Need, Work], ...] = ()  # one for each need of embeddings
    pair_works: tuple[tuple[PairScores, PairWork], ...] = ()  # one for each need of pair scores
    inputs: Inputs | None = None
    logit: Logit | None = None  # what the encoder makes of a cosine, where the protocol reads it
    problem: RepbenchError | None = None
    record: Record | None = None
    again: bool = False  # the record lacks a blind rule for want of a package that is installed by now

    @property
    def all_works(self) -> tuple[tuple[AnyNeed, Work | PairWork], ...]:
        """Those of embeddings, then those of pair scores."""
        return (*self.works, *self.pair_works)

    @property
    def is_done(self) -> bool:
        """Whether a record with equal inputs is there, and nothing can be asked now that could not be asked then."""
        is_there = self.record is not None and self.record.status == DONE and self.record.inputs == self.inputs
        return is_there and not self.again

    @property
    def is_unfit(self) -> bool:
        """Whether the encoder lacks what the task needs: a modality, or a network that can be trained."""
        return isinstance(self.problem, UnfitError)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All jobs of one encoder. `towers` are its own and those that give moments of sounds, where tasks ask for them."""

    encoder: Encoder
    jobs: tuple[Job, ...]
    towers: Mapping[str, Tower]  # by fingerprint

    @cached_property
    def open_jobs(self) -> tuple[Job, ...]:
        """The jobs that are still to be done."""
        return tuple(job for job in self.jobs if not job.is_done and job.problem is None)

    def distinct_items(self, shelves: Mapping[Address, Shelf] | None = None) -> dict[Work, list[str]]:
        """For each need of the open jobs, the keys that no earlier need has; with shelves, only those not stored yet."""
        seen: dict[Address, set[str]] = {}
        found: dict[Work, list[str]] = {}
        for job in self.open_jobs:
            for _, work in job.works:
                if work in found:
                    continue
                earlier = seen.setdefault(work.address, set())
                keys = [key for key in work.keys if key not in earlier]
                earlier.update(keys)
                found[work] = shelves[work.address].missing(keys) if shelves else keys
        return found

    def distinct_pairs(self, shelves: Mapping[Address, Shelf] | None = None) -> dict[Address, list[str]]:
        """The keys of the pairs of the open jobs, by scorer; with shelves, only those not stored yet."""
        found: dict[Address, dict[str, None]] = {}
        for job in self.open_jobs:
            for _, work in job.pair_works:
                found.setdefault(work.address, {}).update(dict.fromkeys(work.keys))
        return {one: shelves[one].missing(list(keys)) if shelves else list(keys) for one, keys in found.items()}

    def lacking(self, shelves: Mapping[Address, Shelf]) -> list[list[str]]:
        """The keys of items and of pairs that are not stored yet."""
        return [*self.distinct_items(shelves).values(), *self.distinct_pairs(shelves).values()]


def make_plan(encoder: Encoder, tasks: Sequence[Task], datasets: Datasets, settings: Settings) -> Plan:
    """The plan of one encoder. Problems of single tasks are kept in their jobs; nothing is raised for them."""
    works: dict[tuple[Need, Address], Work] = {}
    towers = Towers(encoder)
    jobs = [_job(encoder, towers, task, datasets, settings, works) for task in tasks]
    return Plan(encoder=encoder, jobs=tuple(jobs), towers=towers.made)


class Towers:
    """The towers of an encoder, and those that give moments of sounds, each made once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._frames: dict[FrameGrid, Tower] = {}

    @property
    def made(self) -> dict[str, Tower]:
        """Fingerprint -> tower, of all that were asked for and all of the encoder."""
        return {tower.fingerprint: tower for tower in (*self._encoder.towers.values(), *self._frames.values())}

    def of(self, modality: str, dataset: Dataset) -> Tower:
        """The tower that embeds items of this modality as the dataset asks. Raises MissingModalityError."""
        name = self._encoder.name
        if modality not in self._encoder.towers:
            has = ", ".join(self._encoder.towers) or "none"
            raise MissingModalityError(f"missing modality: it needs a tower for {modality}; {name} has {has}.")
        tower, rule = self._encoder.towers[modality], dataset.declaration.frames
        if rule is None or modality != "audio":
            return tower
        if tower.frames is None:
            raise MissingModalityError(f"missing frames: it asks for moments of sounds; {name} gives one vector a sound.")
        if rule.grid not in self._frames:
            self._frames[rule.grid] = tower.frames(rule.grid)
        return self._frames[rule.grid]


def _job(
    encoder: Encoder,
    towers: Towers,
    task: Task,
    datasets: Datasets,
    settings: Settings,
    works: dict[tuple[Need, Address], Work],
) -> Job:
    dataset: Dataset | None = None
    try:
        dataset = datasets.open(task)
        asked = tuple((need, _work(towers, need, dataset, settings, works)) for need in task.needs if isinstance(need, Need))
        pairs = tuple((need, _pairs(encoder, need, dataset, settings)) for need in task.needs if isinstance(need, PairScores))
        for need in task.needs:
            if isinstance(need, TrainableModel) and need.tuning:
                _check_trainable(towers.of(modality_of(need, dataset), dataset))
    except RepbenchError as error:
        return Job(task=task, dataset=dataset, problem=error)
    splits = task.splits
    logit = encoder.logit if getattr(task.protocol, "reads_logit", False) else None
    inputs = Inputs(
        encoder_fingerprint=encoder.fingerprint,
        task_digest=task.digest,
        dataset_fingerprint=dataset.fingerprint(splits),
        seed=settings.seed,
        precision=settings.extract.precision,
        limit=settings.limit,
        on_bad_item=settings.extract.on_bad_item,
        told=task.told,
        deviating=bool(dataset.deviations),
        prompts=task.prompt_digest,
        logit=logit.words if logit is not None else "",
    )
    try:
        record = read_record(settings.results, encoder.name, task.name, inputs)
    except RecordError:  # damaged: it is written again
        record = None
    if not settings.accept_changed_data and (record is None or record.inputs != inputs):
        try:
            check_unchanged(settings.results, dataset, splits, inputs, record)
        except DataError as error:
            return Job(task=task, dataset=dataset, inputs=inputs, problem=error, record=record)
    again = record is not None and _lacks_rule(record)
    return Job(
        task=task, dataset=dataset, works=asked, pair_works=pairs, inputs=inputs, logit=logit, record=record, again=again
    )


def _lacks_rule(record: Record) -> bool:
    """Whether a record was made without a blind rule that was not installed, and is by now."""
    told = record.diagnostics.get("blind")
    lacking = told.get(NOT_ASKED) if isinstance(told, Mapping) else None
    return isinstance(lacking, Mapping) and any(can_be_asked(rule, str(why)) for rule, why in lacking.items())


def modality_of(need: Need | TrainableModel, dataset: Dataset) -> str:
    """The modality of what a need asks for."""
    return dataset.splits[need.splits[0]].media[need.column].modality


def _check_trainable(tower: Tower) -> None:
    from repbench.trainers.fine_tuning import check_trainable  # only where a network is trained

    check_trainable(tower)


def _work(towers: Towers, need: Need, dataset: Dataset, settings: Settings, works: dict[tuple[Need, Address], Work]) -> Work:
    tower = towers.of(modality_of(need, dataset), dataset)
    view = view_address(need.view, settings.extract.seed)
    address = Address(tower=tower.fingerprint, view=view, precision=settings.extract.precision)
    if (need, address) not in works:
        places = [
            (split.media[need.column], np.arange(len(split)).tolist())
            for split in map(dataset.splits.get, need.splits)
            if split
        ]
        found = distinct(places)
        works[need, address] = Work(address=address, view=need.view, keys=tuple(found), places=tuple(found.values()))
    return works[need, address]


def _pairs(encoder: Encoder, need: PairScores, dataset: Dataset, settings: Settings) -> PairWork:
    if need.scorer not in encoder.scorers:
        has = ", ".join(encoder.scorers) or "none"
        raise MissingModalityError(f"missing scorer: it needs the pair scorer {need.scorer}; {encoder.name} has {has}.")
    scorer = encoder.scorers[need.scorer]
    return pair_work(need, dataset.splits[need.split], scorer, settings.extract.precision)


def open_shelves(plans: Sequence[Plan], settings: Settings) -> dict[Address, Shelf]:
    """The shelves that the open jobs of plans read and fill."""
    addresses = [work.address for plan in plans for job in plan.open_jobs for _, work in job.all_works]
    return {address: Shelf(settings.store, address) for address in dict.fromkeys(addresses)}


def bytes_of(work: Work, keys: Sequence[str], plan: Plan) -> int:
    """Bytes that the embeddings of these keys take in the store."""
    return len(keys) * (16 + 4 * plan.towers[work.address.tower].dim * view_size(work.view))
