"""The engine of a Ray cluster: a plan's steps as Ray tasks, with processors, memory and accelerators as their resources.

Two kinds of steps. One embeds some chunks of what the tasks of an encoder on a dataset need, into the store; one scores a
task, as soon as all chunks of its dataset are there, exactly as the local engine would: what is missing then is embedded
first. Both may be repeated at any moment, so a node that is lost costs at most the chunks that it was computing. Results and
store lie in folders that every node sees, or at an address, of which each node has a working copy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import ceil
from typing import Any

import torch

from repbench.embeddings.extract import CHUNK, Share
from repbench.errors import DataError, EmbeddingError, RepbenchError, UsageError
from repbench.results.record import Inputs, Record
from repbench.run.ahead import embed_ahead, on_datasets
from repbench.run.engines import Wait
from repbench.run.execute import execute
from repbench.run.plan import Job, Plan, bytes_of
from repbench.run.recipe import Recipe
from repbench.run.report import Report
from repbench.run.settings import Settings, library_versions

CHUNKS_A_STEP = 8  # 4,096 items: long beside the start of a process, short beside a dataset
RETRIES = 5  # of a step whose node or process is lost
PROCESS = 1 << 30  # bytes of a process with its libraries, about


class RayEngine:
    """Begins the steps of one encoder after another; Ray does them in the order that resources and needs allow."""

    def __init__(self, address: str | None) -> None:
        self._ray, self._address, self._ours = _import_ray(), address, False

    def check(self, settings: Settings) -> None:
        """Connect to the cluster, or start one on this machine. Raises UsageError for one that cannot be reached."""
        if self._ray.is_initialized():
            return
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if self._address is not None:
            options["address"] = self._address
        else:
            options["include_dashboard"] = False
        try:
            self._ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = f"--address {self._address}" if self._address else "a Ray cluster on this machine"
            raise UsageError(f"{where}: no connection ({error}). `ray start --head` starts a cluster.") from error
        self._ours = True

    def begin(self, recipe: Recipe, plans: Sequence[Plan], report: Report) -> Wait:
        """Hand all steps of the plans to Ray. What is returned waits for their records."""
        size = _Size(self._ray.nodes(), recipe.settings, plans)
        names = dict.fromkeys(job.task.dataset.name for plan in plans for job in plan.open_jobs)
        ahead = {name: self._embed(recipe, plans, name, size) for name in names}
        score = self._ray.remote(max_retries=RETRIES)(_score)
        begun: list[tuple[Plan, list[Any]]] = []
        for place, plan in enumerate(plans):
            found: list[Any] = []
            for job in plan.jobs:
                if job.is_done or job.problem is not None:
                    found += _alone(job, plan, recipe.settings)
                    continue
                step = score.options(**size.to_score(job, plan))
                needs = ahead[job.task.dataset.name]
                found.append(step.remote(recipe, size.threads, place, job.task.name, job.inputs, *needs))
            begun.append((_without_weights(plan), found))
        return lambda: [self._records(plan, found, recipe.settings, report) for plan, found in begun]

    def close(self) -> None:
        """Leave the cluster, which ends what was begun."""
        if self._ours:
            self._ray.shutdown()

    def _embed(self, recipe: Recipe, plans: Sequence[Plan], name: str, size: _Size) -> list[Any]:
        works = [work for plan in on_datasets(plans, {name}) for job in plan.open_jobs for _, work in job.works]
        steps = max((ceil(len(work.keys) / CHUNK / CHUNKS_A_STEP) for work in works), default=0)
        embed = self._ray.remote(max_retries=RETRIES)(_embed).options(**size.to_embed())
        return [embed.remote(recipe, size.threads, name, Share(number=number, of=steps)) for number in range(steps)]

    def _records(self, plan: Plan, found: Sequence[Any], settings: Settings, report: Report) -> list[Record]:
        report.begin(plan, 0)
        records = []
        for job, ref in zip(plan.jobs, found, strict=True):
            records.append(ref if isinstance(ref, Record) else self._record(job, plan, ref, settings))
            report.finish(records[-1])
        report.end()
        return records

    def _record(self, job: Job, plan: Plan, ref: Any, settings: Settings) -> Record:
        try:
            record: Record = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None)
            words = str(cause) if isinstance(cause, RepbenchError) else _words(cause or error)
            (record,) = _alone(replace(job, problem=EmbeddingError(f"its step on the cluster failed: {words}")), plan, settings)
        return record


class _Size:
    """Resources of the steps of some plans. As many threads as the driver has, for their number may change a last digit."""

    def __init__(self, nodes: Sequence[dict[str, Any]], settings: Settings, plans: Sequence[Plan]) -> None:
        alive = [node["Resources"] for node in nodes if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        if not alive:
            raise UsageError("no node of the cluster has a processor to give.")
        self.threads = int(min(torch.get_num_threads(), *(node["CPU"] for node in alive)))
        self._most = int(max(node.get("memory", 0) for node in alive))
        self._gpu = settings.extract.device.startswith("cuda")
        towers = {fingerprint: tower for plan in plans for fingerprint, tower in plan.towers.items()}
        self._weights = sum(one.nbytes for tower in towers.values() for one in tower.module.parameters())

    def to_embed(self) -> dict[str, Any]:
        """Of a step that embeds: the weights twice, for they are folded into a copy, and the accelerator that is asked for."""
        return self._options(2 * self._weights, gpu=self._gpu)

    def to_score(self, job: Job, plan: Plan) -> dict[str, Any]:
        """Of a step that scores: the embeddings three times; the accelerator trains networks and solves probes."""
        held = sum(bytes_of(work, work.keys, plan) for _, work in job.works)
        return self._options(2 * self._weights + 3 * held, gpu=self._gpu)

    def _options(self, more: int, *, gpu: bool) -> dict[str, Any]:
        return {"num_cpus": self.threads, "memory": min(PROCESS + more, self._most), "num_gpus": 1 if gpu else 0}


def _alone(job: Job, plan: Plan, settings: Settings) -> list[Record]:
    """One job of a plan, done in this process as the local engine would."""
    return execute(replace(plan, jobs=(job,)), settings, Report(quiet=True))


def _without_weights(plan: Plan) -> Plan:
    """The plan with names and states alone, so that the driver holds no encoder that others work on."""
    jobs = tuple(replace(job, works=(), dataset=None) for job in plan.jobs)
    return replace(plan, encoder=replace(plan.encoder, towers={}), jobs=jobs, towers={})


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _import_ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise UsageError("--engine ray needs Ray: pip install 'repbench[ray]'.") from error
    return ray


# What follows runs in processes of the cluster.

_made: tuple[Recipe, Settings, list[Plan]] | None = None  # of this process: the steps of one encoder follow each other


def _embed(recipe: Recipe, threads: int, dataset: str, share: Share) -> None:
    """A step that embeds: a share of the chunks that the tasks on a dataset need."""
    settings, plans = _plans(recipe, threads)
    embed_ahead(on_datasets(plans, {dataset}), settings, share)


def _score(recipe: Recipe, threads: int, place: int, task: str, inputs: Inputs, *ahead: None) -> Record:
    """A step that scores one task of the plan at `place`. Raises DataError where this node sees other inputs."""
    settings, plans = _plans(recipe, threads)
    plan = plans[place]
    (job,) = [job for job in plan.jobs if job.task.name == task]
    if job.inputs != inputs:
        raise DataError(f"{os.uname().nodename} has other inputs than the driver: {_differences(job, inputs)}")
    return _alone(job, plan, settings)[0]


def _differences(job: Job, inputs: Inputs) -> str:
    if job.inputs is None:
        return str(job.problem)
    mine, theirs = asdict(job.inputs), asdict(inputs)
    return ", ".join(f"{name} is {mine[name]!r} and not {theirs[name]!r}" for name in mine if mine[name] != theirs[name])


def _plans(recipe: Recipe, threads: int) -> tuple[Settings, list[Plan]]:
    """Settings and plans of a recipe as they are on this node, made once in a process.

    Raises what making them raises, and UsageError for other versions.
    """
    global _made
    if _made is None or _made[0] != recipe:
        torch.set_num_threads(threads)
        here, there = library_versions(), recipe.settings.versions
        if other := [f"{name} {here.get(name)} for {version}" for name, version in there.items() if here.get(name) != version]:
            raise UsageError(f"{os.uname().nodename} has other versions than the driver: {', '.join(other)}.")
        if recipe.folder:
            os.chdir(recipe.folder)
        _made = None  # the last encoder goes before the next one comes
        here_too = recipe.on_this_machine()
        _made = (recipe, here_too.settings, here_too.plans())
    return _made[1:]
