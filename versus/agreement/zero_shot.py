"""Zero-shot here against open_clip's own classifier builder and, where it is installed, CLIP_benchmark's evaluation.

`python versus/agreement/zero_shot.py [MODEL] [IMAGES]`: a randomly initialised model (default ViT-B-32) with seed 0 on test
images of the pack `digits` and its prompts. Prints the largest difference of a logit and the accuracies; exit status 1 where
they disagree. `pip install clip-benchmark==1.6.2` adds the second comparison.
"""

from __future__ import annotations

import sys

import numpy as np
import open_clip
import torch

from repbench.datasets.carve import first_by_class
from repbench.datasets.open import open_dataset
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.measure import classification
from repbench.measure.geometry import unit_rows
from repbench.protocols.zero_shot import SCALE, class_embeddings
from repbench.tasks import load_catalogue

CLOSE = 1e-3  # of a logit, which is 100 times a cosine in float32


def main(name: str = "ViT-B-32", images: str = "100") -> int:
    dataset = open_dataset(load_catalogue().dataset("digits"))
    test, prompts = dataset.splits["test"], dataset.splits["prompts"]
    test = test.take(first_by_class(test.label, int(images)))
    pictures = [test.media["image"].load(place) for place in range(len(test))]
    ours = our_logits(name, pictures, prompts)
    theirs, model, transform, tokenizer = open_clips_logits(name, pictures, dataset.declaration)
    away = float(np.abs(ours - theirs).max())
    credit = [classification.accuracy(classification.judge(one, test.label).credit) for one in (ours, theirs)]
    print(f"{name}, {len(test)} images: largest difference of a logit {away:.2e}; accuracy {credit[0]:.4f} and {credit[1]:.4f}")
    agrees = away < CLOSE and credit[0] == credit[1]
    benchmark = clip_benchmarks_logits(model, transform, tokenizer, pictures, dataset.declaration)
    if benchmark is None:
        print("clip-benchmark is not installed: left out")
    else:
        away = float(np.abs(ours - benchmark).max())
        hits = classification.accuracy(classification.judge(benchmark, test.label).credit)
        print(f"CLIP_benchmark: largest difference of a logit {away:.2e}; accuracy {hits:.4f}")
        agrees = agrees and away < CLOSE and hits == credit[0]
    print("agreement" if agrees else "NO AGREEMENT")
    return 0 if agrees else 1


def our_logits(name: str, pictures: list, prompts: object) -> np.ndarray:
    """The logits (n, classes) of repbench's towers and zero-shot classifier."""
    towers = load_encoder(f"open_clip:{name}/random", LoadOptions(seed=0)).towers
    texts = [prompts.media["text"].load(place) for place in range(len(prompts))]
    with torch.inference_mode():
        x = embedded(towers["image"], pictures)
        heads = class_embeddings(embedded(towers["text"], texts), prompts.label, len(prompts.class_names))
    return SCALE * unit_rows(x) @ heads.T


def embedded(tower: object, items: list) -> np.ndarray:
    parts = [
        tower.module(torch.stack([tower.prepare(item) for item in items[first : first + 32]]))
        for first in range(0, len(items), 32)
    ]
    return torch.cat(parts).numpy()


def open_clips_logits(name: str, pictures: list, declared: object) -> tuple:
    """The logits by open_clip's builder, and the model, transform and tokenizer."""
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms(name, load_weights=False, pretrained_text=False)
    model.eval()
    tokenizer = open_clip.get_tokenizer(name)
    templates = [template.replace("{c}", "{}") for template in declared.prompts.templates]
    spoken = [declared.prompts.names.get(one, one) for one in declared.classes]
    with torch.inference_mode():
        heads = open_clip.build_zero_shot_classifier(model, tokenizer, spoken, templates)
        inputs = torch.stack([transform(picture) for picture in pictures])
        x = torch.cat([model.encode_image(part, normalize=True) for part in inputs.split(32)])
        return (SCALE * x @ heads).double().numpy(), model, transform, tokenizer


def clip_benchmarks_logits(model, transform, tokenizer, pictures, declared):
    """The logits of CLIP_benchmark's zero-shot evaluation; None where it is not installed.

    By its two parts, for version 1.6.2 counts hits in a way that NumPy 2.4 refuses.
    """
    try:
        from clip_benchmark.metrics import zeroshot_classification as theirs
    except ImportError:
        return None
    spoken = [declared.prompts.names.get(one, one) for one in declared.classes]
    heads = theirs.zero_shot_classifier(model, tokenizer, spoken, list(declared.prompts.templates), "cpu", amp=False)
    loader = torch.utils.data.DataLoader([(transform(picture), 0) for picture in pictures], batch_size=32)
    logits, _ = theirs.run_classification(model, heads, loader, "cpu", amp=False)
    return logits.double().numpy()


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
