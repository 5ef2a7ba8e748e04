"""Fine-tuning: the whole network of an encoder and a linear classifier behind it, trained on the labels of a dataset.

The views are SimCLR's for transfer (Chen et al. 2020, B.8.1): random crops and flips while training; for the scores the shorter
side at 256 / 224 of the network's size, then a centre crop. BatchNorm's statistics follow with momentum max(1 - 10 / s, 0.9),
s steps an epoch, in TensorFlow's sense; torch's momentum is one minus that.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbench.embeddings.forward import finishes_batches
from repbench.embeddings.trainable import Recipe
from repbench.encoder import Tower
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import NotTrainableError
from repbench.trainers.augment import crop_and_flip, pixels
from repbench.trainers.batches import Batch, Decoded, Example
from repbench.trainers.method import Method, TrainedTower, scaled

LARGER = 256 / 224  # of the side to which an image is resized before the centre crop
PROBED = 2  # items of the pass that shows whether gradients reach the weights


class FineTuned(Method):
    """A network and a classifier. Labels are int64 (n,), or int8 (n, classes): 1 is there, everything else is not."""

    def __init__(self, tower: Tower, classes: int, images: Decoded, rows: list[int], recipe: Recipe) -> None:
        super().__init__()
        self.optimizer_options = {"momentum": recipe.momentum}  # Nesterov's, in timm's "sgd"
        self.preprocess = preprocess_of(tower)
        self.network = trainable_copy(tower).to(memory_format=torch.channels_last)
        self.head = nn.Linear(tower.dim, classes)
        self.images, self.rows = images, rows
        self.augment = crop_and_flip(self.preprocess.size, smallest=recipe.smallest, flip=recipe.flip)

    def example(self, place: int) -> Example:
        """One random crop."""
        return {"view": pixels(self.augment(self.images[self.rows[place]]))}

    def logits(self, view: Tensor) -> Tensor:
        """Class scores float32 (n, classes) of pixels uint8 (n, size, size, 3)."""
        scores: Tensor = self.head(self.network(scaled(self.preprocess, view))).float()
        return scores

    def forward(self, batch: Batch) -> Tensor:
        """Cross-entropy; where examples have several classes, the mean of a binary one for each class."""
        logits, label = self.logits(batch["view"]), batch["label"]
        if label.ndim == 1:
            return functional.cross_entropy(logits, label)
        return functional.binary_cross_entropy_with_logits(logits, (label > 0).float())

    def towers(self) -> Mapping[str, TrainedTower]:
        """Nothing: only its scores are kept."""
        return {}


def centred(preprocess: ImagePreprocess) -> ImagePreprocess:
    """How images are prepared for the scores: resized to 256 / 224 of the network's size, then cropped."""
    return replace(preprocess, resize=round(preprocess.size * LARGER), mode="shortest", interpolation="bicubic")


def set_norm_momentum(network: nn.Module, steps_an_epoch: int) -> None:
    """Batch norms as in B.8.1: torch's momentum is min(10 / s, 0.1)."""
    for part in network.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.momentum = min(10 / steps_an_epoch, 0.1)


def preprocess_of(tower: Tower) -> ImagePreprocess:
    """The preparation of a tower's images. Raises NotTrainableError for one that does not say how large its images are."""
    if not finishes_batches(tower.prepare):
        raise NotTrainableError(
            f"not trainable: its images are prepared by {type(tower.prepare).__name__}, which random crops do not fit; "
            "an encoder whose `prepare` is an ImagePreprocess can be trained."
        )
    return tower.prepare


def trainable_copy(tower: Tower) -> nn.Module:
    """A copy of the network in training mode. Raises NotTrainableError."""
    if not any(parameter.is_floating_point() for parameter in tower.module.parameters()):
        raise NotTrainableError("not trainable: it has no weights that torch could train.")
    try:
        for part in tower.module.modules():
            part.train(part.training)  # changes nothing; an exported program refuses, but its copy would not
        network = copy.deepcopy(tower.module).requires_grad_(True).train()
    except Exception as error:  # programs and foreign runtimes raise what they like
        raise NotTrainableError(f"not trainable: its network has no training mode ({type(error).__name__}).") from error
    return network


def check_trainable(tower: Tower) -> None:
    """Raise NotTrainableError unless a step would reach the weights: shown by one pass on two grey images."""
    preprocess, network = preprocess_of(tower), trainable_copy(tower)
    grey = torch.full((PROBED, preprocess.size, preprocess.size, 3), 128, dtype=torch.uint8)
    grey[1] = 64
    try:
        with torch.random.fork_rng(devices=[]):
            network(scaled(preprocess, grey)).float().sum().backward()
    except Exception as error:  # a network may raise anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotTrainableError(f"not trainable: no gradient comes back through its network ({reason}).") from error
    if all(parameter.grad is None for parameter in network.parameters()):
        raise NotTrainableError("not trainable: no gradient reaches its weights.")
