"""Extraction beside the plain PyTorch loop and the peers' own extraction code, and reduced precision beside float32.

`python versus/extraction_peers.py`: the same JPEG files, the same network with random weights, no loader processes, batches of
64 unless said otherwise; the plain loop, clip_benchmark's `run_classification` (the identity as classifier, so that it returns
the normalised features), mteb's `OpenCLIPModel` with its image loader, and repbench. The embeddings must be equal.

Each side has a process of its own, as its users do, and they take turns: repbench asks the C library to keep freed memory,
which is for the whole process, and makes a plain loop in that process half as fast again.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import open_clip
import torch
from clip_benchmark.metrics.zeroshot_classification import run_classification
from common import Finding, in_turn, ratio, save
from extraction import NETWORKS, embed, pictures
from mteb._create_dataloaders import _custom_collate_fn
from mteb.models.model_implementations.openclip_models import openclip_loader
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from repbench.embeddings.forward import Forward
from repbench.embeddings.options import ExtractOptions
from repbench.encoder import Tower
from repbench.encoders.load import load_encoder

COUNT, BATCH, ROUNDS = 64, 64, 5
SIDE = 2048  # of the matrices whose products tell what the processor makes of bf16
FUSED = "channels last and convolutions that norm, add and rectify are all that keeps the embeddings, and spare so much"
EVEN = "nearly all of both is the same forward passes, and rounds differ by more than what is left"

Embed = Callable[[list[Path]], np.ndarray]  # files to embeddings (n, dim)


class Pictures(Dataset[Any]):
    """Files as prepared images with a label, as clip_benchmark's loaders give them."""

    def __init__(self, paths: list[Path], prepare: Callable[[Image.Image], torch.Tensor]) -> None:
        self.paths, self.prepare = paths, prepare

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        return self.prepare(Image.open(self.paths[place]).convert("RGB")), 0


class Named(torch.nn.Module):
    """A network under the name that the peers call."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)  # type: ignore[no-any-return]


def plain_loop(tower: Tower, transform: Any, batch: int = BATCH) -> Embed:
    """The loop that everybody writes."""

    def run(paths: list[Path]) -> np.ndarray:
        loader = DataLoader(Pictures(paths, transform), batch_size=batch)
        with torch.no_grad():
            return torch.cat([tower.module(images) for images, _ in loader]).numpy()

    return run


def clip_benchmark(tower: Tower, transform: Any) -> Embed:
    """Its classification, of which the logits are the features."""

    def run(paths: list[Path]) -> np.ndarray:
        loader = DataLoader(Pictures(paths, transform), batch_size=BATCH)
        logits, _ = run_classification(Named(tower.module), torch.eye(tower.dim), loader, "cpu", amp=False)
        return logits.numpy()

    return run


def mteb(tower: Tower, transform: Any) -> Embed:
    """mteb's encoder for this network; it only knows models of the hub, so the function that loads one is replaced."""
    create, tokenizer = open_clip.create_model_and_transforms, open_clip.get_tokenizer
    open_clip.create_model_and_transforms = lambda *_, **__: (Named(tower.module), None, transform)
    open_clip.get_tokenizer = lambda *_, **__: None
    try:
        model: Any = openclip_loader("local", revision="none", device="cpu")
    finally:
        open_clip.create_model_and_transforms, open_clip.get_tokenizer = create, tokenizer

    def run(paths: list[Path]) -> np.ndarray:
        table = datasets.Dataset.from_dict({"image": [str(path) for path in paths]}).cast_column("image", datasets.Image())
        loader = DataLoader(table, batch_size=BATCH, collate_fn=_custom_collate_fn)
        rows = model.get_image_embeddings(loader, show_progress_bar=False)
        return rows.numpy()  # type: ignore[no-any-return]

    return run


def repbench(tower: Tower, _: Any, precision: str = "fp32") -> Embed:
    """Ours; the forward passes are made ready at the first call, as for all tasks of a run but the first."""
    options = ExtractOptions(precision=precision)
    return partial(embed, tower=tower, options=options, forward=Forward(tower, options))


