"""`repbench train` and `repbench.train`: names become a dataset, a method and settings; a file comes out."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from repbench.datasets.open import open_dataset
from repbench.encoder import Encoder
from repbench.encoders.load import load_encoder
from repbench.errors import UsageError
from repbench.tasks import load_catalogue, patterns
from repbench.trainers.files import RunFiles
from repbench.trainers.loop import Hooks, Reached
from repbench.trainers.method import find_method
from repbench.trainers.settings import TrainSettings
from repbench.trainers.train import export, train_to_file


def train(
    method: str,
    data: str,
    *,
    out: str | Path,
    options: Mapping[str, Any] | None = None,
    data_folder: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    limit: int | None = None,
    deviating: bool = False,
    log: Callable[[str], None] = print,
    hooks: Hooks | None = None,
    evaluate: str | None = None,
    every: int = 5,
    keep_every: int | None = None,
    **settings: Any,
) -> Encoder:
    """Train `method` on the training split of the dataset `data` and return the encoder that the file `out` now holds.

    `options` are the method's own, `settings` those of `TrainSettings`; what is left out (or None) is the method's default.
    `deviating` lets in a copy of the data that is known to differ from what was published. `evaluate` names tasks that score
    the encoder every `every` epochs and at the end, in FILE.quality.csv; every `keep_every` epochs the encoder is kept
    as FILE-epoch-N.safetensors.
    The same call goes on with a run that was interrupted. Raises UsageError, DataError and TrainingError.
    """
    found = find_method(method)
    files = RunFiles(Path(out))
    declaration = load_catalogue([Path(path) for path in plugins]).dataset(data)
    dataset = open_dataset(declaration, Path(data_folder) if data_folder is not None else None, limit, deviating=deviating)
    given = {name: value for name, value in settings.items() if value is not None}
    known = TrainSettings.__dataclass_fields__
    for name in given:
        if name not in known:
            raise UsageError(f"unknown setting {name!r} of a training run; known: {', '.join(known)}.")
    chosen = TrainSettings(**{**found.defaults.__dict__, **given})
    if hooks is None:
        given_data = {"data": data_folder, "plugins": plugins, "deviating": deviating}
        kept, scored = _snapshots(files, keep_every), _scores(files, evaluate, every, log, **given_data)
        hooks = Hooks(epoch=_each(kept, scored))
    train_to_file(found, dataset, chosen, _texts(found.options, options or {}), files, log, hooks)
    return load_encoder(f"trained:{files.weights}")


def _texts(kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with a whole number as text where the method reads text: head=128 is one layer."""
    text = {one.name for one in dataclasses.fields(kind) if one.type == "str"}
    return {name: str(value) if name in text and type(value) is int else value for name, value in options.items()}


def _each(*called: Callable[[Reached], None]) -> Callable[[Reached], None]:
    """One call of all, in order."""

    def all_of_them(reached: Reached) -> None:
        for one in called:
            one(reached)

    return all_of_them


def _snapshots(files: RunFiles, every: int | None) -> Callable[[Reached], None]:
    if every is None:
        return lambda reached: None
    if every < 1:
        raise UsageError(f"--keep-every {every}: write a number of epochs, 1 or more.")

    def keep(reached: Reached) -> None:
        if reached.epoch % every == 0 and not reached.is_last:  # the last is FILE itself
            export(files.at_epoch(reached.epoch), reached.method, reached.identity, reached.step, reached.rows)

    return keep


def _scores(
    files: RunFiles, tasks: str | None, every: int, log: Callable[[str], None], **given: Any
) -> Callable[[Reached], None]:
    if tasks is None:
        return lambda reached: None
    if every < 1:
        raise UsageError(f"--every {every}: write a number of epochs, 1 or more.")
    from repbench.watching import evaluator

    # A wrong name stops before anything is trained.
    load_catalogue([Path(path) for path in given["plugins"]]).select(patterns(tasks))
    return evaluator(files, tasks, every, log, **given)


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Options from texts like "temperature=0.2" and "head=512-128". Raises UsageError."""
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"--set {text}: write it as key=value, for example --set temperature=0.2.")
        options[key] = _value(value)
    return options


def _value(text: str) -> Any:
    """A number, true or false as TOML reads them; everything else is text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, (bool, int, float)) else text
