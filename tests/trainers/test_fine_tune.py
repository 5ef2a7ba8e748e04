"""Fine-tuning: it learns, the same seed gives the same bytes, a killed fit goes on, its step is torch's, its grid SimCLR's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from repbench.datasets.items import EncodedItems, Items
from repbench.embeddings.embedded import TestSplit, TuningSplit
from repbench.embeddings.trainable import Recipe
from repbench.encoder import Tower
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.load import load_encoder
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import DivergedError, NotTrainableError
from repbench.trainers.batches import Decoded
from repbench.trainers.fine_tune import Machine, Network
from repbench.trainers.fine_tuning import FineTuned, centred, check_trainable, set_norm_momentum

RECIPE = Recipe(steps=60, batch_size=16, rate=0.03, weight_decay=1e-3, momentum=0.9, smallest=0.5, flip=0.5)
NAMES = ("upper", "lower")
COUNT = 48
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_fine_tune as toy
def stop(step):
    if step == 25:
        os.kill(os.getpid(), signal.SIGKILL)
toy.scores(Path(sys.argv[1]), stepped=stop, often=True)
"""


def png(pixels: np.ndarray) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def toy_items() -> tuple[Items, np.ndarray]:
    """Noisy grey pictures whose upper or lower half is brighter: no mean of the picture tells them apart."""
    rng = np.random.default_rng(0)
    label = np.arange(COUNT) % 2
    pixels = rng.normal(110, 20, (COUNT, 16, 16, 3))
    for picture, half in zip(pixels, label, strict=True):
        picture[8 * half : 8 * half + 8] += 40
    blobs = [png(one) for one in pixels.clip(0, 255).astype(np.uint8)]
    return EncodedItems("image", [str(place) for place in range(COUNT)], blobs), label


