"""Training beside lightly: SimCLR and VICReg, one epoch of the embedded Fashion-MNIST: `python versus/training.py`.

The same images, network (small:resnet and a head of 256-128), batch of 64, views (crops of .3 to 1, flip, jitter of strength
.5, grey; no blur) and AdamW. lightly's side is its own transform, loss and head in the plain loop of its examples; ours is the
whole loop with schedule, saved state and curve. Images are decoded beforehand on both sides; no worker processes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import in_turn, ratio, save
from lightly.loss import NTXentLoss, VICRegLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from torch import nn
from torch.utils.data import DataLoader

from repbench.datasets.dataset import Split
from repbench.datasets.open import open_dataset
from repbench.encoders.architectures import build
from repbench.encoders.preprocess import NORMALISATIONS
from repbench.tasks import load_catalogue
from repbench.trainers.batches import Examples
from repbench.trainers.files import RunFiles
from repbench.trainers.loop import Hooks, fit
from repbench.trainers.method import find_method
from repbench.trainers.settings import TrainSettings
from repbench.trainers.train import make_method, parts_of

BATCH, SIZE, HEAD = 64, 32, "256-128"
LOSSES: dict[str, Callable[[], nn.Module]] = {"simclr": lambda: NTXentLoss(temperature=0.5), "vicreg": VICRegLoss}


class Images(torch.utils.data.Dataset[Any]):
    """Decoded images under lightly's transform."""

    def __init__(self, split: Split) -> None:
        self.images = [split.media["image"].load(place) for place in range(len(split))]
        mean, std = NORMALISATIONS["half"]
        self.transform = SimCLRTransform(
            input_size=SIZE, cj_strength=0.5, min_scale=0.3, gaussian_blur=0.0, normalize={"mean": mean, "std": std}
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> Any:
        return self.transform(self.images[place])


def lightly_epoch(images: Images, loss: nn.Module) -> None:
    """One epoch as in lightly's examples."""
    network = build("small:resnet", seed=0).network.train()
    head = SimCLRProjectionHead(192, 256, 128)
    optimizer = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=1e-3)
    for first, second in DataLoader(images, batch_size=BATCH, shuffle=True, drop_last=True):
        value = loss(head(network(first)), head(network(second)))
        value.backward()
        optimizer.step()
        optimizer.zero_grad()


def our_epoch(method: str) -> None:
    """One epoch of our loop, with all that it writes."""
    found = find_method(method)
    dataset = open_dataset(load_catalogue().dataset("fashion"))
    settings = TrainSettings(**{**found.defaults.__dict__, "epochs": 1, "batch_size": BATCH})
    parts = parts_of(dataset, settings)
    built = make_method(found, parts, found.options(head=HEAD))
    with tempfile.TemporaryDirectory() as folder:
        files = RunFiles(Path(folder) / "run.safetensors")
        fit(built, Examples(built.example, parts.split.label, 0), settings, files, {}, lambda line: None, Hooks())


def main() -> None:
    """Time both sides in turn, method by method."""
    images = Images(open_dataset(load_catalogue().dataset("fashion")).splits["train"])
    findings, details = [], {}
    for method, loss in LOSSES.items():
        sides = {
            "lightly": lambda loss=loss: lightly_epoch(images, loss()),
            "ours": lambda method=method: our_epoch(method),
        }
        seconds = in_turn(sides, rounds=5)
        details[method] = seconds
        what = f"training {method}, 1,500 images of 32 pixels, batch {BATCH}, small:resnet, {torch.get_num_threads()} threads"
        findings.append(ratio(f"{what}: lightly {_version()}", seconds["lightly"], seconds["ours"], 1.0))
    save(__file__, findings, {"seconds": details})


def _version() -> str:
    from importlib.metadata import version

    return version("lightly")


if __name__ == "__main__":
    main()
