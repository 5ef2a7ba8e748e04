"""Zero-shot here against open_clip's own classifier builder and, where it is installed, CLIP_benchmark's evaluation.

`python versus/agreement/zero_shot.py [MODEL] [IMAGES] [DATASET]`, on test images of a pack (default `digits`) and its prompts:

    ViT-B-32                           an architecture of open_clip with random weights of seed 0 (the default)
    ViT-B-32/FILE                      the same with the weights of a file
    tiny                               a tiny architecture of open_clip, trained here on the pack's train split
    trained:runs/clip.safetensors      or any encoder of repbench with towers for images and texts: its towers, their classifier

Prints the largest difference of a logit and the accuracies; exit status 1 where they disagree. `pip install
clip-benchmark==1.6.2` adds the second comparison.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import open_clip
import torch

from repbench.datasets.carve import first_by_class
from repbench.datasets.open import open_dataset
from repbench.encoder import Tower
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.measure import classification
from repbench.measure.geometry import unit_rows
from repbench.protocols.zero_shot import SCALE, class_embeddings
from repbench.tasks import load_catalogue

sys.path.insert(0, str(Path(__file__).parent))
import tiny_clip

CLOSE = 1e-3  # of a logit, which is 100 times a cosine in float32
STEPS = 300


def main(name: str = "ViT-B-32", images: str = "100", pack: str = "digits") -> int:
    dataset = open_dataset(load_catalogue().dataset(pack))
    with tempfile.TemporaryDirectory() as folder:
        if name == "tiny":
            tiny_clip.register(Path(folder))
            loss = tiny_clip.train(dataset, Path(folder, "tiny.pt"), STEPS)
            print(f"{tiny_clip.TINY}: {STEPS} steps on {pack}, loss {loss:.3f} at the end")
            name = f"{tiny_clip.TINY}/{folder}/tiny.pt"
        towers = load_encoder(name if ":" in name else f"open_clip:{_weights(name)}", LoadOptions(seed=0)).towers
        theirs = lent(towers) if ":" in name else built(name)
    test, prompts = dataset.splits["test"], dataset.splits["prompts"]
    test = test.take(first_by_class(test.label, int(images)))
    pictures = [test.media["image"].load(place) for place in range(len(test))]
    ours = our_logits(towers, pictures, prompts)
    print(f"{Path(name).name}, {len(test)} images of {pack}: accuracy {_accuracy(ours, test.label):.4f}")
    agrees = compare("open_clip", ours, open_clips_logits(theirs, pictures, dataset.declaration), test.label)
    benchmark = clip_benchmarks_logits(theirs, pictures, dataset.declaration)
    if benchmark is None:
        print("clip-benchmark is not installed: left out")
    else:
        agrees = compare("CLIP_benchmark", ours, benchmark, test.label) and agrees
    print("agreement" if agrees else "NO AGREEMENT")
    return 0 if agrees else 1


def compare(whose: str, ours: np.ndarray, theirs: np.ndarray, label: np.ndarray) -> bool:
    """Whether logits are close and accuracies equal; prints both."""
    away, credit = float(np.abs(ours - theirs).max()), _accuracy(theirs, label)
    print(f"{whose}: largest difference of a logit {away:.2e}; accuracy {credit:.4f}")
    return away < CLOSE and credit == _accuracy(ours, label)


def _accuracy(logits: np.ndarray, label: np.ndarray) -> float:
    return classification.accuracy(classification.judge(logits, label).credit)


def _weights(name: str) -> str:
    return name if "/" in name else f"{name}/random"


def our_logits(towers: Mapping[str, Tower], pictures: list, prompts: Any) -> np.ndarray:
    """The logits (n, classes) of repbench's towers and zero-shot classifier."""
    texts = [prompts.media["text"].load(place) for place in range(len(prompts))]
    with torch.inference_mode():
        x = embedded(towers["image"], pictures)
        heads = class_embeddings(embedded(towers["text"], texts), prompts.label, len(prompts.class_names))
    return SCALE * unit_rows(x) @ heads.T


def embedded(tower: Tower, items: list) -> np.ndarray:
    parts = [
        tower.module(torch.stack([tower.prepare(item) for item in items[first : first + 32]]))
        for first in range(0, len(items), 32)
    ]
    return torch.cat(parts).numpy()


class Theirs(NamedTuple):
    """A model with open_clip's face, its transform of an image and its tokenizer of a list of texts."""

    model: Any
    transform: Any
    tokenizer: Any


def built(name: str) -> Theirs:
    """By open_clip alone: architecture, or architecture/FILE."""
    architecture, _, weights = name.partition("/")
    torch.manual_seed(0)
    given = {"pretrained": weights} if weights else {"load_weights": False, "pretrained_text": False}
    model, _, transform = open_clip.create_model_and_transforms(architecture, **given)
    return Theirs(model.eval(), transform, open_clip.get_tokenizer(architecture))


class Lent(torch.nn.Module):
    """Towers of repbench as a model that open_clip's and CLIP_benchmark's functions can ask."""

    def __init__(self, towers: Mapping[str, Tower]) -> None:
        super().__init__()
        self.image, self.text = towers["image"].module, towers["text"].module

    def encode_image(self, images: torch.Tensor, normalize: bool = False) -> torch.Tensor:
        return _unit(self.image(images), normalize)

    def encode_text(self, tokens: torch.Tensor, normalize: bool = False) -> torch.Tensor:
        return _unit(self.text(tokens), normalize)


def _unit(x: torch.Tensor, normalize: bool) -> torch.Tensor:
    return torch.nn.functional.normalize(x, dim=-1) if normalize else x


def lent(towers: Mapping[str, Tower]) -> Theirs:
    """An encoder of repbench with their face."""
    prepare = towers["text"].prepare
    return Theirs(Lent(towers), towers["image"].prepare, lambda texts: torch.stack([prepare(text) for text in texts]))


def open_clips_logits(theirs: Theirs, pictures: list, declared: Any) -> np.ndarray:
    """The logits by open_clip's builder."""
    templates = [template.replace("{c}", "{}") for template in declared.prompts.templates]
    spoken = [declared.prompts.names.get(one, one) for one in declared.classes]
    with torch.inference_mode():
        heads = open_clip.build_zero_shot_classifier(theirs.model, theirs.tokenizer, spoken, templates)
        inputs = torch.stack([theirs.transform(picture) for picture in pictures])
        x = torch.cat([theirs.model.encode_image(part, normalize=True) for part in inputs.split(32)])
        return (SCALE * x @ heads).double().numpy()


def clip_benchmarks_logits(theirs: Theirs, pictures: list, declared: Any) -> np.ndarray | None:
    """The logits of CLIP_benchmark's zero-shot evaluation; None where it is not installed.

    By its two parts, for version 1.6.2 counts hits in a way that NumPy 2.4 refuses.
    """
    try:
        from clip_benchmark.metrics import zeroshot_classification as benchmark
    except ImportError:
        return None
    spoken = [declared.prompts.names.get(one, one) for one in declared.classes]
    templates = list(declared.prompts.templates)
    heads = benchmark.zero_shot_classifier(theirs.model, theirs.tokenizer, spoken, templates, "cpu", amp=False)
    loader = torch.utils.data.DataLoader([(theirs.transform(picture), 0) for picture in pictures], batch_size=32)
    logits, _ = benchmark.run_classification(theirs.model, heads, loader, "cpu", amp=False)
    return logits.double().numpy()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
