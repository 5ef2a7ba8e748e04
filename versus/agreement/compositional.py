"""Compositional rules of CLIP_benchmark and mteb beside ours, on one model and on an encoder that says nothing.

    pip install -r versus/requirements.txt && python versus/agreement/compositional.py

The data have SugarCrepe's shape: an image, a true caption, a hard negative, the true one first, as both peers expect. The model
is open_clip's ViT-S-32-alt with random weights. Scores without ties must agree (exit status 1 where they do not); where all
embeddings are equal, guessing is .5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from torch import Tensor

from repbench.datasets.probe import Probe
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.errors import RepbenchError
from repbench.protocols.compositional import Compositional

EXAMPLES, SEED = 64, 0
TIELESS = "random weights"
THINGS = ("dog", "cat", "hat", "mug", "chair", "car", "boat", "tree")


def data() -> tuple[list[Image.Image], list[tuple[str, str]]]:
    """Pictures of noise, and captions of two things with their places exchanged."""
    rng = np.random.default_rng(SEED)
    pictures = [Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) for _ in range(EXAMPLES)]
    captions = []
    for _ in range(EXAMPLES):
        one, other = rng.choice(THINGS, 2, replace=False)
        captions.append((f"a {one} on the left of a {other}", f"a {other} on the left of a {one}"))
    return pictures, captions


class Model(torch.nn.Module):
    """What the peers ask of a model; `change` is done to every embedding."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(SEED)
        self.network = open_clip.create_model("ViT-S-32-alt", load_weights=False).eval()
        self.prepare = open_clip.image_transform(224, is_train=False)
        self.tokenizer = open_clip.get_tokenizer("ViT-S-32-alt")
        self.change = change

    @torch.no_grad()
    def encode_image(self, images: Tensor) -> Tensor:
        """Embeddings (n, dim) of prepared images."""
        return self.change(self.network.encode_image(images))

    @torch.no_grad()
    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embeddings (n, dim) of token rows."""
        return self.change(self.network.encode_text(tokens))

    def encode(self, batches: Any, **_: Any) -> Tensor:
        """As mteb asks: embeddings of all items of a loader, images or texts."""
        rows = []
        for batch in batches:
            if "image" in batch:
                rows.append(self.encode_image(torch.stack([self.prepare(one) for one in batch["image"]])))
            else:
                rows.append(self.encode_text(self.tokenizer(list(batch["text"]))))
        return torch.cat(rows)


def ours(model: Model) -> str:
    """Accuracy of the protocol compositional."""
    pictures, captions = data()
    columns = [torch.stack([model.prepare(one) for one in pictures])]
    found = [model.encode_image(columns[0])]
    found += [model.encode_text(model.tokenizer([pair[k] for pair in captions])) for k in range(2)]
    ids = np.array([str(k) for k in range(EXAMPLES)])
    test = tuple(TestSplit(x=x.numpy(), ids=ids, columns={}, class_names=(), truth=np.zeros(EXAMPLES, int)) for x in found)
    got = Embeddings(tuning=(), test=test, metric="", probe=Probe(rule="one-image-many-captions"))
    try:
        return f"{Compositional().score(got, SEED).metrics['accuracy'].value:.4f}"
    except RepbenchError:
        return "fails"


def clip_benchmark(model: Model) -> str:
    """Its image_caption_selection, the metric that it uses for SugarCrepe."""
    from clip_benchmark.metrics.image_caption_selection import evaluate

    pictures, captions = data()
    batch = torch.stack([model.prepare(one) for one in pictures])
    return f"{evaluate(model, [(batch, captions)], model.tokenizer, 'cpu', amp=False)['text_acc']:.4f}"


def mteb(model: Model) -> str:
    """Its ImageTextPairClassification, evaluator and metric."""
    from datasets import Dataset
    from mteb._evaluators.image.imagetext_pairclassification_evaluator import ImageTextPairClassificationEvaluator
    from mteb.abstasks.image.image_text_pair_classification import AbsTaskImageTextPairClassification
    from mteb.timing import TimingStack

    pictures, captions = data()
    true, false = (list(one) for one in zip(*captions, strict=True))
    table = Dataset.from_dict({"images": pictures, "caption": true, "negative_caption": false})
    evaluator = ImageTextPairClassificationEvaluator(
        table,
        images_column_names=("images",),
        texts_column_names=("caption", "negative_caption"),
        num_images_per_sample=1,
        num_texts_per_sample=2,
        task_metadata=None,
        hf_split="test",
        hf_subset="default",
        timer=TimingStack(),
    )
    scores = evaluator(model, encode_kwargs={"batch_size": 32})
    return f"{AbsTaskImageTextPairClassification._compute_metrics(None, scores, 1, 2)['text_acc']:.4f}"


def main() -> None:
    """One row an encoder, one column a suite."""
    changes: dict[str, Callable[[Tensor], Tensor]] = {
        TIELESS: lambda x: x,
        "constant": torch.ones_like,
        "NaN": lambda x: torch.full_like(x, float("nan")),
    }
    print(f"{'encoder':<16} {'repbench':<10} {'CLIP_benchmark':<16} mteb")
    for name, change in changes.items():
        model = Model(change)
        cells = []
        for side in (ours, clip_benchmark, mteb):
            try:
                cells.append(side(model))
            except ImportError as error:
                cells.append(f"not installed ({error.name})")
        print(f"{name:<16} {cells[0]:<10} {cells[1]:<16} {cells[2]}")
        told = {cell for cell in cells if not cell.startswith("not installed")}
        if name == TIELESS and len(told) > 1:
            raise SystemExit(f"Without ties the suites must agree, and say {', '.join(sorted(told))}.")
        if name == "constant" and cells[0] != "0.5000":
            raise SystemExit(f"A constant encoder must score chance here, and scores {cells[0]}.")


if __name__ == "__main__":
    main()
