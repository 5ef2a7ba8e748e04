"""Pair scorers of open_clip's CoCa and of transformers' BLIP, beside the models' own forward passes and word by word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from repbench.encoder import Encoder, PairScorer
from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import load_encoder

transformers = pytest.importorskip("transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "a", "cat", "dog", "on", "the", "mat"]
TEXTS = ["a cat on the mat", "a dog"]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr("socket.socket.connect", refused)


def images() -> list[Image.Image]:
    return [dummy_image(40), dummy_image(40).rotate(90)]


def scores(scorer: PairScorer, texts: list[str] = TEXTS) -> torch.Tensor:
    prepared = [
        torch.stack([scorer.prepare[kind](one) for one in items]) for kind, items in (("image", images()), ("text", texts))
    ]
    with torch.no_grad():
        found: torch.Tensor = scorer.module(*prepared)
    assert found.shape == (2,)
    return found


def save_blip(folder: Path, name: str) -> Any:
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    text = {**small, "encoder_hidden_size": 16, "vocab_size": len(WORDS), "max_position_embeddings": 24, "bos_token_id": 5}
    text |= {"pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3}
    config = transformers.BlipConfig(
        vision_config={**small, "image_size": 32, "patch_size": 8}, text_config=text, projection_dim=8, image_text_hidden_size=8
    )
    torch.manual_seed(0)
    model = getattr(transformers, name)(config).eval()
    with torch.no_grad():
        for value in model.parameters():  # the library begins with weights so small that nothing would differ
            value.add_(0.2 * torch.randn_like(value))
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    transformers.BlipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return model


def tokens(encoder: Encoder, text: str) -> torch.Tensor:
    (scorer,) = encoder.scorers.values()
    return scorer.prepare["text"](text)[None]


def pixels(encoder: Encoder) -> torch.Tensor:
    (scorer,) = encoder.scorers.values()
    return torch.stack([scorer.prepare["image"](image) for image in images()])


def test_the_retrieval_blip_has_two_towers_and_the_log_odds_of_matching(tmp_path: Path) -> None:
    model = save_blip(tmp_path, "BlipForImageTextRetrieval")
    encoder = load_encoder(f"hf:{tmp_path}")
    assert set(encoder.towers) == {"image", "text"}
    assert set(encoder.scorers) == {"itm"}
    both = torch.cat([tokens(encoder, text) for text in TEXTS])
    with torch.no_grad():
        matched = model(both[:, 0], pixels(encoder), attention_mask=both[:, 1]).itm_score
        cosines = model(both[:, 0], pixels(encoder), attention_mask=both[:, 1], use_itm_head=False).itm_score
        image, text = (encoder.towers[one].module(x) for one, x in (("image", pixels(encoder)), ("text", both)))
    assert torch.logit(matched.softmax(dim=1)[:, 1]) == pytest.approx(scores(encoder.scorers["itm"]), abs=1e-5)
    ours = torch.nn.functional.normalize(image) @ torch.nn.functional.normalize(text).T
    torch.testing.assert_close(ours, cosines)


def test_the_likelihood_of_the_captioning_blip_is_the_product_of_its_words_given_those_before(tmp_path: Path) -> None:
    model = save_blip(tmp_path, "BlipForConditionalGeneration")
    encoder = load_encoder(f"hf:{tmp_path}")
    assert set(encoder.towers) == {"image"}
    row = tokens(encoder, TEXTS[0])[0, 0]
    row = row[row != 0]
    row[0] = 5
    with torch.no_grad():
        seen = model.vision_model(pixel_values=pixels(encoder)[:1]).last_hidden_state
        log = 0.0
        for place in range(1, len(row)):  # each word from those before it alone
            logits = model.text_decoder(input_ids=row[None, :place], encoder_hidden_states=seen).logits[0, -1]
            log += float(logits.log_softmax(dim=0)[row[place]])
    assert float(scores(encoder.scorers["lm"])[0]) == pytest.approx(log, rel=1e-5)


def test_the_likelihood_of_coca_is_that_of_its_own_logits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import open_clip
    from open_clip import factory

    tower = {"layers": 1, "width": 16}
    words = {**tower, "heads": 2, "context_length": 12, "vocab_size": 49408}
    pool = {"attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2, "output_tokens": True}
    small = {
        "embed_dim": 16,
        "vision_cfg": {**tower, **pool, "image_size": 32, "head_width": 8, "patch_size": 8},
        "text_cfg": {**words, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**words, "attn_pooler_heads": 2},
        "custom_text": True,
    }
    (tmp_path / "coca_tiny.json").write_text(json.dumps(small))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", [*factory._MODEL_CONFIG_PATHS])
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    open_clip.add_model_config(tmp_path)
    torch.use_deterministic_algorithms(True)  # reserved memory is filled with NaN: what is not drawn shows
    try:
        encoder = load_encoder("open_clip:coca_tiny/random")
    finally:
        torch.use_deterministic_algorithms(False)
    assert set(encoder.scorers) == {"lm"}
    assert "lm" not in load_encoder("open_clip:ViT-S-32-alt/random").scorers
    scorer = encoder.scorers["lm"]
    model: Any = scorer.module.model
    read = torch.stack([scorer.prepare["text"](text) for text in TEXTS])
    with torch.no_grad():
        out = model(torch.stack([scorer.prepare["image"](image) for image in images()]), read)
    logits, follows = out["logits"], read[:, 1:]
    logits = logits[:, : follows.shape[1]]
    expected = -torch.nn.functional.cross_entropy(logits.transpose(1, 2), follows, ignore_index=0, reduction="none").sum(dim=1)
    torch.testing.assert_close(scores(scorer), expected)
    assert float(scores(scorer)[0]) < float(scores(scorer)[1]) < 0  # more words, less likely
