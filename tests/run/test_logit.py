"""The model's own logit: it is an input of the records whose task reads it, and of no other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from repbench.encoder import Encoder, Logit
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.results.record import Record
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue

TASKS = [load_catalogue().tasks[name] for name in ("zero-shot/digits", "zero-shot-calibration/digits", "knn/digits")]


def run(folder: Path, encoder: Encoder) -> tuple[dict[str, Record], list[str]]:
    """Records by protocol, and the protocols that were not done before."""
    settings = Settings(results=folder / "results", store=folder / "store", limit=40)
    plan = make_plan(encoder, TASKS, Datasets(settings), settings)
    records = execute(plan, settings, Report(quiet=True))
    return {record.protocol: record for record in records}, [job.task.protocol_name for job in plan.open_jobs]


def test_a_record_says_which_scale_was_used_and_is_made_anew_for_another(tmp_path: Path) -> None:
    plain = load_encoder("control:random", LoadOptions())
    first, _ = run(tmp_path, plain)
    assert {record.inputs.logit for record in first.values()} == {""}
    assert first["zero-shot-calibration"].diagnostics["logit"] == "100 x cosine, CLIP's cap, for the model states none"
    own = replace(plain, logit=Logit(scale=14.25, bias=-10.0))
    second, done = run(tmp_path, own)
    assert done == ["zero-shot-calibration"]  # the others are the same numbers still
    told = second["zero-shot-calibration"]
    assert told.inputs.logit == "14.25 x cosine -10"
    assert told.diagnostics["logit"] == "14.25 x cosine -10, the model's own"
    assert told.metrics["brier-before"].value < first["zero-shot-calibration"].metrics["brier-before"].value
    assert run(tmp_path, own)[1] == []
