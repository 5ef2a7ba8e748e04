"""Four protocols on one dataset beside the bare forward passes over its distinct inputs, and beside each task on its own.

`python versus/one_pass.py`: JPEG files of ten classes; linear-probe, knn, zero-shot and alignment-uniformity; ViT-B/32 of
open_clip with random weights. What counts is the time of embedding, from files to the store, as the records tell it. Beside it
what a peer embeds for the same four, task by task: CLIP_benchmark's extraction of the pictures alone, in a process of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from common import figure, save, timed
from extraction import pictures

from repbench.embeddings.forward import Forward, finishes_batches
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.views import variants, view_size
from repbench.encoder import Encoder
from repbench.encoders.load import load_encoder
from repbench.run.execute import execute
from repbench.run.plan import Datasets, Plan, make_plan, modality_of
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue

WHY = (
    "beside the passes themselves, pictures are decoded and cropped, and once an encoder the faster network is made and"
    " compared, which takes as long as a dozen pictures do"
)
SPLITS = {"train": 320, "val": 80, "test": 200}
CLASSES, ROUNDS, PEER = 10, 3, "clip_benchmark 1.6.2"
TASKS = ("linear-probe/photos", "knn/photos", "zero-shot/photos", "alignment-uniformity/photos")
TOML = f"""
title = "Made-up photographs"
metric = "accuracy"
classes = {CLASSES}
[splits]
{chr(10).join(f"{split} = {count}" for split, count in SPLITS.items())}
[sources.folder]
path = "photos"
[prompts]
templates = [
    "a {{c}}", "a photo of a {{c}}", "a picture of a {{c}}", "one {{c}}", "the {{c}}", "a good {{c}}",
    "a bad {{c}}", "my {{c}}",
]
"""


def write_dataset(root: Path) -> None:
    """`root/photos.toml` and `root/data/photos/SPLIT/CLASS/NNNN.jpg`."""
    (root / "photos.toml").write_text(TOML)
    (root / "made").mkdir()
    files = iter(pictures(root / "made", sum(SPLITS.values())))
    for split, count in SPLITS.items():
        for place in range(count):
            folder = root / "data" / "photos" / split / f"thing{place % CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            path = next(files)
            path.rename(folder / path.name)


def planned(root: Path, encoder: Encoder, tasks: tuple[str, ...], name: str) -> tuple[Plan, Settings]:
    settings = Settings(results=root / name / "results", store=root / name / "store", data=root / "data")
    chosen = load_catalogue([root / "photos.toml"]).select(list(tasks))
    return make_plan(encoder, chosen, Datasets(settings), settings), settings


def embedding_seconds(root: Path, encoder: Encoder, tasks: tuple[str, ...], name: str) -> float:
    """Seconds that a run of these tasks spends on embeddings, with nothing stored before."""
    plan, settings = planned(root, encoder, tasks, name)
    records = execute(plan, settings, Report(quiet=True))
    assert all(record.status == "done" for record in records), [record.reason for record in records]
    return sum(record.circumstances["seconds"]["embedding"] for record in records)


def distinct_inputs(root: Path, encoder: Encoder) -> list[tuple[Callable[[torch.Tensor], Any], list[torch.Tensor]]]:
    """For each tower the network and all distinct inputs of the suite, as ready tensors in passes of repbench's size."""
    plan, settings = planned(root, encoder, TASKS, "inputs")
    by_tower: dict[str, dict[tuple[str, str], torch.Tensor]] = {}
    for job in plan.open_jobs:
        assert job.dataset is not None
        for need, work in job.works:
            modality = modality_of(need, job.dataset)
            prepare: Any = encoder.towers[modality].prepare
            step = prepare.pixels if finishes_batches(prepare) else prepare
            for key, (items, place) in zip(work.keys, work.places, strict=True):
                if (work.address.view, key) not in by_tower.setdefault(modality, {}):
                    made = [step(one) for one in variants(items.load(place), key, work.view, settings.seed)]
                    assert len(made) == view_size(work.view)
                    by_tower[modality][work.address.view, key] = torch.stack(made)
    ready = []
    for modality, found in by_tower.items():
        forward = Forward(encoder.towers[modality], ExtractOptions())
        inputs = torch.cat(list(found.values()))
        forward(inputs[:1])
        assert forward._module is not None
        ready.append((forward._module, [forward._inputs(part, "cpu") for part in inputs.split(forward._size)]))
    return ready


def peer_seconds(root: Path) -> float:
    """Seconds of a peer's extraction for the four tasks, each for itself: of zero-shot without the texts."""
    from extraction_peers import Process  # brings the peers' own packages

    files = {split: sorted((root / "data" / "photos" / split).rglob("*.jpg")) for split in SPLITS}
    everything = [*files["train"], *files["val"], *files["test"]]
    process = Process("ViT-B/32", PEER)
    process(everything[:64])  # a warm-up
    seconds: list[float] = []
    for wanted in (everything, everything, files["test"], files["test"] * 2):  # as in TASKS; the last in two views
        timed(seconds, partial(process, wanted))
    process.close()
    return sum(seconds)


def main() -> None:
    """Rounds of the suite, each between two bare passes; then each task alone, by repbench and by a peer, once."""
    encoder = load_encoder("open_clip:ViT-B-32/random")
    seconds: dict[str, list[float]] = {"bare": [], "suite": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_dataset(root)
        ready = distinct_inputs(root, encoder)

        def bare() -> None:
            with torch.inference_mode():
                for module, parts in ready:
                    for part in parts:
                        module(part)

        bare()
        timed(seconds["bare"], bare)
        for number in range(ROUNDS):  # between two bare passes each, whose mean has the same drift of the machine
            seconds["suite"].append(embedding_seconds(root, encoder, TASKS, f"suite{number}"))
            timed(seconds["bare"], bare)
        suite = median(seconds["suite"])
        alone = sum(embedding_seconds(root, encoder, (task,), task) for task in TASKS)
        peer = peer_seconds(root)
        counts = {type(module).__name__: sum(map(len, parts)) for module, parts in ready}
    over = [one / mean(around) for one, around in zip(seconds["suite"], pairwise(seconds["bare"]), strict=True)]
    findings = [
        figure(
            "four protocols on one dataset, embedding / bare passes on distinct inputs",
            over,
            1.10,
            higher_is_better=False,
            why=f"{WHY}; bare passes took {min(seconds['bare']):.0f} to {max(seconds['bare']):.0f} s",
        ),
        figure("the same four, each embedding for itself / repbench's one pass", [alone / suite], 1.5),
        figure(f"the same four, each by {PEER}'s extraction for itself / repbench's one pass", [peer / suite], 2.0),
    ]
    details = {"distinct_inputs": counts, "seconds": {**seconds, "alone": alone, PEER: peer}, "splits": SPLITS}
    save(__file__, findings, details)


if __name__ == "__main__":
    main()
