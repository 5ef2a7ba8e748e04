"""The Lie operator: group laws, the gradient of the matrix exponential, pairs of poses, and that it learns a rotation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import repbench
from repbench.errors import UsageError
from repbench.trainers.lie import LieOperator, lie_terms


def operator(skew: bool = False, directions: int = 3) -> LieOperator:
    torch.manual_seed(0)
    return LieOperator(6, directions, skew=skew).double()


def test_the_group_laws_hold_along_one_direction() -> None:
    group = operator(directions=1).group
    s, t = torch.tensor([[0.3]]).double(), torch.tensor([[0.5]]).double()
    torch.testing.assert_close(group(s) @ group(t), group(s + t))
    torch.testing.assert_close(group(t) @ group(-t), torch.eye(6).double()[None])
    torch.testing.assert_close(group(0 * t), torch.eye(6).double()[None])


def test_a_skew_basis_gives_rotations() -> None:
    moves = operator(skew=True).group(torch.randn(5, 3).double())
    torch.testing.assert_close(moves @ moves.transpose(1, 2), torch.eye(6).double().expand(5, 6, 6))
    torch.testing.assert_close(torch.linalg.det(moves), torch.ones(5).double())


def test_the_exponential_is_scipys_and_its_gradient_that_of_finite_differences() -> None:
    from scipy.linalg import expm

    lie = operator()
    t = torch.randn(2, 3).double()
    exponents = torch.einsum("nd,dij->nij", t, lie.algebra()).detach().numpy()
    np.testing.assert_allclose(lie.group(t).detach().numpy(), np.stack([expm(one) for one in exponents]), rtol=1e-9)

    def moved(t: torch.Tensor, basis: torch.Tensor) -> torch.Tensor:
        del lie.basis
        lie.basis = basis  # type: ignore[assignment]
        return lie.group(t)

    basis = lie.basis.detach().clone().requires_grad_(True)
    assert torch.autograd.gradcheck(moved, (t.requires_grad_(True), basis))


def test_it_starts_near_the_identity_and_stays_finite() -> None:
    lie = operator()
    z, far = torch.randn(2, 4, 6).double()
    assert lie.coordinates(z, far).norm(dim=1).max().item() < 0.2
    assert lie.coordinates(1e6 * z, 1e6 * far).norm(dim=1).max().item() <= 3.0 + 1e-9
    torch.testing.assert_close(lie.algebra().flatten(1).norm(dim=1), torch.full((3,), math.sqrt(6)).double())


def test_other_poses_of_the_same_instance_are_no_negatives() -> None:
    z = torch.eye(3).double()
    apart = lie_terms(z, z, 0.5, torch.tensor([0, 1, 2]))
    twins = lie_terms(z, z, 0.5, torch.tensor([0, 0, 1]))
    assert float(apart[0]) == pytest.approx(math.log(math.e**2 + 2) - 2)
    assert float(twins[0]) == pytest.approx((2 * math.log(math.e**2 + 1) + math.log(math.e**2 + 2) - 6) / 3)
    assert float(apart[1]) == 0


def test_one_direction_learns_a_rotation_in_the_plane() -> None:
    torch.manual_seed(0)
    lie = LieOperator(2, 1, skew=True)
    optimizer = torch.optim.Adam(lie.parameters(), lr=3e-3)
    for step in range(400):
        generator = torch.Generator().manual_seed(step)
        z = torch.nn.functional.normalize(torch.randn(64, 2, generator=generator), dim=1)
        turn = torch.rand(64, generator=generator) - 0.5
        moved = torch.stack([z[:, 0] * turn.cos() - z[:, 1] * turn.sin(), z[:, 0] * turn.sin() + z[:, 1] * turn.cos()], 1)
        error = (lie(z, moved) - moved).square().sum(1).mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert error.item() < 0.1 * float((z - moved).square().sum(1).mean())
    inferred = lie.coordinates(z, moved)[:, 0].detach()
    assert abs(float(torch.corrcoef(torch.stack([inferred, turn]))[0, 1])) > 0.95


@pytest.mark.parametrize("name", ["lie-simclr", "lie-vicreg", "lie-mae"])
def test_pairs_of_poses_train(tmp_path: Path, name: str) -> None:
    out = tmp_path / "lie.safetensors"
    encoder = repbench.train(
        name, "furniture", out=out, limit=69, epochs=1, batch_size=23, log=lambda line: None, options={"latent": 8}
    )
    assert encoder.towers["image"].dim in (192, 128)


def test_data_without_instances_are_refused(colours: Path) -> None:
    with pytest.raises(UsageError, match="no column 'instance'"):
        repbench.train(
            *("lie-simclr", "colours"),
            out=colours / "lie.safetensors",
            data_folder=colours / "data",
            plugins=[colours / "colours.toml"],
        )
