"""Execution on this machine: embed what is missing, score each task, write its record; one failure does not stop the others."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from repbench.embeddings.decoded import Decoded
from repbench.embeddings.extract import Extractor, Work
from repbench.embeddings.forward import prepared_together
from repbench.embeddings.needs import PairScores
from repbench.embeddings.pairs import PairExtractor
from repbench.embeddings.store import Address, Shelf
from repbench.embeddings.text_judges import judged
from repbench.encoder import Encoder, PairScorer, Tower
from repbench.errors import EmbeddingError, RepbenchError
from repbench.protocol import Outcome, checked
from repbench.results.files import forget_failure, write_record
from repbench.results.record import DONE, FAILED, Inputs, Record, metric
from repbench.results.secrets import without_secrets
from repbench.run.changes import remember
from repbench.run.conventions import conventions
from repbench.run.fidelity import FidelityNotes
from repbench.run.gather import gather
from repbench.run.plan import Job, Plan, modality_of, open_shelves
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.run.trainable import to_train


def execute(plan: Plan, settings: Settings, report: Report) -> list[Record]:
    """Do all jobs of a plan and return one record for each, in the order of the plan.

    Errors become failed records; KeyboardInterrupt passes through, with all finished work stored.
    """
    return execute_together([plan], settings, report)[0]


def execute_together(
    plans: Sequence[Plan], settings: Settings, report: Report, decoded: Decoded | None = None
) -> list[list[Record]]:
    """Do several plans, and return the records of each. Encoders that can be given one decoded item are embedded in one pass.

    `decoded` is what the encoders before these left, and takes what these decode for the next.
    """
    works = [work for plan in plans for job in plan.open_jobs for _, work in job.works]
    towers = {fingerprint: tower for plan in plans for fingerprint, tower in plan.towers.items()}
    scorers = [scorer for plan in plans for scorer in plan.encoder.scorers.values()]
    shelves = open_shelves(plans, settings)
    extractor = Extractor(works, towers.values(), shelves, settings.extract, report.advance, decoded)
    judges = PairExtractor(scorers, shelves, settings.extract, report.advance)
    found = []
    for place, plan in enumerate(plans):
        lacking = [keys for later in plans[place:] if _share(plan, later) for keys in later.lacking(shelves)]
        report.begin(plan, sum(map(len, lacking)))
        notes = FidelityNotes(plan.towers, settings)
        supply = Supply(shelves=shelves, extractor=extractor, judges=judges, notes=notes)
        found.append(_do_all(plan, supply, settings, report))
    return found


def _share(plan: Plan, later: Plan) -> bool:
    """Whether two encoders have towers that can be given one decoded item."""
    return any(prepared_together(one.prepare, other.prepare) for one in plan.towers.values() for other in later.towers.values())


def _do_all(plan: Plan, supply: Supply, settings: Settings, report: Report) -> list[Record]:
    records = []
    for job in plan.jobs:
        if job.is_done and job.record is not None:
            records.append(job.record)
            forget_failure(settings.results, job.record)
        else:
            records.append(_do(job, plan, supply, settings, report))
        report.finish(records[-1])
    report.end()
    return records


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What brings the embeddings and pair scores of one encoder's jobs."""

    shelves: Mapping[Address, Shelf]
    extractor: Extractor
    judges: PairExtractor
    notes: FidelityNotes


def _do(job: Job, plan: Plan, supply: Supply, settings: Settings, report: Report) -> Record:
    began, before = time.monotonic(), report.embedded
    seconds: dict[str, float] = {}
    left_out: dict[str, str] = {}
    told: dict[str, Any] = {}
    outcome: Outcome | None = None
    reason = ""
    try:
        if job.problem is not None:
            raise job.problem
        skipped = _embed(job, supply)
        seconds["embedding"] = time.monotonic() - began
        training = to_train(job, plan.encoder, settings, report.line)
        unread = {**skipped, **(training.skipped if training else {})}
        ask = partial(judged, store=settings.store, options=settings.extract, log=report.line)
        got, left_out = gather(job, supply.shelves, unread, ask, training, settings.extract.device)
        told = {"embedded": report.embedded - before}
        told |= _told(job, plan, supply) | _named("fidelity", supply.notes.of(job, supply.shelves))
        outcome = checked(job.task.protocol.score(got, settings.seed))
        told |= _named("prediction_flips", supply.notes.prediction_flips(job, got, outcome))
    except RepbenchError as error:
        reason = str(error)
    except Exception as error:  # of a protocol or a model that a user brought: whatever it is, it stops no other task
        reason = _words(error)
    seconds["total"] = time.monotonic() - began
    record = make_record(job, plan, settings, outcome, reason, left_out, seconds, told)
    if outcome is not None and job.dataset is not None:
        remember(settings.results, job.dataset, job.task.splits, record.inputs)
    write_record(settings.results, record, _with_factors(outcome.examples, job) if outcome is not None else None)
    return record


def _with_factors(examples: pd.DataFrame, job: Job) -> pd.DataFrame:
    """The examples with the dataset's factors beside them, so that groups can be looked at without the model."""
    assert job.dataset is not None
    factors = [name for name in job.dataset.declaration.factors if name not in examples]
    reported = [name for need in job.task.needs if not need.tuning for name in need.splits]
    splits = [job.dataset.splits[name] for name in dict.fromkeys(reported)]
    told = {
        name: {str(one): value for split in splits for one, value in zip(split.ids, split.columns[name], strict=True)}
        for name in factors
        if all(name in split.columns for split in splits)
    }
    return examples.assign(**{name: examples["id"].astype(str).map(values) for name, values in told.items()})


