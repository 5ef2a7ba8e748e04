"""Runs: every task gets a record, one failure does not stop the others, nothing is done twice, a killed run resumes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repbench.datasets import items
from repbench.datasets.dataset import Dataset
from repbench.embeddings import assembled, extract, views
from repbench.embeddings.embedded import Embeddings
from repbench.encoder import Encoder, Tower
from repbench.encoders.load import load_encoder
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import UsageError
from repbench.leaderboard.publish import publish
from repbench.leaderboard.tables import make_board
from repbench.measure import logistic
from repbench.protocol import Outcome
from repbench.protocols.knn import KNN
from repbench.results.files import read_records
from repbench.results.record import DONE, FAILED, Record
from repbench.run import fidelity
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue, patterns

EXTRACT = ("device", "batch_size", "workers", "on_bad_item", "precision")
FOUR = "alignment-uniformity/colour*,knn/colour*,linear-probe/colour*,zero-shot/colour*"


def settings(root: Path, **changes: Any) -> Settings:
    given = Settings(results=root / "results", store=root / "store", data=root / "data")
    extract = {key: changes.pop(key) for key in list(changes) if key in EXTRACT}
    return replace(given, extract=replace(given.extract, **extract), **changes)


def run(root: Path, encoder: str | Encoder = "control:pixels", tasks: str = FOUR, **changes: Any) -> dict[str, Record]:
    given = settings(root, **changes)
    chosen = load_catalogue([root / "colours.toml"]).select(patterns(tasks))
    built = load_encoder(encoder) if isinstance(encoder, str) else encoder
    records = execute(make_plan(built, chosen, Datasets(given), given), given, Report(quiet=True))
    return {record.task: record for record in records}


def test_every_task_that_fits_is_scored_and_one_that_does_not_says_why(colours: Path) -> None:
    records = run(colours)
    assert {name for name, record in records.items() if record.status == DONE} == {
        "alignment-uniformity/colours",
        "knn/colours",
        "linear-probe/colours",
    }
    unfit = records["zero-shot/colours"]
    assert unfit.status == FAILED
    assert unfit.reason == "missing modality: it needs a tower for text; control:pixels has image, audio."
    assert records["linear-probe/colours"].value.value == 1.0  # type: ignore[union-attr]


def test_the_order_of_the_rows_of_a_copy_changes_no_score(
    colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = "few-shot/colours,knn/colours,linear-probe/colours"
    expected = run(colours, tasks=tasks)
    read, given = Datasets._read, list[Embeddings]()

    def shuffled(self: Datasets, *needed: Any) -> Dataset:
        found = read(self, *needed)
        assert isinstance(found, Dataset)
        rng = np.random.default_rng(0)
        return replace(found, splits={name: one.take(rng.permutation(len(one))) for name, one in found.splits.items()})

    def score(self: KNN, got: Embeddings, seed: int) -> Outcome:
        given.append(got)
        return whole(self, got, seed)

    whole = KNN.score
    monkeypatch.setattr(Datasets, "_read", shuffled)
    monkeypatch.setattr(KNN, "score", score)
    records = run(colours, tasks=tasks, results=tmp_path / "elsewhere")
    [train] = given[0].tuning
    assert train.ids.tolist() == sorted(train.ids.tolist())
    assert given[0].test[0].ids.tolist() != sorted(given[0].test[0].ids.tolist())
    for task, record in records.items():
        for name, value in expected[task].metrics.items():
            assert record.metrics[name].value == value.value, (task, name)


def test_a_record_holds_what_is_needed_to_repeat_the_number(colours: Path) -> None:
    run(colours)
    (record,) = [one for one in read_records(colours / "results") if one.task == "knn/colours"]
    assert record.options == {"k": 20, "temperature": 0.07, "index": "exact"}
    assert record.chance == pytest.approx(1 / 3)
    assert record.n == 18
    assert record.towers["image"]["features"] == "RGB pixels in [-1, 1], 32 x 32, bilinear"
    assert record.inputs.seed == 0
    told = {"device", "batch_size", "passes", "workers", "seconds", "command", "embedded", "examples"}
    assert set(record.circumstances) == told


def test_nan_embeddings_fail_their_task_and_name_the_first_item(colours: Path) -> None:
    records = run(colours, "control:nan")
    assert all(record.status == FAILED for record in records.values())
    assert records["knn/colours"].reason.startswith("embeddings are NaN or infinite for 42 of 42 items of colours/train+val")


class Infinite:
    def __call__(self, item: Any) -> torch.Tensor:
        return torch.full((4,), float("inf"))


def test_infinite_embeddings_fail_too(colours: Path) -> None:
    tower = Tower(prepare=Infinite(), module=torch.nn.Identity(), dim=4, fingerprint="inf")
    records = run(colours, Encoder(name="inf", towers={"image": tower}), "knn/colours")
    assert "NaN or infinite" in records["knn/colours"].reason


def test_a_corrupt_image_fails_only_the_tasks_that_need_it(colours: Path) -> None:
    (colours / "data/colours/train/red/02.png").write_bytes(b"\x89PNG nothing")
    records = run(colours)
    assert records["alignment-uniformity/colours"].status == DONE  # it needs test alone
    assert "train/red/02.png: this image cannot be decoded" in records["knn/colours"].reason
    assert "0x" not in records["knn/colours"].reason  # an address in memory would differ from run to run


def test_skipped_items_are_counted_in_the_record(colours: Path) -> None:
    (colours / "data/colours/train/red/02.png").write_bytes(b"\x89PNG nothing")
    records = run(colours, on_bad_item="skip")
    assert records["knn/colours"].status == DONE
    assert list(records["knn/colours"].skipped) == ["train/red/02.png"]
    again = run(colours, "control:constant", on_bad_item="skip")
    assert list(again["linear-probe/colours"].skipped) == ["train/red/02.png"]


def test_a_class_that_is_missing_in_train_is_named(colours: Path) -> None:
    toml = (colours / "colours.toml").read_text()
    for split, count in (("train", 20), ("val", 8)):
        for path in (colours / f"data/colours/{split}/red").iterdir():
            path.unlink()
        toml = toml.replace(f"{split} = {30 if split == 'train' else 12}", f"{split} = {count}")
    (colours / "colours.toml").write_text(toml)
    records = run(colours)
    assert records["linear-probe/colours"].status == FAILED
    assert "red" in records["linear-probe/colours"].reason
    assert "red" in records["knn/colours"].reason


def test_one_class_only_is_no_task(colours: Path) -> None:
    toml = (colours / "colours.toml").read_text().replace("classes = 3", "classes = 1")
    (colours / "colours.toml").write_text(toml)
    names = load_catalogue([colours / "colours.toml"]).tasks
    assert not any(name in names for name in ("knn/colours", "linear-probe/colours"))


def test_what_is_done_is_not_done_again(colours: Path) -> None:
    run(colours)
    path = next((colours / "results").rglob("knn/colours.json"))
    before = path.stat().st_mtime_ns
    run(colours)
    assert path.stat().st_mtime_ns == before


def test_another_seed_a_quick_look_and_another_network_of_one_name_overwrite_nothing(colours: Path) -> None:
    encoders = [replace(load_encoder(f"random:test_resnet,size={size}"), name="same") for size in (16, 32)]
    for encoder in encoders:
        run(colours, encoder, "knn/colours")
    run(colours, encoders[0], "knn/colours", seed=1)
    run(colours, encoders[0], "knn/colours", limit=4)
    found = list(read_records(colours / "results"))
    assert sorted((one.inputs.encoder_fingerprint, one.inputs.seed, one.inputs.limit or 0) for one in found) == sorted(
        [
            (encoders[0].fingerprint, 0, 0),
            (encoders[1].fingerprint, 0, 0),
            (encoders[0].fingerprint, 1, 0),
            (encoders[0].fingerprint, 0, 4),
        ]
    )


def test_a_failure_replaces_no_result_and_is_gone_when_the_task_succeeds(colours: Path) -> None:
    run(colours, tasks="knn/colours")
    image = colours / "data/colours/train/red/02.png"
    good = image.read_bytes()
    image.write_bytes(b"\x89PNG nothing")
    run(colours, tasks="knn/colours", accept_changed_data=True)
    assert [one.status for one in read_records(colours / "results")] == [FAILED, DONE]
    image.write_bytes(good[:-1] + b"x")  # other bytes, the same picture
    run(colours, tasks="knn/colours", accept_changed_data=True)
    assert [one.status for one in read_records(colours / "results")] == [DONE]


@pytest.mark.parametrize("error", [KeyError("weight"), TypeError("no"), RuntimeError("shapes"), IndexError(3)])
def test_whatever_a_users_protocol_raises_fails_its_task_alone(
    colours: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(KNN, "score", broken)
    records = run(colours)
    assert records["knn/colours"].reason == f"{type(error).__name__}: {error} (test_execute.py, line {_line_of(broken) + 1})"
    assert records["linear-probe/colours"].status == DONE


def _line_of(function: Any) -> int:
    line: int = function.__code__.co_firstlineno
    return line


def test_a_damaged_record_is_written_again(colours: Path) -> None:
    run(colours)
    path = next((colours / "results").rglob("knn/colours.json"))
    text = path.read_text()
    path.write_text(text[: len(text) // 2])
    assert run(colours)["knn/colours"].status == DONE
    assert "knn/colours" in {one.task for one in read_records(colours / "results")}


def numbers(records: dict[str, Record]) -> dict[str, Any]:
    return {name: {key: round(one.value, 6) for key, one in record.metrics.items()} for name, record in records.items()}


def test_results_do_not_depend_on_batch_workers_or_on_which_other_tasks_ran(colours: Path, tmp_path: Path) -> None:
    whole = run(colours, "random:test_resnet,size=32")
    for name, changes in {"a": {"batch_size": 7}, "b": {"workers": 2}}.items():
        other = run(
            colours,
            "random:test_resnet,size=32",
            **changes,
            results=tmp_path / name / "results",
            store=tmp_path / name / "store",
        )
        assert numbers(other) == numbers(whole)
    only = run(
        colours, "random:test_resnet,size=32", "knn/colours", results=tmp_path / "d" / "results", store=tmp_path / "d" / "store"
    )
    assert numbers(only)["knn/colours"] == numbers(whole)["knn/colours"]


def board_bytes(results: Path, out: Path) -> dict[str, bytes]:
    """Every form of the board, of records without their circumstances: the page shows the seconds and command of each run."""
    records = [replace(record, circumstances={}) for record in read_records(results)]
    return {path.name: path.read_bytes() for path in publish(make_board(records), out)}


COMMAND = f"""
import sys
from repbench.cli import main
results, store = sys.argv[1:]
sys.argv = ["repbench", "run", "random:test_resnet,size=32", "control:random", "--tasks", {FOUR!r}, "--batch-size", "4"]
sys.argv += ["--plugin", "colours.toml", "--data", "data", "--out", results, "--store", store, "--quiet"]
main()
"""


def test_results_are_the_same_where_embeddings_come_as_a_memory_map(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = ",".join((FOUR, "few-shot/colours", "clustering/colours", "spectrum/colours", "calibration/colours"))
    in_memory = run(colours, tasks=chosen)
    monkeypatch.setattr(assembled, "LARGE", 0)
    mapped = run(colours, tasks=chosen, results=colours / "others")
    assert sum(record.status == DONE for record in mapped.values()) >= 6
    for task, record in mapped.items():
        assert replace(record, circumstances={}) == replace(in_memory[task], circumstances={})


def test_a_run_that_is_killed_at_any_moment_resumes_to_the_same_bytes(colours: Path) -> None:
    def start(results: str, store: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, results, store],
            cwd=colours,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    began = time.monotonic()
    assert start("whole", "store-a").wait() == 0
    length = time.monotonic() - began
    for share in (0.6, 0.9):
        process = start("killed", "store-b")
        time.sleep(length * share)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("killed", "store-b").wait() == 0
    whole = board_bytes(colours / "whole", colours / "board-a")
    assert whole == board_bytes(colours / "killed", colours / "board-b")
    assert b"linear-probe/colours" in whole["leaderboard.csv"]


class Hungry(torch.nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return pixels.flatten(1)


def small_images(module: torch.nn.Module) -> Encoder:
    prepare = ImagePreprocess(size=8, resize=8)
    return Encoder(name="small", towers={"image": Tower(prepare=prepare, module=module.eval(), dim=192, fingerprint="small")})


def test_memory_that_runs_out_changes_no_number_and_is_told_in_the_record(colours: Path) -> None:
    plain = run(colours, small_images(torch.nn.Flatten()))
    others = {"results": colours / "other", "store": colours / "other-store"}
    hungry = run(colours, small_images(Hungry()), batch_size=32, **others)
    assert numbers(hungry) == numbers(plain)
    note = "out of memory on cpu: passes of 4 items instead of 32"
    assert hungry["knn/colours"].circumstances["notes"] == {"image": {"batch": note}}
    assert "notes" not in plain["knn/colours"].circumstances
    assert [one["knn/colours"].circumstances["batch_size"] for one in (hungry, plain)] == [32, 64]
    assert hungry["knn/colours"].circumstances["passes"] == {"image": 4}  # Hungry takes 5 at most
    again = run(colours, small_images(Hungry()), results=colours / "again", store=colours / "other-store")
    assert "passes" not in again["knn/colours"].circumstances  # its embeddings were there


def test_reduced_precision_is_measured_on_a_sample_and_told_in_the_record(colours: Path) -> None:
    records = run(colours, "random:test_resnet,size=32", precision="bf16")
    for name in ("knn/colours", "linear-probe/colours", "alignment-uniformity/colours"):
        told = records[name].circumstances["fidelity"]["image"]
        assert 0.99 < told["least_cosine"] <= told["mean_cosine"] < 1
        assert 0 < told["centred_cosine"] < 1
        assert 0 <= told["neighbour_flips"] <= told["items"]
        assert 0 <= told["vote_flips"] <= told["items"]
        assert told["largest_difference"] > 0
    assert records["knn/colours"].inputs.precision == "bf16"
    assert records["knn/colours"].circumstances["prediction_flips"]["examples"] == 18
    assert "prediction_flips" not in records["alignment-uniformity/colours"].circumstances  # it predicts nothing
    plain = run(colours, "random:test_resnet,size=32")["knn/colours"].circumstances
    assert not {"fidelity", "prediction_flips"} & set(plain)


class Colour(torch.nn.Module):
    """The mean colour of an image; in reduced precision, as a `sign` has it, that or its opposite."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        self.one, self.sign = torch.nn.Parameter(torch.ones(1), requires_grad=False), sign

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        colour = pixels.mean(dim=(2, 3)) * self.one
        return colour if self.one.dtype == torch.float32 else colour * self.sign


