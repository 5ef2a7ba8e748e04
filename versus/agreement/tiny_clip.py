"""A tiny architecture of open_clip, and weights for it that were trained here: a model at embedded scale that sees something.

`TINY` is registered with open_clip by `register`; `train` fits it by open_clip's own CLIP loss to the train split of a pack and
its first prompt, and writes a file of weights that any tool can load.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import torch

from repbench.datasets.dataset import Dataset

TINY = "Tiny"
TEXT = {"context_length": 24, "vocab_size": 49408, "width": 48, "heads": 2, "layers": 1}
VISION = {"image_size": 32, "layers": 3, "width": 64, "patch_size": 8}
BATCH = 128


def register(folder: Path) -> None:
    """Make the architecture known to open_clip, by a file in `folder`."""
    (folder / f"{TINY}.json").write_text(json.dumps({"embed_dim": 32, "vision_cfg": VISION, "text_cfg": TEXT}))
    open_clip.add_model_config(folder)


def train(dataset: Dataset, path: Path, steps: int, seed: int = 0) -> float:
    """Write the weights after so many steps of batch 128, AdamW at 1e-3 and half a cosine; returns the last loss."""
    torch.manual_seed(seed)
    model, _, transform = open_clip.create_model_and_transforms(TINY, load_weights=False, pretrained_text=False)
    tokenizer, split, declared = open_clip.get_tokenizer(TINY), dataset.splits["train"], dataset.declaration
    images = torch.stack([transform(split.media["image"].load(place)) for place in range(len(split))])
    spoken = [declared.prompts.names.get(name, name) for name in split.class_names]
    texts = tokenizer([declared.prompts.templates[0].replace("{c}", name) for name in spoken])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng, label = np.random.default_rng(seed), torch.from_numpy(split.label)
    for _ in range(steps):
        rows = torch.from_numpy(rng.choice(len(split), BATCH, replace=False))
        image = model.encode_image(images[rows], normalize=True)
        text = model.encode_text(texts, normalize=True)
        loss = torch.nn.functional.cross_entropy(model.logit_scale.exp() * image @ text.T, label[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    torch.save(model.state_dict(), path)
    return loss.item()
