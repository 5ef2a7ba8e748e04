"""Tasks that train the network, run for real at embedded scale: records of small runs, encoders that cannot be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from repbench.embeddings.options import ExtractOptions
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.leaderboard.tables import is_unfit, make_board, stale_lines
from repbench.results.files import read_records
from repbench.results.record import DONE, FAILED, Record
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue
from repbench.trainers.fine_tune import Network

RANDOM = "random:small:resnet,size=16"


def run(root: Path, encoder: str = RANDOM, told: dict[str, object] | None = None, on_bad_item: str = "fail") -> Record:
    extract = ExtractOptions(on_bad_item=on_bad_item)
    given = Settings(results=root / "results", store=root / "store", data=root / "data", extract=extract)
    (task,) = load_catalogue([root / "colours.toml"]).select(["fine-tune/colours"])
    task = task.with_options(told if told is not None else {"steps": 12, "grid": "1x1"})
    built = load_encoder(encoder, LoadOptions(trust_checkpoint=True))
    (record,) = execute(make_plan(built, [task], Datasets(given), given), given, Report(quiet=True))
    return record


def test_an_untrained_network_is_fine_tuned_to_the_end(colours: Path) -> None:
    record = run(colours, told={"steps": 30, "grid": "2x1"})
    assert record.status == DONE, record.reason
    assert record.value is not None
    assert record.value.value > 0.6  # chance is a third
    assert record.options["steps"] == 30
    assert record.inputs.told == ("grid=2x1", "steps=30")
    assert {row["learning_rate"] for row in record.diagnostics["validation"]} == {0.0316228, 0.1}
    assert record.n == 18
    chosen = f"the chosen learning rate {record.diagnostics['learning_rate']:g} and weight decay 0 is an end of its grid"
    assert record.warnings == (chosen,)
    assert (next((colours / "results").rglob("colours+grid=2x1+steps=30.json"))).is_file()


def test_a_small_run_replaces_no_other_and_gives_way_to_the_declared_one(colours: Path) -> None:
    for steps in (1, 2):
        run(colours, told={"steps": steps, "grid": "1x1"})
    records = list(read_records(colours / "results"))
    assert sorted(record.inputs.told for record in records) == [("grid=1x1", "steps=1"), ("grid=1x1", "steps=2")]
    board = make_board(records)
    assert len(board.done) == len(board.stale) == 1
    assert "its options" in stale_lines(board)[0]
    full = [record for record in records if record.inputs.told[1] == "steps=2"]
    from dataclasses import replace

    declared = replace(full[0], inputs=replace(full[0].inputs, told=(), task_digest="declared"))
    assert make_board([*records, *records, declared]).done == (declared,)


@pytest.mark.parametrize("encoder", ["control:pixels", "control:constant"])
def test_controls_are_unfit_with_a_reason(colours: Path, encoder: str) -> None:
    record = run(colours, encoder)
    assert record.status == FAILED
    assert record.reason.startswith("not trainable: ")
    assert is_unfit(record)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["model.pt2", "model.onnx"])
def test_exported_programs_are_unfit_with_a_reason(colours: Path, name: str) -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    example = (torch.zeros(1, 3, 16, 16),)
    if name.endswith("onnx"):
        torch.onnx.export(network, example, str(colours / name), dynamo=False)
    else:
        torch.export.save(torch.export.export(network, example), colours / name)
    record = run(colours, str(colours / name))
    assert record.status == FAILED
    assert record.reason.startswith("not trainable: ")
    assert is_unfit(record)


class Stopped(BaseException):
    """A run that is ended from outside."""


def test_a_run_that_is_stopped_in_its_grid_trains_no_finished_pair_again(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, object] = {"steps": 6, "grid": "3x1"}
    trained: list[float] = []
    fit = Network._trained

    def counted(self: Network, *given: Any) -> Any:
        trained.append(given[3].rate)
        if len(trained) == 3:
            raise Stopped
        return fit(self, *given)

    monkeypatch.setattr(Network, "_trained", counted)
    with pytest.raises(Stopped):
        run(colours, told=told)
    resumed = run(colours, told=told)
    assert resumed.status == DONE, resumed.reason
    assert len(trained) == 5  # three pairs, of them the third once more, and the chosen one on train and validation
    assert trained[2] == trained[3]
    monkeypatch.setattr(Network, "_trained", fit)
    (tmp_path / "store").rename(tmp_path / "before")
    (tmp_path / "results").rename(tmp_path / "results before")
    assert run(colours, told=told).metrics == resumed.metrics


def test_an_undecodable_image_is_named_or_left_out(colours: Path) -> None:
    (colours / "data/colours/train/red/02.png").write_bytes(b"\x89PNG nothing")
    assert "train/red/02.png: this image cannot be decoded" in run(colours).reason
    left_out = run(colours, on_bad_item="skip")
    assert left_out.status == DONE, left_out.reason
    assert list(left_out.skipped) == ["train/red/02.png"]
