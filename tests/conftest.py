"""What all tests share: one thread for the linear algebra, no network, and small datasets in their real layouts."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything imports huggingface_hub
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("COLUMNS", None)  # xdist gives its processes one; tables in a pipe are as wide as they need

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def asked_for() -> Iterator[list[Any]]:
    """No test reaches another machine: sockets connect to this one alone. What else was asked for stands in the list."""
    asked: list[Any] = []
    connect, find = socket.socket.connect, socket.getaddrinfo

    def is_here(host: Any) -> bool:
        return host in (None, "", "localhost", "::1", socket.gethostname()) or str(host).startswith("127.")

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not is_here(address[0]):
            asked.append(address)
            raise OSError(f"a test may not reach {address}")
        connect(self, address)

    def find_here(host: Any, *rest: Any, **options: Any) -> Any:
        if not is_here(host):
            asked.append(host)
            raise socket.gaierror(f"a test may not look up {host}")
        return find(host, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        patch.setattr(socket, "getaddrinfo", find_here)
        yield asked


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
def bucket() -> Iterator[str]:
    """The address of an empty bucket on a local S3 server."""
    from tests.s3 import local_s3

    with local_s3() as address:
        yield address


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A folder with `colours.toml` and `data/colours/...`: a user's own dataset."""
    write_colours(tmp_path / "data" / "colours")
    (tmp_path / "colours.toml").write_text(COLOURS_TOML)
    return tmp_path
