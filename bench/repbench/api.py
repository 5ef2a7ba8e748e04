"""The Python face: evaluate encoders and read results, with the same parts and the same answers as the command line."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from repbench.datasets.prompt_files import read_prompts
from repbench.embeddings.options import ExtractOptions, check_device
from repbench.encoder import Encoder
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.variants import feature_words, load_variants
from repbench.errors import UsageError
from repbench.leaderboard.features import features_table
from repbench.leaderboard.long import long_table
from repbench.leaderboard.tables import make_board, wide_table
from repbench.remote import here
from repbench.results.files import read_records
from repbench.results.record import Record
from repbench.run.execute import execute_together
from repbench.run.plan import Datasets, make_plan
from repbench.run.preview import preview
from repbench.run.report import Report
from repbench.run.settings import Settings, default_store, library_versions
from repbench.tasks import Catalogue, Task, load_catalogue, patterns


def evaluate(
    encoder: str | Encoder,
    tasks: str | Sequence[str] = "*",
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    store: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    seed: int = 0,
    limit: int | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    batch_size: int = 64,
    workers: int = 0,
    item_timeout: float | None = None,
    on_bad_item: str = "fail",
    arch: str | None = None,
    trust_checkpoint: bool = False,
    trust_remote_code: bool = False,
    stop_rule: str = "certified",
    index: str | None = None,
    steps: int | None = None,
    grid: str | None = None,
    prompts: str | Path | None = None,
    deviating: bool = False,
    accept_changed_data: bool = False,
    features: str | Sequence[str] = (),
    dry_run: bool = False,
    quiet: bool = False,
) -> pd.DataFrame:
    """Evaluate one encoder, a spec or an `Encoder`, and return its long table: one row for each task and metric.

    `tasks` are names or patterns, a list or separated by commas. Records go to `out`; without it they are not kept. A task
    that failed has the metric "failed", no value, and a reason. The default leaves out datasets that have yet to be fetched,
    and costly tasks, which must be named: `fine-tune/*`, which `steps` and `grid` ("3x2") make smaller. `trust_checkpoint`
    unpickles checkpoint files in full, which runs any code that they hold, and `trust_remote_code` runs the Python of an
    `hf:` model's repository; `stop_rule` of linear probes is "certified" or "sklearn"; `index` of `knn` is "exact",
    the default, or "ivf", which is approximate.
    `prompts` is a file of zero-shot prompts in place of the declared ones.
    `deviating` lets in copies of datasets that are known to differ from the published data, and marks their rows;
    `accept_changed_data` computes results in `out` again whose data have changed since, which is an error otherwise.
    `item_timeout` is the seconds after which an item that hangs in one of the `workers` counts as a bad item; without it the
    task fails after 600.
    With `dry_run` nothing is written, and the table says of each task whether it is "to do", "done" or "not possible", and
    how many embeddings it adds. With `features` ("layer3,layer4,mean") each is a row, NAME[FEATURE]; `read_features` then
    says which is best and what hangs on the choice.

    Raises UsageError for unknown names and EncoderError when the encoder cannot be built.
    """
    catalogue = load_catalogue([Path(path) for path in plugins])
    folder = Path(data) if data is not None else None
    told = {"stop_rule": stop_rule, "index": index, "steps": steps, "grid": grid}
    own = read_prompts(Path(prompts)) if prompts is not None else None
    chosen = [task.with_options(told).with_prompts(own) for task in catalogue.select_here(patterns(tasks), folder)]
    check_device(device)
    load = LoadOptions(arch=arch, trust_checkpoint=trust_checkpoint, trust_remote_code=trust_remote_code, seed=seed)
    encoders = _encoders(encoder, features, load)
    extract = ExtractOptions(
        device=device,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        seed=seed,
        on_bad_item=on_bad_item,
        item_timeout=item_timeout,
    )
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings(
            results=here(out) if out is not None else Path(temporary),
            store=here(store, fetch=False) if store is not None else default_store(),
            data=folder,
            deviating=deviating,
            accept_changed_data=accept_changed_data,
            seed=seed,
            limit=limit,
            extract=extract,
            command="repbench.evaluate",
            versions=library_versions(),
        )
        datasets = Datasets(settings)
        plans = [make_plan(one, chosen, datasets, settings) for one in encoders]
        if dry_run:
            return pd.DataFrame([asdict(row) for plan in plans for row in preview(plan, settings)])
        done = execute_together(plans, settings, Report(quiet=quiet))
        return results_table([record for records in done for record in records])


def _encoders(encoder: str | Encoder, features: str | Sequence[str], load: LoadOptions) -> tuple[Encoder, ...]:
    """The encoder, or a spec's encoder at each feature. Raises UsageError for features of an encoder that is no spec."""
    if not features:
        return (load_encoder(encoder, load) if isinstance(encoder, str) else encoder,)
    if not isinstance(encoder, str):
        raise UsageError("features are chosen by the spec of an encoder (a text); this one is built already.")
    return load_variants(encoder, feature_words(features), load).encoders


def read_features(*results: str | Path) -> pd.DataFrame:
    """Of all records of features below the folders: one row an encoder, task and feature, and which validation chooses."""
    return features_table(record for folder in results for record in read_records(here(folder)))


def results_table(records: Sequence[Record]) -> pd.DataFrame:
    """The long table of records and the column `reason`, which says why a task failed (also that it does not fit)."""
    board = make_board(records)
    table = long_table(board, unfit=True)
    reasons = {(record.encoder, record.task): record.reason for record in board.failed}
    table["reason"] = [
        reasons[encoder, task] if metric == "failed" else None
        for encoder, task, metric in zip(table.encoder, table.task, table.metric, strict=True)
    ]
    return table


def read_leaderboard(*results: str | Path) -> pd.DataFrame:
    """The wide table of all records below the given folders: one row an encoder, one column a task."""
    return wide_table(make_board(record for folder in results for record in read_records(here(folder))))


def list_tasks(pattern: str = "*", plugins: Sequence[str | Path] = ()) -> list[Task]:
    """The tasks whose names match. Raises UnknownNameError when none does."""
    return load_catalogue([Path(path) for path in plugins]).select(patterns(pattern))


def catalogue(plugins: Sequence[str | Path] = ()) -> Catalogue:
    """All datasets, families and tasks that are known."""
    return load_catalogue([Path(path) for path in plugins])
