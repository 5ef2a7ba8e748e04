"""Forward passes: memory that runs out halves them, reduced precision converts the weights, errors name the encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repbench.embeddings.forward import CACHED, Forward
from repbench.embeddings.options import ExtractOptions
from repbench.encoder import Tower
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import EmbeddingError


class Hungry(nn.Module):
    """A linear map that runs out of memory above a number of items, in one of the ways in which torch says so.

    It is never copied, so that every pass is seen.
    """

    def __init__(self, most: int, error: Exception) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.most, self.error = nn.Linear(6, 5), most, error
        self.passes: list[int] = []

    def __deepcopy__(self, _: Any) -> Hungry:
        raise TypeError("not copied")

    def forward(self, inputs: Tensor) -> Tensor:
        self.passes.append(len(inputs))
        if len(inputs) > self.most:
            raise self.error
        output: Tensor = self.linear(inputs)
        return output


def forward(module: nn.Module, dim: int = 5, **options: Any) -> Forward:
    tower = Tower(prepare=torch.as_tensor, module=module.eval().requires_grad_(False), dim=dim, fingerprint="f")
    return Forward(tower, ExtractOptions(**options))


INPUTS = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_the_passes_and_changes_no_number(error: Exception) -> None:
    plain = forward(Hungry(64, error), batch_size=16)
    hungry = forward(Hungry(3, error), batch_size=16)
    assert np.allclose(hungry(INPUTS), plain(INPUTS), atol=1e-6)
    assert hungry._tower.module.passes == [2, 3, 16, 8, 4, *[2] * 10]  # type: ignore[comparison-overlap]  # two looks, then passes
    assert hungry.notes["batch"] == "out of memory on cpu: passes of 2 items instead of 16"
    assert set(hungry.notes) <= {"batch", "forward"}  # it cannot be copied either
    assert "batch" not in plain.notes


def test_out_of_memory_with_a_single_item_is_a_clear_error() -> None:
    with pytest.raises(EmbeddingError, match="out of memory on cpu with a single item; use another --device"):
        forward(Hungry(0, MemoryError()), batch_size=4)(INPUTS)


def test_another_runtime_error_is_told_at_once() -> None:
    with pytest.raises(EmbeddingError, match=r"the encoder failed on a batch of shape \(16, 6\) \(no such kernel\)"):
        forward(Hungry(0, RuntimeError("no such kernel")), batch_size=16)(INPUTS)


def test_the_tower_is_left_as_it_is() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    runs = forward(module, precision="bf16")
    assert runs(torch.randn(3, 3, 8, 8)).dtype == np.float32
    assert isinstance(module[1], nn.BatchNorm2d)
    assert {value.dtype for value in module.parameters()} == {torch.float32}


@pytest.mark.parametrize(("precision", "most"), [("bf16", 0.05), ("fp16", 0.01)])
def test_reduced_precision_converts_the_weights(precision: str, most: float) -> None:
    network = nn.Sequential(nn.Linear(6, 64), nn.LayerNorm(64), nn.Linear(64, 5))
    exact, reduced = forward(network)(INPUTS), forward(network, precision=precision)
    difference = np.abs(reduced(INPUTS) - exact).max()
    assert 0 < difference < most
    assert next(reduced._module.parameters()).dtype == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]  # type: ignore[union-attr]
    assert reduced.notes == {}


class Tokens(nn.Module):
    """Whole numbers in: they index and must not be rounded."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(1000, 5)

    def forward(self, tokens: Tensor) -> Tensor:
        output: Tensor = self.table(tokens).mean(1)
        return output


def test_whole_numbers_are_not_converted() -> None:
    tokens = torch.arange(997, 1000).repeat(4, 1)
    network = Tokens()
    assert np.allclose(forward(network, precision="bf16")(tokens), forward(network)(tokens), atol=0.02)


class Stubborn(nn.Module):
    """Makes a float32 tensor of its own, which converted weights do not take."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        output: Tensor = self.linear(inputs + torch.zeros(6, dtype=torch.float32))
        return output


def test_an_encoder_that_takes_no_converted_weights_is_cast_operation_by_operation_and_the_note_says_so() -> None:
    runs = forward(Stubborn(), precision="bf16")
    assert runs(INPUTS).shape == (20, 5)
    assert runs.notes == {"precision": "autocast: the encoder does not run with converted weights (RuntimeError)"}


def test_an_encoder_without_weights_stays_fp32_and_the_note_says_so() -> None:
    runs = forward(nn.Identity(), dim=6, precision="bf16")
    assert np.array_equal(runs(INPUTS), INPUTS.numpy())
    assert runs.notes == {"precision": "fp32: the encoder has no weights that could be converted"}


def test_large_inputs_go_through_a_cpu_in_small_passes_of_one_shape() -> None:
    module = Hungry(64, MemoryError())
    large = torch.randn(20, CACHED // 96, 6)
    runs = forward(nn.Sequential(module, nn.Flatten(), nn.Linear(CACHED // 96 * 5, 3)), dim=3)
    assert runs(large).shape == (20, 3)
    assert module.passes == [2, 3, 32]  # two looks, then the pass


def test_a_network_that_writes_each_pass_to_one_place_gives_every_embedding() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.linear, self.place = nn.Linear(6, 5), torch.empty(64, 5)

        def forward(self, inputs: Tensor) -> Tensor:
            self.place[: len(inputs)] = self.linear(inputs)
            return self.place[: len(inputs)]

    runs = forward(Reused(), batch_size=8)
    assert np.allclose(runs(INPUTS), Reused().linear(INPUTS).detach(), atol=1e-6)
    assert "forward" not in runs.notes  # laid out, and seen to be the same


def test_pixels_are_scaled_in_the_pass() -> None:
    prepare = ImagePreprocess(size=8, resize=8)
    module = nn.Flatten().eval()
    pixels = torch.randint(0, 256, (5, 8, 8, 3), dtype=torch.uint8)
    runs = Forward(Tower(prepare=prepare, module=module, dim=192, fingerprint="f"), ExtractOptions())
    assert np.array_equal(runs(pixels), prepare.scale(pixels).flatten(1).numpy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_cuda_gives_the_embeddings_of_the_cpu(precision: str) -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    inputs = torch.randn(9, 3, 16, 16)
    got = forward(network, device="cuda", precision=precision)(inputs)
    assert np.allclose(got, forward(network)(inputs), atol=1e-5 if precision == "fp32" else 0.05)
    assert not next(network.parameters()).is_cuda


def test_a_network_of_which_memory_holds_one_item_runs_one_by_one() -> None:
    """Convolutional, so that it is looked at beforehand, with one input at a time then too."""

    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            if len(inputs) > 1:
                raise MemoryError
            return self.second(self.first(inputs)).mean((2, 3))  # type: ignore[no-any-return]

    runs, images = forward(One(), batch_size=8), torch.randn(5, 3, 8, 8)
    assert np.allclose(runs(images), torch.cat([One()(image[None]) for image in images]).detach(), atol=1e-6)
    assert runs.notes == {"batch": "out of memory on cpu: passes of 1 items instead of 8"}
