"""Retrieval on tiny copies of COCO and Flickr30k, from the list to the record, against ranks counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from repbench.datasets.declaration import DatasetDeclaration
from repbench.encoder import Encoder, Tower
from repbench.results.record import DONE
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue
from tests.datasets.test_captions import as_clip_benchmark_says, coco, coco_shards, flickr30k

CATALOGUE = load_catalogue()
WIDE = 16


class Pixels:
    """An image as numbers that its pixels decide."""

    def __call__(self, image: object) -> torch.Tensor:
        seed = int(np.asarray(image, dtype=np.int64).sum())
        return torch.randn(WIDE, generator=torch.Generator().manual_seed(seed))


class Letters:
    """A text as numbers that its letters decide."""

    def __call__(self, text: str) -> torch.Tensor:
        return torch.randn(
            WIDE, generator=torch.Generator().manual_seed(sum(place * ord(c) for place, c in enumerate(text, 1)))
        )


def encoder() -> Encoder:
    towers = {
        name: Tower(prepare=prepare, module=torch.nn.Identity(), dim=WIDE, fingerprint=name)
        for name, prepare in (("image", Pixels()), ("text", Letters()))
    }
    return Encoder(name="by chance", towers=towers)


def by_hand(declared: DatasetDeclaration, root: Path) -> dict[str, float]:
    """Recall at 1 both ways, of cosines in float64; nothing ties."""
    from repbench.datasets.open import open_dataset

    dataset = open_dataset(declared, root)
    test = dataset.splits["test"]
    texts = [tuple(dict.fromkeys(said)) for said in test.columns["caption"]]
    of = np.array([place for place, said in enumerate(texts) for _ in said[: declared.captions.most]])  # type: ignore[union-attr]
    said = [one for several in texts for one in several[: declared.captions.most]]  # type: ignore[union-attr]
    images = np.stack([Pixels()(test.media["image"].load(place)).double().numpy() for place in range(len(test))])
    captions = np.stack([Letters()(text).double().numpy() for text in said])
    cosine = (images / np.linalg.norm(images, axis=1)[:, None]) @ (captions / np.linalg.norm(captions, axis=1)[:, None]).T
    return {
        "image-to-text-recall-at-1": float((of[cosine.argmax(axis=1)] == np.arange(len(test))).mean()),
        "text-to-image-recall-at-1": float((cosine.argmax(axis=0) == of).mean()),
    }


def clip_benchmarks(root: Path) -> DatasetDeclaration:
    return coco_shards(root, as_clip_benchmark_says)


@pytest.mark.parametrize("write", [coco, clip_benchmarks, flickr30k])
def test_a_retrieval_task_runs_from_the_list_of_captions_to_the_record(write: object, tmp_path: Path) -> None:
    declared: DatasetDeclaration = write(tmp_path / "data")  # type: ignore[operator]
    given = Settings(results=tmp_path / "results", store=tmp_path / "store", data=tmp_path / "data")
    task = replace(CATALOGUE.tasks[f"retrieval/{declared.name}"], dataset=declared)
    (record,) = execute(make_plan(encoder(), [task], Datasets(given), given), given, Report(quiet=True))
    assert (record.status, record.reason) == (DONE, "")
    expected = by_hand(declared, tmp_path / "data")
    assert {name: record.metrics[name].value for name in expected} == pytest.approx(expected)
    assert record.value is not None
    assert record.value.value == pytest.approx(sum(expected.values()) / 2)
