"""Training beside lightly, one epoch of the embedded Fashion-MNIST: `python versus/training.py [METHOD...]`.

The same images, networks (small:resnet, of MAE small:vit; heads and decoder of our defaults, but 256-128 of SimCLR and VICReg),
batch of 64, views (crops of .3 to 1, flip, jitter of strength .5, grey; no blur) and AdamW. lightly's side is its own
transform, loss, heads and helpers in the plain loop of its examples; ours is the whole loop with schedule, saved state and
curve. Images are decoded beforehand on both sides; no worker processes.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from common import Finding, in_turn, ratio, save
from lightly.loss import BarlowTwinsLoss, DINOLoss, NegativeCosineSimilarity, NTXentLoss, VICRegLoss
from lightly.models import utils
from lightly.models.modules import (
    BarlowTwinsProjectionHead,
    BYOLPredictionHead,
    BYOLProjectionHead,
    MAEDecoderTIMM,
    MaskedVisionTransformerTIMM,
    SimCLRProjectionHead,
)
from lightly.models.modules.heads import ProjectionHead
from lightly.transforms import DINOTransform, MAETransform, SimCLRTransform
from torch import Tensor, nn
from torch.utils.data import DataLoader

from repbench.datasets.dataset import Dataset
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

BATCH, SIZE, WIDTH = 64, 32, 192
MOMENTUM = 0.97  # of slow copies, as in our defaults
NORMALISE = dict(zip(("mean", "std"), NORMALISATIONS["half"], strict=True))
PLAIN = {"cj_strength": 0.5, "gaussian_blur": 0.0, "normalize": NORMALISE}
TWO_VIEWS = SimCLRTransform(input_size=SIZE, min_scale=0.3, **PLAIN)
SMALL_CROPS = DINOTransform(
    global_crop_size=SIZE,
    global_crop_scale=(0.4, 1.0),
    local_crop_size=SIZE,
    local_crop_scale=(0.15, 0.4),
    n_local_views=2,
    cj_strength=0.5,
    gaussian_blur=(0.0, 0.0, 0.0),
    solarization_prob=0.0,
    normalize=NORMALISE,
)
ONE_CROP = MAETransform(input_size=SIZE, min_scale=0.3, normalize=NORMALISE)


class Images(torch.utils.data.Dataset[Any]):
    """Decoded images under one of lightly's transforms."""

    def __init__(self, images: Sequence[Any], transform: Any) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, place: int) -> Any:
        return self.transform(self.images[place])