def named(text: str) -> torch.Tensor:
    return torch.tensor([[0.0, 1.0][name in text] for name in ("red", "green", "blue")]) - 0.3


@pytest.mark.parametrize(("sign", "flips"), [(1.0, 0), (-1.0, 18)])
def test_predictions_that_reduced_precision_flips_are_counted_in_the_record(colours: Path, sign: float, flips: int) -> None:
    image = Tower(prepare=ImagePreprocess(size=8, resize=8), module=Colour(sign).eval(), dim=3, fingerprint="colour")
    text = Tower(prepare=named, module=torch.nn.Identity(), dim=3, fingerprint="named")
    tasks = "knn/colours,linear-probe/colours,calibration/colours,zero-shot/colours"
    records = run(colours, Encoder(name="colour", towers={"image": image, "text": text}), tasks, precision="bf16")
    assert [record.status for record in records.values()] == [DONE] * 4
    assert records["knn/colours"].value.value == 1.0  # type: ignore[union-attr]
    for name, record in records.items():  # in float32 an example is the opposite of its kind in the bank
        assert record.circumstances["prediction_flips"] == {"examples": 18, "flips": flips}, name


def test_a_protocol_that_cannot_be_asked_about_a_few_examples_is_told_and_fails_nothing(
    colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = KNN.score

    def whole(self: KNN, got: Embeddings, seed: int) -> Outcome:
        if len(got.test[0]) < 18:
            raise ValueError("too few")
        return score(self, got, seed)

    monkeypatch.setattr(KNN, "score", whole)
    monkeypatch.setattr(fidelity, "SAMPLE", 6)
    record = run(colours, "random:test_resnet,size=32", "knn/colours", precision="bf16")["knn/colours"]
    assert record.status == DONE
    assert record.circumstances["prediction_flips"] == {"not measured": "too few"}


def test_each_image_is_decoded_once_and_each_view_of_it_embedded_once(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    load = items.Items.load

    def counted(self: items.Items, place: int) -> Any:
        decoded.append(self.names[place])
        return load(self, place)

    monkeypatch.setattr(items.Items, "load", counted)
    passes: list[int] = []

    class Counted(torch.nn.Flatten):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            passes.append(len(pixels))
            return super().forward(pixels)

    records = run(colours, small_images(Counted()), batch_size=1)
    assert sum(record.status == DONE for record in records.values()) == 3
    assert len(decoded) == len(set(decoded)) == 60
    assert sum(passes) == 60 + 2 * 18  # every image, and two crops of those in test


def test_a_view_that_fails_is_told_to_those_alone_who_need_it(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise UsageError("no crop")

    monkeypatch.setattr(views, "_augment", broken)
    records = run(colours)
    assert records["alignment-uniformity/colours"].reason == "no crop"
    assert records["knn/colours"].status == records["linear-probe/colours"].status == DONE


def test_probes_are_solved_on_the_device_of_the_run(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []
    fit_path = logistic.fit_path

    def recorded(*given: Any, device: str, **named: Any) -> logistic.Path:
        devices.append(device)
        return fit_path(*given, **named)

    tasks = "linear-probe/colours,calibration/colours"
    first = run(colours, tasks=tasks)
    monkeypatch.setattr(logistic, "fit_path", recorded)
    monkeypatch.setattr(extract, "check_device", lambda device: None)  # the embeddings are there: no device is needed
    for device in ("cpu", "cuda:1"):
        again = run(colours, tasks=tasks, results=colours / device, device=device)
        assert numbers(again) == numbers(first)
    assert devices == ["cpu", "cpu", "cuda:1", "cuda:1"]