def _words(error: Exception) -> str:
    """What an unforeseen error says, and the line that raised it (of no installed library): its author has to find it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _in_library(frame.filename)]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _in_library(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file or file.startswith("<")


def _embed(job: Job, supply: Supply) -> dict[str, str]:
    skipped: dict[str, str] = {}
    for need, work in job.all_works:
        try:
            skipped |= supply.extractor.fill(work) if isinstance(work, Work) else supply.judges.fill(work)
        except EmbeddingError as error:
            raise EmbeddingError(f"{need.dataset}/{need.split}: {error}") from error
    return skipped


def _towers(job: Job, plan: Plan) -> dict[str, Tower]:
    """Modality -> tower, of those that the job uses."""
    assert job.dataset is not None
    used = {modality_of(need, job.dataset): plan.towers[work.address.tower] for need, work in job.works}
    return dict(sorted(used.items()))


def _told(job: Job, plan: Plan, supply: Supply) -> dict[str, Any]:
    """What the forward passes of the job's towers and scorers have to tell: how many items they really took (`passes`, of those
    that this run made), and notes of a smaller batch or a network that could not be made faster.
    """
    towers, extractor, judges = _towers(job, plan), supply.extractor, supply.judges
    scorers = {_scorer_name(need): plan.encoder.scorers[need.scorer] for need, _ in job.pair_works}
    passes = {name: extractor.passes(one) for name, one in towers.items()}
    passes |= {name: judges.passes(one) for name, one in scorers.items()}
    notes = {name: extractor.notes(one) for name, one in towers.items()}
    notes |= {name: judges.notes(one) for name, one in scorers.items()}
    return _named("passes", {name: size for name, size in passes.items() if size}) | _named(
        "notes", {name: words for name, words in notes.items() if words}
    )


def _named(name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: content} if content else {}


def make_record(
    job: Job,
    plan: Plan,
    settings: Settings,
    outcome: Outcome | None,
    reason: str,
    skipped: Mapping[str, str],
    seconds: Mapping[str, float],
    told: Mapping[str, Any],
) -> Record:
    """The record of a job: what came out, or why nothing did, and all that is needed to repeat it."""
    encoder = plan.encoder
    towers = {**encoder.towers, **(_towers(job, plan) if job.dataset is not None else {})}
    return Record(
        status=FAILED if outcome is None else DONE,
        encoder=encoder.name,
        encoder_kind=encoder.kind,
        task=job.task.name,
        protocol=job.task.protocol_name,
        dataset=job.task.dataset.name,
        inputs=job.inputs or _unknown_inputs(job, encoder, settings),
        task_version=job.task.protocol.version,
        options=job.task.options,
        reason=without_secrets(reason),
        skipped=skipped,
        towers={
            **{modality: _tower_words(tower) for modality, tower in sorted(towers.items())},
            **{_scorer_name(need): _scorer_words(encoder.scorers[need.scorer]) for need, _ in job.pair_works},
        },
        load_report=asdict(encoder.load_report) if encoder.load_report is not None else None,
        notes={name: without_secrets(words) for name, words in encoder.notes.items()},
        source=without_secrets(job.dataset.source) if job.dataset is not None else "",
        deviations=job.dataset.deviations if job.dataset is not None else (),
        conventions=conventions(job, encoder),
        versions=settings.versions,
        circumstances={
            "device": settings.extract.device,
            "batch_size": settings.extract.batch_size,
            "workers": settings.extract.workers,
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "command": settings.command,
            **told,
        },
        **(_what_came_out(outcome) if outcome is not None else {}),
    )


def _unknown_inputs(job: Job, encoder: Encoder, settings: Settings) -> Inputs:
    """The inputs of a job whose dataset could not be read."""
    return Inputs(
        encoder_fingerprint=encoder.fingerprint,
        task_digest=job.task.digest,
        dataset_fingerprint="",
        seed=settings.seed,
        precision=settings.extract.precision,
        limit=settings.limit,
        on_bad_item=settings.extract.on_bad_item,
        told=job.task.told,
        prompts=job.task.prompt_digest,
    )


def _what_came_out(outcome: Outcome) -> dict[str, Any]:
    return {
        "primary": outcome.primary,
        "higher_is_better": outcome.higher_is_better,
        "judges": outcome.judges,
        "metrics": {name: metric(one.value, one.low, one.high) for name, one in sorted(outcome.metrics.items())},
        "n": len(outcome.examples),
        "chance": outcome.chance,
        "chances": outcome.chances,
        "diagnostics": outcome.diagnostics,
    }


def _scorer_name(need: PairScores) -> str:
    return f"{need.scorer} scorer"


def _scorer_words(scorer: PairScorer) -> dict[str, Any]:
    return {"fingerprint": scorer.fingerprint, "dim": 1, "preprocessing": "as its towers'", "features": scorer.words}


def _tower_words(tower: Any) -> dict[str, Any]:
    return {
        "fingerprint": tower.fingerprint,
        "dim": tower.dim,
        "parameters": sum(one.numel() for one in tower.module.parameters()) or None,
        "preprocessing": tower.preprocessing,
        "features": tower.features,
    }
