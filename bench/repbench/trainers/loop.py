"""The one training loop: batches, loss, step, schedule, average of the weights, saved state."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from timm import optim
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from repbench.digests import digest_json
from repbench.errors import DivergedError, TrainingError, UnknownNameError
from repbench.trainers.batches import Batch, Examples, batches, fit_batch
from repbench.trainers.distributed import rank, world_size, wrap
from repbench.trainers.files import RunFiles
from repbench.trainers.interrupt import asked_to_end
from repbench.trainers.method import Method
from repbench.trainers.schedule import learning_rate, progress_of
from repbench.trainers.seeds import seed_of
from repbench.trainers.settings import TrainSettings

WORD_EVERY = 30.0  # seconds of an epoch after which there is word of it
Row = dict[str, float]
Log = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Reached:
    """What a run has come to after an epoch, or at its end: the method with the weights that would be exported, what the run
    is, and its curve so far. `epoch` is no whole number only where a run ends within one."""

    epoch: float
    step: int
    is_last: bool
    method: Method
    identity: Mapping[str, Any]
    rows: Sequence[Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """Called while a run goes on: after each step (its number, from 1), and after each epoch and at the end."""

    step: Callable[[int], None] = lambda step: None
    epoch: Callable[[Reached], None] = lambda reached: None


@dataclass
class Run:
    """A run under way: the one thing here that changes."""

    method: Method
    settings: TrainSettings
    optimizer: torch.optim.Optimizer
    averaged: AveragedModel | None
    step: int = 0
    rows: list[Row] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # of the epoch under way

    @property
    def kept(self) -> Method:
        """The method with the weights that are exported: the average of them, or the last."""
        found: Method = self.method if self.averaged is None else self.averaged.module  # type: ignore[assignment]
        return found

    def reached(self, identity: Mapping[str, Any], last: bool) -> Reached:
        """What the hooks are told after an epoch whose row is the last of the curve."""
        facts: dict[str, Any] = {"method": self.kept, "identity": identity, "rows": tuple(self.rows)}
        return Reached(epoch=self.rows[-1]["epoch"], step=self.step, is_last=last, **facts)

    def state(self, identity: str) -> dict[str, Any]:
        """Everything from which the run goes on to the same weights; `identity` says of which run it is."""
        return {
            "identity": identity,
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "step": self.step,
            "rows": self.rows,
            "losses": self.losses,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        self.step, self.rows, self.losses = state["step"], list(state["rows"]), list(state["losses"])


def fit(
    method: Method,
    examples: Examples,
    settings: TrainSettings,
    files: RunFiles,
    identity: Mapping[str, Any],
    log: Log,
    hooks: Hooks,
) -> Run:
    """Train to the end, from the saved state where there is one of the same `identity`. Raises TrainingError."""
    device = torch.device(settings.device)
    run = _begin(method.to(device), settings)
    mark = digest_json(identity)
    state = files.load_state()
    if state is not None:
        if state["identity"] != mark:
            raise TrainingError(
                f"{files.state} is the state of a run with other settings or data. "
                "Give another --out, or delete it to begin anew."
            )
        run.restore(state)
        log(f"going on after step {run.step} of {files.state.name}")
    _loop(run, examples, files, identity, log, hooks)
    return run


def _begin(method: Method, settings: TrainSettings) -> Run:
    known = [str(name) for name in optim.list_optimizers()]  # type: ignore[attr-defined]
    if settings.optimizer not in known:
        raise UnknownNameError("optimizer", settings.optimizer, known)
    optimizer = optim.create_optimizer_v2(  # type: ignore[attr-defined]
        method, opt=settings.optimizer, lr=settings.lr, weight_decay=settings.weight_decay, **method.optimizer_options
    )
    averaged = None
    if settings.ema:
        averaged = AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(settings.ema), use_buffers=True)  # type: ignore[no-untyped-call]
    return Run(method=method, settings=settings, optimizer=optimizer, averaged=averaged)


@dataclass(frozen=True, kw_only=True)
class _Length:
    """How long a run is: items of a batch, batches of a step, steps of an epoch, of the warm-up and in all."""

    size: int
    parts: int
    an_epoch: int
    warmup: int
    total: int


def _length(count: int, settings: TrainSettings) -> _Length:
    size = fit_batch(count, settings.batch_size)
    parts = min(settings.accumulate, count // size)
    an_epoch = count // (size * parts)
    total = settings.steps or an_epoch * settings.epochs
    warmup = min(round(an_epoch * settings.warmup), total - 1)
    return _Length(size=size, parts=parts, an_epoch=an_epoch, warmup=warmup, total=total)


class _Pace:
    """The rate of a run since it began or went on, and when there was last word of it."""

    def __init__(self, length: _Length, step: int) -> None:
        self.length, self.first = length, step
        self.began = self.told = time.monotonic()

    def rate(self, step: int) -> float:
        """Items a second."""
        return (step - self.first) * self.length.size * self.length.parts / (time.monotonic() - self.began)

    @property
    def is_due(self) -> bool:
        """Whether a long epoch has been silent for long."""
        return time.monotonic() - self.told >= WORD_EVERY

    def paused(self, since: float) -> None:
        """What was done since then was not training."""
        self.began += time.monotonic() - since

    def words(self, step: int, loss: float) -> str:
        """Where the run is, how fast, and how long it will take."""
        self.told, rate = time.monotonic(), self.rate(step)
        left = (self.length.total - step) * self.length.size * self.length.parts / rate
        epoch, of = (round(steps / self.length.an_epoch, 3) for steps in (step, self.length.total))
        return f"epoch {epoch:g}/{of:g}  loss {loss:.4f}  {rate:,.0f} items/s  {left:.0f} s left"


def _loop(run: Run, examples: Examples, files: RunFiles, identity: Mapping[str, Any], log: Log, hooks: Hooks) -> None:
    settings, device, length = run.settings, torch.device(run.settings.device), _length(len(examples), run.settings)
    if run.step >= length.total:
        log(f"nothing to train: it ended after step {run.step}")
        if rank() == 0 and run.rows:
            hooks.epoch(run.reached(identity, True))
        return
    stream = batches(
        examples,
        batch_size=length.size,
        an_epoch=length.an_epoch * length.parts,
        start=run.step * length.parts,
        stop=length.total * length.parts,
        workers=settings.workers,
        pin=device.type == "cuda",
    )
    network = wrap(run.method, device).train()
    pace, saved = _Pace(length, run.step), time.monotonic()
    with asked_to_end() as asked:
        while run.step < length.total:
            progress = progress_of(run.step, total=length.total)
            rate = learning_rate(run.step, total=length.total, warmup=length.warmup, highest=settings.lr)
            run.losses.append(_step(run, network, [_moved(next(stream), device) for _ in range(length.parts)], rate, progress))
            run.step += 1
            is_last = run.step == length.total
            if is_last or run.step % length.an_epoch == 0:
                _end_epoch(run, length.an_epoch, rate, pace.rate(run.step))
                log(pace.words(run.step, run.rows[-1]["loss"]))
                if rank() == 0:
                    since = time.monotonic()
                    files.write_curve(run.rows)
                    hooks.epoch(run.reached(identity, is_last))
                    run.method.train()
                    pace.paused(since)
            elif pace.is_due:
                log(pace.words(run.step, sum(run.losses) / len(run.losses)))
            if rank() == 0 and (is_last or asked.is_set() or time.monotonic() - saved >= settings.save_every):
                files.save_state(run.state(digest_json(identity)))
                saved = time.monotonic()
            if asked.is_set():
                raise KeyboardInterrupt
            hooks.step(run.step)


def _step(run: Run, network: torch.nn.Module, micro: list[Batch], rate: float, progress: float) -> float:
    """One optimiser step over the micro-batches; their mean loss."""
    settings = run.settings
    torch.manual_seed(seed_of(settings.seed, "step", run.step, rank()))
    run.method.begin_step(progress)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
    run.optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for batch in micro:
        with torch.autocast(torch.device(settings.device).type, torch.bfloat16, enabled=settings.precision == "bf16"):
            loss: Tensor = network(batch)
        (loss / len(micro)).backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach()) / len(micro)
    if not math.isfinite(total):
        raise DivergedError(
            f"the loss is {total} at step {run.step + 1}. A lower --lr, a longer --warmup or --precision fp32 may help."
        )
    run.optimizer.step()
    run.method.end_step(progress)
    if run.averaged is not None:
        run.averaged.update_parameters(run.method)
    return total


def _end_epoch(run: Run, an_epoch: int, rate: float, speed: float) -> None:
    """A row of the curve: of a whole epoch, or of the part in which the run ends."""
    whole, rest = divmod(run.step, an_epoch)
    epoch = whole if not rest else round(run.step / an_epoch, 3)
    run.rows.append({"epoch": epoch, "step": run.step, "loss": _mean_loss(run), "learning_rate": rate, "rate": speed})
    run.losses = []


def _mean_loss(run: Run) -> float:
    """The mean loss of the epoch, over all processes."""
    mean = torch.tensor(sum(run.losses) / len(run.losses), device=run.settings.device)
    if world_size() > 1:
        torch.distributed.all_reduce(mean)
    return float(mean) / world_size()


def _moved(batch: Batch, device: torch.device) -> Batch:
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
