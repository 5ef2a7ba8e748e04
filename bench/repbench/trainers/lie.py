"""A learnt Lie group that carries a latent of one pose to that of another (Ibrahim et al. 2022, arXiv 2210.13356)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from repbench.datasets.dataset import Split
from repbench.errors import UsageError
from repbench.trainers.augment import pixels
from repbench.trainers.batches import Decoded, Example
from repbench.trainers.distributed import gather
from repbench.trainers.image_encoder import ImageEncoder
from repbench.trainers.instances import Instances
from repbench.trainers.method import full_precision

LONGEST = 3.0  # norm of the coordinates t, so that exp stays finite


class LieOperator(nn.Module):
    """ĝ = exp(Σ_d t_d L_d): D learnt matrices L_d (m, m) of norm √m, and coordinates t (n, D) inferred from a pair (z, z^g).

    L_d skew-symmetric (`skew`) makes ĝ a rotation. The scale of L and t is fixed by ‖L_d‖ = √m: (t / s, s L) would be the same.
    """

    def __init__(self, width: int, directions: int, *, skew: bool = False, hidden: int = 128) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.randn(directions, width, width))
        self.skew = skew
        last = nn.Linear(hidden, directions)
        nn.init.normal_(last.weight, std=1e-2)  # ĝ is near the identity at the beginning
        nn.init.zeros_(last.bias)
        self.infer = nn.Sequential(nn.Linear(2 * width, hidden), nn.ReLU(), last)

    def algebra(self) -> Tensor:
        """The basis L (D, m, m), each of Frobenius norm √m, so that a coordinate is about an angle."""
        basis = self.basis - self.basis.transpose(1, 2) if self.skew else self.basis
        unit: Tensor = functional.normalize(basis.flatten(1), dim=1).view_as(basis)
        return unit * math.sqrt(basis.shape[1])

    def coordinates(self, z: Tensor, moved: Tensor) -> Tensor:
        """t (n, D) that carries z to z^g, of norm at most 3."""
        t: Tensor = self.infer(torch.cat([z, moved], 1))
        shortening: Tensor = LONGEST / torch.linalg.vector_norm(t, dim=1, keepdim=True).clamp(min=LONGEST)
        held: Tensor = t * shortening
        return held

    def group(self, t: Tensor) -> Tensor:
        """ĝ(t), (n, m, m)."""
        moves: Tensor = torch.linalg.matrix_exp(torch.einsum("nd,dij->nij", t, self.algebra()))
        return moves

    def forward(self, z: Tensor, moved: Tensor) -> Tensor:
        """ĝ(z), (n, m), with t inferred from the pair."""
        with torch.autocast(z.device.type, enabled=False):
            z, moved = z.float(), moved.float()
            return torch.einsum("nij,nj->ni", self.group(self.coordinates(z, moved)), z)


@full_precision
def lie_terms(carried: Tensor, moved: Tensor, temperature: float, instance: Tensor) -> Tensor:
    """The two terms that are added to a method's own loss, of latents (n, m): contrastive and Euclidean.

    The first is InfoNCE of cosines / τ, with ĝ(z) as the query, z^g of its pair as the positive and those of other instances,
    int (n,), as negatives; the second the mean of ‖ĝ(z) - z^g‖².
    """
    scores = functional.normalize(carried, dim=1) @ functional.normalize(moved, dim=1).T / temperature
    same = (instance[:, None] == instance[None]).fill_diagonal_(False)
    scores = scores.masked_fill(same, -torch.inf)
    contrast = functional.cross_entropy(scores, torch.arange(len(scores), device=scores.device))
    return torch.stack([contrast, (carried - moved).square().sum(1).mean()])


@dataclass(frozen=True, kw_only=True)
class LieOptions:
    """`group`: the column whose equal values are one instance in several poses, `poses`: of how many pictures of each pairs are
    drawn (0: all); `latent` m and `directions` D of the group, which acts on a linear map of the feature (`latent` 0: on the
    feature itself); `skew` keeps to rotations; weights of the contrastive and of the Euclidean term, and the former's
    `lie_temperature`."""

    group: str = "instance"
    poses: int = 0
    latent: int = 32
    directions: int = 4
    skew: bool = True
    lie: float = 0.1
    euclidean: float = 0.1
    lie_temperature: float = 0.2


class PosePairs(nn.Module):
    """The Lie part of a method: pairs of one instance in two poses, a linear map to the latent, the operator, its loss."""

    weights: Tensor

    def __init__(self, split: Split, images: Decoded, encoder: ImageEncoder, options: LieOptions) -> None:
        super().__init__()
        if options.poses == 1 or options.poses < 0:
            raise UsageError(f"poses={options.poses}: a pair needs two pictures; write 2 or more, or 0 for all.")
        self.instances = Instances(split, options.group, "group", most=options.poses)
        self.images, self.size = images, encoder.size
        self.latent = nn.Linear(encoder.width, options.latent) if options.latent else nn.Identity()
        self.operator = LieOperator(options.latent or encoder.width, options.directions, skew=options.skew)
        self.temperature = options.lie_temperature
        self.register_buffer("weights", torch.tensor([options.lie, options.euclidean]), persistent=False)

    def example(self, place: int) -> Example:
        """The picture of `place` (with `poses`, one of those) and another of the same instance, resized and otherwise as they
        are."""
        here = place if self.instances.drawn[place] else self.instances.other(place)
        views = {"here": self._plain(here), "there": self._plain(self.instances.other(here))}
        return {**views, "instance": torch.tensor(self.instances.number[place])}

    def forward(self, here: Tensor, there: Tensor, instance: Tensor) -> Tensor:
        """The weighted sum of the two terms for features (n, width) of the pairs, over the batches of all processes."""
        z = functional.normalize(self.latent(torch.cat([here, there])).float(), dim=1)
        before, after = z.chunk(2)
        carried = self.operator(before, after)
        return self.weights @ lie_terms(gather(carried), gather(after), self.temperature, gather(instance))

    def _plain(self, place: int) -> Tensor:
        return pixels(self.images[place].convert("RGB").resize((self.size, self.size), Image.Resampling.BICUBIC))
