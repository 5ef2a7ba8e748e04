"""What all tests share: one thread for the linear algebra, no network, and small datasets in their real layouts."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything imports huggingface_hub
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
SIZES = {"train": 10, "val": 4, "test": 6}  # a class

COLOURS_TOML = """
title = "Noisy colours"
metric = "accuracy"
classes = 3
[splits]
train = 30
val = 12
test = 18
[sources.folder]
path = "colours"
[prompts]
templates = ["a {c} picture", "{c}"]
"""


def write_colours(root: Path, noise: float = 40.0) -> None:
    """An image folder `root/SPLIT/CLASS/NN.png` of three easy classes."""
    generator = np.random.default_rng(0)
    for split, count in SIZES.items():
        for name, colour in COLOURS.items():
            folder = root / split / name
            folder.mkdir(parents=True)
            for place in range(count):
                pixels = np.clip(np.array(colour) + generator.normal(0, noise, (12, 12, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{place:02d}.png")


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A folder with `colours.toml` and `data/colours/...`: a user's own dataset."""
    write_colours(tmp_path / "data" / "colours")
    (tmp_path / "colours.toml").write_text(COLOURS_TOML)
    return tmp_path