class Joint(nn.Module):
    """SimCLR, VICReg, Barlow Twins: a loss of the embeddings of two views."""

    transform = TWO_VIEWS

    def __init__(self, head: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.network, self.head, self.loss = build("small:resnet", seed=0).network, head, loss

    def forward(self, views: list[Tensor]) -> Tensor:
        value: Tensor = self.loss(*(self.head(self.network(view)) for view in views))
        return value


class BYOL(nn.Module):
    """As in lightly's example: prediction of each view from the other, and a momentum copy."""

    transform = TWO_VIEWS

    def __init__(self) -> None:
        super().__init__()
        self.online = nn.Sequential(build("small:resnet", seed=0).network, BYOLProjectionHead(WIDTH, 256, 128))
        self.prediction = BYOLPredictionHead(128, 256, 128)
        self.slow = nn.Sequential(build("small:resnet", seed=0).network, BYOLProjectionHead(WIDTH, 256, 128))
        utils.deactivate_requires_grad(self.slow)
        self.loss = NegativeCosineSimilarity()

    def forward(self, views: list[Tensor]) -> Tensor:
        utils.update_momentum(self.online, self.slow, m=MOMENTUM)
        first, second = (self.prediction(self.online(view)) for view in views)
        with torch.no_grad():
            one, other = (self.slow(view) for view in views)
        value: Tensor = 0.5 * (self.loss(first, other) + self.loss(second, one))
        return value


class DINO(nn.Module):
    """As in lightly's example, with a head of two layers before the prototypes, as ours has."""

    transform = SMALL_CROPS

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = self._side(), self._side()
        utils.deactivate_requires_grad(self.teacher)
        self.loss = DINOLoss(output_dim=512, warmup_teacher_temp_epochs=1)

    @staticmethod
    def _side() -> nn.Module:
        head = ProjectionHead([(WIDTH, 256, nn.BatchNorm1d(256), nn.ReLU()), (256, 64, None, None)])
        last = nn.utils.parametrizations.weight_norm(nn.Linear(64, 512, bias=False))
        return nn.Sequential(build("small:resnet", seed=0).network, head, last)

    def forward(self, views: list[Tensor]) -> Tensor:
        utils.update_momentum(self.student, self.teacher, m=MOMENTUM)
        with torch.no_grad():
            wise = [self.teacher(view) for view in views[:2]]
        value: Tensor = self.loss(wise, [self.student(view) for view in views], epoch=0)
        return value


class MAE(nn.Module):
    """As in lightly's example."""

    transform = ONE_CROP

    def __init__(self) -> None:
        super().__init__()
        vit = build("small:vit", seed=0).network
        self.encoder = MaskedVisionTransformerTIMM(vit=vit)
        self.side, self.length = int(vit.patch_embed.patch_size[0]), self.encoder.sequence_length
        self.decoder = MAEDecoderTIMM(
            num_patches=vit.patch_embed.num_patches,
            patch_size=self.side,
            embed_dim=vit.embed_dim,
            decoder_embed_dim=64,
            decoder_depth=2,
            decoder_num_heads=2,
            mlp_ratio=4.0,
        )
        self.loss = nn.MSELoss()

    def forward(self, views: list[Tensor]) -> Tensor:
        (images,) = views
        keep, mask = utils.random_token_mask((len(images), self.length), mask_ratio=0.75)
        encoded = self.decoder.embed(self.encoder.encode(images=images, idx_keep=keep))
        masked = utils.repeat_token(self.decoder.mask_token, (len(images), self.length))
        whole = utils.set_at_index(masked, keep, encoded.type_as(masked))
        painted = self.decoder.predict(utils.get_at_index(self.decoder.decode(whole), mask))
        target = utils.get_at_index(utils.patchify(images, self.side), mask - 1)  # the class token is no patch
        value: Tensor = self.loss(painted, target)
        return value


THEIRS: dict[str, Callable[[], Any]] = {
    "simclr": lambda: Joint(SimCLRProjectionHead(WIDTH, 256, 128), NTXentLoss(temperature=0.5)),
    "vicreg": lambda: Joint(SimCLRProjectionHead(WIDTH, 256, 128), VICRegLoss()),
    "barlow-twins": lambda: Joint(BarlowTwinsProjectionHead(WIDTH, 512, 512), BarlowTwinsLoss()),
    "byol": BYOL,
    "dino": DINO,
    "mae": MAE,
}
OPTIONS = {"vicreg": {"head": "256-128"}}


def lightly_epoch(images: Sequence[Any], method: Any) -> None:
    """One epoch as in lightly's examples."""
    method.train()
    optimizer = torch.optim.AdamW([one for one in method.parameters() if one.requires_grad], lr=1e-3)
    for views in DataLoader(Images(images, method.transform), batch_size=BATCH, shuffle=True, drop_last=True):
        method(views).backward()
        optimizer.step()
        optimizer.zero_grad()


class Ready:
    """Decoded images in the place of a split's items."""

    def __init__(self, images: Sequence[Any]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def load(self, place: int) -> Any:
        """The image of that place."""
        return self.images[place]


def our_epoch(images: Sequence[Any], method: str, dataset: Dataset) -> None:
    """One epoch of our loop, with all that it writes."""
    found = find_method(method)
    settings = TrainSettings(**{**found.defaults.__dict__, "epochs": 1, "batch_size": BATCH, "size": SIZE})
    parts = parts_of(dataset, settings)
    ready: Any = Ready(images)
    parts = replace(parts, split=replace(parts.split, media={parts.medium: ready}))
    built = make_method(found, parts, found.options(**OPTIONS.get(method, {})))
    with tempfile.TemporaryDirectory() as folder:
        files = RunFiles(Path(folder) / "run.safetensors")
        fit(built, Examples(built.example, parts.split.label, 0), settings, files, {}, lambda line: None, Hooks())


def compare(method: str, dataset: Dataset, images: Sequence[Any]) -> tuple[Finding, dict[str, list[float]]]:
    """Both sides in turn."""
    sides = {
        "lightly": lambda: lightly_epoch(images, THEIRS[method]()),
        "ours": lambda: our_epoch(images, method, dataset),
    }
    seconds = in_turn(sides, rounds=5)
    network = "small:vit" if method == "mae" else "small:resnet"
    what = f"{method}: 1,500 images of 32 pixels, batch {BATCH}, {network}, {torch.get_num_threads()} threads: lightly"
    return ratio(f"{what} {version('lightly')} / ours", seconds["lightly"], seconds["ours"], 1.0), seconds


def main() -> None:
    """Time both sides in turn, method by method."""
    dataset = open_dataset(load_catalogue().dataset("fashion"))
    split = dataset.splits["train"]
    images = [split.media["image"].load(place) for place in range(len(split))]
    for method in sys.argv[1:] or THEIRS:
        finding, seconds = compare(method, dataset, images)
        save(__file__, [finding], {method: seconds}, part=True)


if __name__ == "__main__":
    main()