def tower() -> Tower:
    """A little network of the tests, untrained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=4, padding=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 8)
        )
    prepare = ImagePreprocess(size=16, resize=16)
    return make_tower(network, prepare, preprocessing=prepare.words, features="last layer")


def splits(label: np.ndarray) -> tuple[TuningSplit, TestSplit]:
    rows = np.arange(COUNT)[:, None]
    shared: dict[str, Any] = {"columns": {}, "class_names": NAMES}
    train, test = rows[:32], rows[32:]
    return (
        TuningSplit(x=train, ids=train[:, 0].astype(str), label=label[:32], **shared),
        TestSplit(x=test, ids=test[:, 0].astype(str), truth=label[32:], **shared),
    )


def scores(folder: Path, recipe: Recipe = RECIPE, *, seed: int = 0, stepped: Any = None, often: bool = False) -> np.ndarray:
    items, label = toy_items()
    machine = Machine(save_every=0.0 if often else 30.0)
    network = Network(tower(), Decoded(items), items.keys, folder, machine, lambda line: None, stepped or (lambda step: None))
    train, test = splits(label)
    return network.scores((train,), test, recipe, seed)


def test_a_small_network_learns_what_its_features_cannot_tell_at_first(tmp_path: Path) -> None:
    found = scores(tmp_path)
    _, label = toy_items()
    assert (found.argmax(axis=1) == label[32:]).mean() >= 0.9
    short = scores(tmp_path, replace(RECIPE, rate=1e-6, steps=2))
    assert (short.argmax(axis=1) == label[32:]).mean() <= 0.75


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, second, other = (scores(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_what_is_done_is_not_done_again_and_no_state_is_left(tmp_path: Path) -> None:
    steps: list[int] = []
    first = scores(tmp_path, stepped=steps.append)
    assert len(steps) == RECIPE.steps
    again = scores(tmp_path, stepped=steps.append)
    assert len(steps) == RECIPE.steps
    assert first.tobytes() == again.tobytes()
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"nothing")  # damaged: it is done again
    assert scores(tmp_path).tobytes() == first.tobytes()


def test_a_killed_fit_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    import repbench

    path = str(Path(repbench.__path__[0]).parent)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(Path(__file__).parent)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert list((tmp_path / "killed").glob("*.state.pt"))
    steps: list[int] = []
    resumed = scores(tmp_path / "killed", stepped=steps.append)
    assert 25 <= steps[0] <= 26
    assert resumed.tobytes() == scores(tmp_path / "whole").tobytes()


def test_a_loss_that_does_not_stay_finite_is_told_and_remembered(tmp_path: Path) -> None:
    steps: list[int] = []
    for _ in range(2):
        with pytest.raises(DivergedError):
            scores(tmp_path, replace(RECIPE, rate=1e30), stepped=steps.append)
    assert len(steps) < RECIPE.steps
    assert [path.suffix for path in tmp_path.iterdir()] == [".diverged"]


def test_the_steps_are_those_of_torch_with_nesterov_momentum_and_a_cosine(tmp_path: Path) -> None:
    """The same batches by hand: torch.optim.SGD(nesterov=True), no decay of biases and norms, rate half a cosine."""
    from repbench.trainers.batches import Examples
    from repbench.trainers.files import RunFiles
    from repbench.trainers.fine_tune import _settings
    from repbench.trainers.loop import Hooks, fit

    items, label = toy_items()
    recipe = replace(RECIPE, steps=5, batch_size=COUNT, rate=0.1, weight_decay=0.5)

    def fresh() -> FineTuned:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            return FineTuned(tower(), 2, Decoded(items), list(range(COUNT)), recipe)

    ours, theirs = fresh(), fresh()
    examples = Examples(ours.example, label, 0)
    fit(ours, examples, _settings(recipe, 0, Machine()), RunFiles(tmp_path / "x.safetensors"), {}, print, Hooks())
    decayed = [one for one in theirs.parameters() if one.ndim > 1]
    others = [one for one in theirs.parameters() if one.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 0.5}, {"params": others}], lr=0.1, momentum=0.9, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    theirs.train()
    for step in range(recipe.steps):
        from repbench.trainers.batches import epoch_order

        batch = torch.utils.data.default_collate([examples[step, place] for place in epoch_order(COUNT, step, 0)])
        optimizer.zero_grad()
        theirs(batch).backward()
        optimizer.step()
        schedule.step()
    for (name, mine), its in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize(("steps_an_epoch", "momentum"), [(10, 0.1), (100, 0.1), (1000, 0.01)])
def test_batch_norms_follow_as_in_b_8_1(steps_an_epoch: int, momentum: float) -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm1d(4))
    set_norm_momentum(network, steps_an_epoch)
    assert [part.momentum for part in network] == pytest.approx([momentum] * 2)
    assert 1 - momentum == pytest.approx(max(1 - 10 / steps_an_epoch, 0.9))  # TensorFlow's


def test_scores_are_of_a_centre_crop_at_256_to_224() -> None:
    prepared = centred(ImagePreprocess(size=224, resize=230, mode="squash", interpolation="bilinear"))
    assert (prepared.resize, prepared.size, prepared.mode, prepared.interpolation) == (256, 224, "shortest", "bicubic")


def test_examples_of_several_classes_learn_a_binary_loss_each() -> None:
    items, _ = toy_items()
    method = FineTuned(tower(), 2, Decoded(items), list(range(COUNT)), RECIPE).eval()
    view = torch.randint(0, 255, (4, 16, 16, 3), dtype=torch.uint8)
    label = torch.tensor([[1, -1], [0, 1], [1, 1], [-1, -1]], dtype=torch.int8)  # 0: only difficult objects, negative here
    there = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    with torch.no_grad():
        expected = nn.functional.binary_cross_entropy(method.logits(view).sigmoid(), there)
        found = method({"view": view, "label": label})
    torch.testing.assert_close(found, expected)


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images).mean((2, 3)).detach()


def test_networks_that_cannot_be_trained_say_why() -> None:
    check_trainable(tower())
    with pytest.raises(NotTrainableError, match="prepared by Pixels"):
        check_trainable(load_encoder("control:pixels").towers["image"])
    still = replace(tower(), module=nn.Flatten())
    with pytest.raises(NotTrainableError, match="no weights"):
        check_trainable(still)
    with pytest.raises(NotTrainableError, match="no gradient"):
        check_trainable(replace(tower(), module=Detached()))
