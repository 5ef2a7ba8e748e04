"""Extraction from JPEG files beside the bare forward passes over ready tensors: what decoding and storing cost in the end.

`python versus/extraction.py` compares, in float32 and on ResNet-50 (timm) and ViT-B/32 (open_clip) with random weights: the
fastest exact forward pass, as repbench runs it, over inputs that lie in memory; and repbench from files to stored embeddings.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import torch
from common import Finding, figure, in_turn, save
from PIL import Image

from repbench.datasets.items import FileItems
from repbench.embeddings.extract import Extractor, Work, distinct
from repbench.embeddings.forward import Forward
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Tower
from repbench.encoders.load import load_encoder

COUNT, ROUNDS = 128, 5
NETWORKS = {"ResNet-50": "timm:resnet50,pretrained=false", "ViT-B/32": "open_clip:ViT-B-32/random"}


def pictures(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """JPEG files of 500 x 375 pixels and about 48 kB each: noise with the 1/f spectrum of photographs."""
    generator = np.random.default_rng(seed)
    height, width = 375, 500
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    paths = []
    for place in range(count):
        phases = generator.normal(size=(4, *frequency.shape)) + 1j * generator.normal(size=(4, *frequency.shape))
        grey, *colours = np.fft.irfft2(phases / frequency**1.3, (height, width))
        pixels = np.stack([1.6 * grey + 0.5 * colour for colour in colours], axis=-1)
        pixels = 118 + 55 * (pixels - pixels.mean()) / pixels.std()
        paths.append(folder / f"{place:04d}.jpg")
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(paths[-1], quality=75)
    return paths


def embed(paths: list[Path], tower: Tower, options: ExtractOptions, forward: Forward | None = None) -> np.ndarray:
    """The embeddings (n, dim) of files through the whole of repbench: keys, loading, forward passes, the store.

    A `forward` that is given was made ready before, as it is for all tasks of a run but the first.
    """
    items = FileItems("image", paths)
    places = distinct([(items, range(len(items)))])
    address = Address(tower=tower.fingerprint, view="plain", precision=options.precision)
    work = Work(address=address, view="plain", keys=tuple(places), places=tuple(places.values()))
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder), address)
        extractor = Extractor([work], [tower], {address: shelf}, options)
        if forward is not None:
            extractor._forwards[tower.fingerprint] = forward
        extractor.fill(work)
        return shelf.rows(work.keys)[:, 0]


def limit(name: str, tower: Tower, paths: list[Path]) -> tuple[list[Finding], dict[str, object]]:
    """Images a second from files, as a share of those of the forward passes alone."""
    options = ExtractOptions()
    items = FileItems("image", paths)
    forward = Forward(tower, options)
    pixels = torch.stack([tower.prepare.pixels(items.load(place)) for place in range(len(paths))])  # type: ignore[attr-defined]
    size = forward.in_passes(pixels[:64]) and forward._size
    forward(pixels[:size])
    module = forward._module
    assert module is not None
    ready = [forward._inputs(part, "cpu") for part in pixels.split(size)]

    def bare() -> np.ndarray:
        with torch.inference_mode():
            return torch.cat([module(part) for part in ready]).numpy()

    def loaded() -> None:
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(lambda place: tower.prepare.pixels(items.load(place)), range(len(paths))))  # type: ignore[attr-defined]

    sides = {"bare": bare, "ours": lambda: embed(paths, tower, options, forward), "loading alone": loaded}
    seconds = in_turn(sides, ROUNDS)
    assert np.allclose(bare(), embed(paths, tower, options, forward), rtol=1e-4, atol=1e-4)
    shares = [one / other for one, other in zip(seconds["bare"], seconds["ours"], strict=True)]
    what = f"{name}, 224 px, from JPEG files to stored embeddings: images a second, share of the bare forward passes'"
    rates = {side: [round(len(paths) / one, 2) for one in values] for side, values in seconds.items()}
    loading, passes = (1e3 * median(seconds[side]) / len(paths) for side in ("loading alone", "bare"))
    why = (
        "PIL's decoding, bicubic resize and crop, kept because published protocols feed their bits, take all cores"
        f" {loading:.1f} ms an image, beside a forward pass of {passes:.1f} ms: {passes / (passes + loading):.3f} is left where"
        " nothing else costs anything. torchvision's own resize takes half the time and moves pixels by 1/255"
    )
    finding = figure(what, shares, 0.95, unit="of the limit", why=why)
    return [finding], {"images_per_second": rates, "items_a_pass": size}


def main() -> None:
    """Both networks."""
    findings: list[Finding] = []
    details: dict[str, object] = {"threads": torch.get_num_threads(), "images": COUNT}
    with tempfile.TemporaryDirectory() as folder:
        paths = pictures(Path(folder), COUNT)
        details["kilobytes_an_image"] = round(sum(path.stat().st_size for path in paths) / COUNT / 1000, 1)
        for name, spec in NETWORKS.items():
            found, details[name] = limit(name, load_encoder(spec).towers["image"], paths)
            findings += found
    save(__file__, findings, details)


if __name__ == "__main__":
    main()
