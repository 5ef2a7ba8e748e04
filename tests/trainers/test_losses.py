"""Every loss against lightly's, or against its equation in an independent form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from repbench.measure import geometry
from repbench.trainers.methods.alignment_uniformity import align, uniform
from repbench.trainers.methods.barlow_twins import barlow_loss
from repbench.trainers.methods.byol import byol_loss
from repbench.trainers.methods.dino import dino_loss
from repbench.trainers.methods.mae import encode_some, hidden_patches, mae_loss, patches_of
from repbench.trainers.methods.vicreg import vicreg_terms
from repbench.trainers.seeds import uniform_of
from repbench.trainers.teacher import follow, frozen_copy


def pairs(n: int = 24, d: int = 7, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(n, d, generator=generator, dtype=torch.float64)
    return first, 0.6 * first + 0.5 * torch.randn(n, d, generator=generator, dtype=torch.float64)


def test_vicreg_is_lightlys() -> None:
    loss = pytest.importorskip("lightly.loss").VICRegLoss()
    first, second = pairs()
    ours = torch.tensor([25.0, 25.0, 1.0], dtype=torch.float64) @ vicreg_terms(first, second)
    torch.testing.assert_close(ours, loss(first, second))


def test_vicreg_terms_are_zero_where_the_paper_says() -> None:
    axes = torch.cat([torch.eye(4), -torch.eye(4)]).double() * 3  # uncorrelated, of deviation above 1
    torch.testing.assert_close(vicreg_terms(axes, axes), torch.zeros(3, dtype=torch.float64))
    collapsed = torch.ones(8, 4, dtype=torch.float64)
    assert float(vicreg_terms(collapsed, collapsed)[1]) == pytest.approx(1 - 0.01)  # the root of 1e-4 is all deviation there is


def test_barlow_twins_is_lightlys() -> None:
    loss = pytest.importorskip("lightly.loss").BarlowTwinsLoss(lambda_param=0.005)
    first, second = pairs()
    torch.testing.assert_close(barlow_loss(first, second, 0.005), loss(first, second))


def test_byol_is_lightlys_and_passes_no_gradient_to_the_target() -> None:
    loss = pytest.importorskip("lightly.loss").NegativeCosineSimilarity()
    first, second = pairs()
    second.requires_grad_(True)
    value = byol_loss(first.requires_grad_(True), second)
    torch.testing.assert_close(value, 2 + 2 * loss(first, second))
    value.backward()
    assert second.grad is None


def test_dino_is_lightlys_with_small_crops() -> None:
    module = pytest.importorskip("lightly.loss").DINOLoss(output_dim=7, warmup_teacher_temp=0.05, teacher_temp=0.05)
    students = torch.stack([*pairs(seed=1), *pairs(seed=2)]).float()
    teachers = torch.stack(pairs(seed=3)).float()
    centre = torch.linspace(-1, 1, 7)
    module.center.copy_(centre)
    theirs = module(list(teachers), list(students), teacher_temp=0.05)
    torch.testing.assert_close(dino_loss(students, teachers, centre, 0.1, 0.05), theirs)


def test_alignment_and_uniformity_are_what_the_suite_measures() -> None:
    x, y = (torch.nn.functional.normalize(z, dim=1) for z in pairs())
    assert float(align(x, y, 2.0)) == pytest.approx(float(((x - y) ** 2).sum(1).mean()))
    terms = [math.exp(-2 * float(((x[i] - x[j]) ** 2).sum())) for i in range(len(x)) for j in range(i)]
    assert float(uniform(x, 2.0)) == pytest.approx(math.log(float(np.mean(terms))))
    assert float(uniform(x.float(), 2.0)) == pytest.approx(float(geometry.uniformity(x.numpy().astype(np.float32))), abs=1e-5)


def test_mae_hides_the_declared_share_of_each_image_and_other_patches_each_epoch() -> None:
    noise = uniform_of(torch.tensor([3, 3, 5]), 64, "mask")
    stay, hidden = hidden_patches(noise, 0.75)
    assert stay.shape == (3, 16)
    assert hidden.sum(1).tolist() == [48, 48, 48]
    assert not hidden.gather(1, stay).any()
    assert torch.equal(hidden[0], hidden[1])
    assert not torch.equal(hidden[0], hidden[2])


def test_mae_judges_hidden_patches_alone_against_standardised_pixels() -> None:
    patches = torch.randn(2, 4, 12, dtype=torch.float64)
    hidden = torch.tensor([[True, False, False, True], [False, True, True, False]])
    target = (patches - patches.mean(2, keepdim=True)) / (patches.var(2, keepdim=True) + 1e-6).sqrt()
    wrong = torch.where(hidden[:, :, None], target + 2, target + 100)
    assert float(mae_loss(wrong, patches, hidden)) == pytest.approx(4.0)


def test_patches_are_those_that_a_convolution_of_the_patch_size_sees() -> None:
    images = torch.randn(2, 3, 8, 8)
    unfolded = torch.nn.functional.unfold(images, 4, stride=4).transpose(1, 2)
    torch.testing.assert_close(patches_of(images, 4), unfolded)


def test_a_transformer_that_sees_every_patch_embeds_as_timm_does() -> None:
    from repbench.encoders.small import small_vit

    network, images = small_vit().eval(), torch.randn(2, 3, 32, 32)
    everything = torch.arange(64).expand(2, 64)
    with torch.no_grad():
        torch.testing.assert_close(encode_some(network, images, everything), network.forward_features(images))  # type: ignore[operator]


def test_a_teacher_follows_and_learns_nothing_itself() -> None:
    student = torch.nn.Linear(2, 2)
    teacher = frozen_copy(student)
    before = teacher.weight.clone()  # type: ignore[operator]
    with torch.no_grad():
        student.weight.add_(1.0)
    follow(teacher, student, 0.9)
    torch.testing.assert_close(teacher.weight, before + 0.1)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
