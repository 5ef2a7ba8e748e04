"""DINO: a student's distribution over prototypes matches that of its slow copy (Caron et al. 2021, arXiv 2104.14294)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from repbench.errors import UsageError
from repbench.trainers.augment import pixels
from repbench.trainers.batches import Batch, Example
from repbench.trainers.distributed import gather
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.method import Parts, TrainedTower, full_precision, widths_of
from repbench.trainers.schedule import momentum
from repbench.trainers.settings import Defaults
from repbench.trainers.teacher import follow, frozen_copy
from repbench.trainers.two_views import TwoViews, ViewOptions

HELP = "a student's distribution over prototypes matches that of its slow copy, from small crops to large ones"
DEFAULTS = Defaults(epochs=40, batch_size=64, lr=1e-3, weight_decay=0.04)


@dataclass(frozen=True, kw_only=True)
class Options(ViewOptions):
    """`prototypes` (65,536 at scale), temperatures of `student` and `teacher`, decays of the centre and of the slow copy,
    `locals`: small crops beside the two large ones, each between `tiny` and `smallest` of the area."""

    head: str = "256-64"
    smallest: float = 0.4
    prototypes: int = 512
    student: float = 0.1
    teacher: float = 0.04
    centre: float = 0.9
    momentum: float = 0.97
    locals: int = 2
    tiny: float = 0.15


@full_precision
def dino_loss(students: Tensor, teachers: Tensor, centre: Tensor, student_t: float, teacher_t: float) -> Tensor:
    """Mean cross-entropy of logits (views, n, k) with the centred, sharpened teacher's (2, n, k), except a view with itself:

    -Σ softmax((g_t - c) / τ_t) · log softmax(g_s / τ_s) (equations 1 to 3); the first two student views are the teacher's.
    """
    target = ((teachers.detach() - centre) / teacher_t).softmax(-1)
    guess = (students / student_t).log_softmax(-1)
    terms = [-(target[t] * guess[s]).sum(-1).mean() for t in range(len(target)) for s in range(len(guess)) if s != t]
    return torch.stack(terms).mean()


class Prototypes(nn.Module):
    """Logits (n, k): cosines of embeddings (n, d) with k learnt unit vectors (the paper's weight-normalised last layer)."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.randn(count, width))

    def forward(self, embeddings: Tensor) -> Tensor:
        return functional.normalize(embeddings, dim=1) @ functional.normalize(self.directions, dim=1).T


class DINO(TwoViews):
    """Student and slow copy, each an encoder, a head and prototypes. The slow copy is what is kept."""

    mean: Tensor

    def __init__(self, parts: Parts, options: Options) -> None:
        if options.tiny > options.smallest:
            raise UsageError(f"tiny={options.tiny:g} is above smallest={options.smallest:g}: small crops lie between the two.")
        super().__init__(parts, options)
        self.prototypes = Prototypes(widths_of(options.head)[-1], options.prototypes)
        self.teacher = frozen_copy(nn.Sequential(self.encoder, self.prototypes))
        self.register_buffer("mean", torch.zeros(options.prototypes))
        self.options = options
        self.small = replace(self.augment, smallest=options.tiny, largest=options.smallest)

    def example(self, place: int) -> Example:
        """Two large crops and `locals` small ones, all resized to the network's size."""
        small = [pixels(self.small(self.images[place])) for _ in range(self.options.locals)]
        large = super().example(place)
        return {"views": torch.stack([large["first"], large["second"], *small])}

    def forward(self, batch: Batch) -> Tensor:
        """The loss of all views against the teacher's two; the centre follows the teacher's logits over all processes."""
        views = batch["views"].transpose(0, 1)
        logits = self.prototypes(self.encoder(views.flatten(0, 1))).unflatten(0, views.shape[:2])
        with torch.no_grad():
            wise = self.teacher(views[:2].flatten(0, 1)).unflatten(0, (2, views.shape[1]))
        loss = dino_loss(logits, wise, self.mean, self.options.student, self.options.teacher)
        self.mean.lerp_(gather(wise.flatten(0, 1)).mean(0).float(), 1 - self.options.centre)
        return loss

    def end_step(self, progress: float) -> None:
        """The slow copy follows."""
        follow(self.teacher, nn.Sequential(self.encoder, self.prototypes), momentum(progress, self.options.momentum))

    def towers(self) -> Mapping[str, TrainedTower]:
        """The slow copy's encoder."""
        encoder = self.teacher.get_submodule("0")
        assert isinstance(encoder, ImageEncoder)
        return {"image": encoder.tower()}


METHOD = DINO