SIDES: dict[str, Callable[[Tower, Any], Embed]] = {
    "plain loop": plain_loop,
    "plain loop in batches of 8": partial(plain_loop, batch=8),
    "clip_benchmark 1.6.2": clip_benchmark,
    "mteb 2.26.24": mteb,
    "repbench": repbench,
    "repbench bf16": partial(repbench, precision="bf16"),
}


class Process:
    """One side on one network, in a process that lives as long as this."""

    made: Embed  # there, once it has begun

    def __init__(self, name: str, side: str) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=self._begin, initargs=(name, side))

    def __call__(self, paths: list[Path]) -> np.ndarray:
        """Embeddings (n, dim) of files."""
        return self._pool.submit(self._embed, paths).result()

    def close(self) -> None:
        self._pool.shutdown()

    @classmethod
    def _begin(cls, name: str, side: str) -> None:
        warnings.simplefilter("ignore")  # mteb asks for CUDA's autocast
        tower = load_encoder(NETWORKS[name]).towers["image"]
        prepare: Any = tower.prepare
        transform = open_clip.image_transform(  # what the peers run: the same steps, so the same bits
            prepare.size, is_train=False, mean=prepare.mean, std=prepare.std, interpolation=prepare.interpolation
        )
        transform.transforms[0].size = prepare.resize
        cls.made = staticmethod(SIDES[side](tower, transform))

    @classmethod
    def _embed(cls, paths: list[Path]) -> np.ndarray:
        return cls.made(paths)


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """The least over rows."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / lengths).min())


def no_bf16() -> str:
    """What the processor's products make of bf16, in words."""
    rates = []
    for dtype in (torch.float32, torch.bfloat16):
        square = torch.randn(SIDE, SIDE).to(dtype)
        seconds = in_turn({"": partial(torch.matmul, square, square)}, 5)[""]
        rates.append(2 * SIDE**3 / min(seconds) / 1e9)
    return (
        f"a product of two {SIDE} x {SIDE} matrices runs at {rates[1]:.0f} GFLOP/s in bf16 and {rates[0]:.0f} in float32 here:"
        f" a network of such products alone would be {rates[1] / rates[0]:.2g} times as fast, and what is no product gains"
        " little"
    )


def compare(name: str, paths: list[Path], aim: float) -> tuple[list[Finding], dict[str, Any]]:
    """repbench in float32 and bf16 against each peer."""
    processes = {side: Process(name, side) for side in SIDES}
    runs = {side: partial(process, paths) for side, process in processes.items()}
    rows = {side: run() for side, run in runs.items()}  # a warm-up too
    least = {side: cosine(found, rows["repbench"]) for side, found in rows.items()}
    assert all(value >= 0.999999 for side, value in least.items() if side != "repbench bf16"), least
    seconds = in_turn(runs, ROUNDS)
    for process in processes.values():
        process.close()
    findings = [
        ratio(
            f"{name}, 224 px: {peer} / repbench",
            seconds[peer],
            seconds["repbench"],
            1.0 if "of 8" in peer else aim,
            FUSED if aim > 1 else EVEN,
        )
        for peer in SIDES
        if not peer.startswith("repbench")
    ]
    what = f"{name}, 224 px: plain loop in float32 / repbench bf16"
    half = ratio(what, seconds["plain loop"], seconds["repbench bf16"], 3.3, why=no_bf16())
    rates = {side: [round(len(paths) / one, 2) for one in values] for side, values in seconds.items()}
    return [*findings, half], {"images_per_second": rates, "least_cosine_with_repbench": least, "batch": BATCH}


def main() -> None:
    """Both networks."""
    findings: list[Finding] = []
    details: dict[str, Any] = {"images": COUNT}
    with tempfile.TemporaryDirectory() as folder:
        paths = pictures(Path(folder), COUNT)
        for name in NETWORKS:
            found, details[name] = compare(name, paths, 1.6 if name == "ResNet-50" else 1.0)
            findings += found
    save(__file__, findings, details)


if __name__ == "__main__":
    main()
