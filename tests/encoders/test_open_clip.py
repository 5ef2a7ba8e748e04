"""Contrastive models against open_clip's own transform, tokenizer and encoders, on a tiny model."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip import factory, pretrained
from open_clip.transform import PreprocessCfg, image_transform_v2
from torch import Tensor

from repbench.encoder import Tower
from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import EncoderError, UnknownNameError, UsageError

TEXTS = ["a photo of a cat", "two dogs"]
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "Tiny": {"embed_dim": 24, "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8}, "text_cfg": TEXT},
    "Tiny-RN": {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None},
        "text_cfg": TEXT,
    },
    "Tiny-timm": {
        "embed_dim": 24,
        "custom_text": True,
        "vision_cfg": {"timm_model_name": "test_vit", "timm_model_pretrained": False, "timm_pool": "", "timm_proj": "linear"},
        "text_cfg": TEXT,
    },
    "Tiny-CoCa": {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 64,
            "patch_size": 8,
            "attentional_pool": True,
            "attn_pooler_heads": 2,
            "output_tokens": True,
        },
        "text_cfg": {**TEXT, "context_length": 76, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {**TEXT, "context_length": 76},
        "custom_text": True,
    },
}
CONFIGS["Tiny-bias"] = {**CONFIGS["Tiny"], "custom_text": True, "init_logit_bias": -10.0, "init_logit_scale": 2.3}
CONFIGS["Tiny-timm"]["vision_cfg"] |= {"image_size": 160, "timm_pool": "token"}


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny models that open_clip knows by name, for the length of one test."""
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    folder = tmp_path / "configs"
    folder.mkdir()
    for name, config in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)

    def refuse(*_: Any) -> None:
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr("socket.socket.connect", refuse)


def built(name: str, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return open_clip.create_model(name, load_weights=False, pretrained_text=False, **options).eval()


def embed(tower: Tower, items: list[Any]) -> Tensor:
    with torch.no_grad():
        return tower.module(torch.stack([tower.prepare(item) for item in items]))


def own_pixels(model: Any) -> Tensor:
    transform = image_transform_v2(PreprocessCfg(**model.visual.preprocess_cfg), is_train=False)
    return torch.stack([transform(dummy_image()), transform(dummy_image(64).rotate(45))])


def own_images() -> list[Any]:
    return [dummy_image(), dummy_image(64).rotate(45)]


@pytest.mark.parametrize("name", CONFIGS)
def test_both_towers_equal_open_clips_own_encoders(name: str) -> None:
    encoder, model = load_encoder(f"open_clip:{name}/random"), built(name)
    with torch.no_grad():
        image = model.encode_image(own_pixels(model), normalize=False)
        text = model.encode_text(open_clip.get_tokenizer(name)(TEXTS), normalize=False)
    torch.testing.assert_close(embed(encoder.towers["image"], own_images()), image)
    torch.testing.assert_close(embed(encoder.towers["text"], TEXTS), text)
    assert encoder.towers["image"].dim == encoder.towers["text"].dim == 24


@pytest.mark.parametrize(("name", "scale", "bias"), [("Tiny", 1 / 0.07, 0.0), ("Tiny-bias", 9.974182, -10.0)])
def test_the_models_own_logit_is_what_open_clip_makes_of_a_cosine(name: str, scale: float, bias: float) -> None:
    encoder, model = load_encoder(f"open_clip:{name}/random"), built(name)
    assert encoder.logit is not None
    assert (encoder.logit.scale, encoder.logit.bias) == (pytest.approx(scale), bias)
    image, text = embed(encoder.towers["image"], [dummy_image()]), embed(encoder.towers["text"], TEXTS)
    cosines = torch.nn.functional.normalize(image) @ torch.nn.functional.normalize(text).T
    pixels = torch.stack([encoder.towers["image"].prepare(dummy_image())])
    with torch.no_grad():
        logits, _ = model.get_logits(pixels, open_clip.get_tokenizer(name)(TEXTS))
    torch.testing.assert_close(encoder.logit.scale * cosines + encoder.logit.bias, logits)
    assert load_encoder(f"open_clip:{name}/random,features=backbone").logit is None


def test_the_towers_have_separate_fingerprints_of_what_they_use() -> None:
    one = load_encoder("open_clip:Tiny/random").towers
    assert one["image"].fingerprint != one["text"].fingerprint
    assert not any("visual" in name or "logit_scale" in name for name in one["text"].module.state_dict())
    other = load_encoder("open_clip:Tiny/random", LoadOptions(seed=1)).towers
    assert one["image"].fingerprint != other["image"].fingerprint
    assert one["text"].fingerprint != other["text"].fingerprint


@pytest.mark.parametrize(("name", "dim"), [("Tiny", 64), ("Tiny-RN", 512), ("Tiny-timm", 64)])
def test_the_feature_before_the_projection_comes_without_texts(name: str, dim: int) -> None:
    encoder, model = load_encoder(f"open_clip:{name}/random,features=backbone"), built(name)
    assert set(encoder.towers) == {"image"}
    found = embed(encoder.towers["image"], own_images())
    assert found.shape == (2, dim)
    with torch.no_grad():
        if name == "Tiny":
            torch.testing.assert_close(found @ model.visual.proj, model.encode_image(own_pixels(model)))
        if name == "Tiny-timm":
            torch.testing.assert_close(model.visual.head(found), model.encode_image(own_pixels(model)))


def test_a_layer_of_the_image_tower() -> None:
    encoder, model = load_encoder("open_clip:Tiny/random,layer=transformer.resblocks.0,pool=avg"), built("Tiny")
    seen: list[Tensor] = []
    model.visual.transformer.resblocks[0].register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.no_grad():
        model.encode_image(own_pixels(model))
    torch.testing.assert_close(embed(encoder.towers["image"], own_images()), seen[0][:, 1:].mean(1))
    with pytest.raises(UsageError, match="needs a layer"):
        load_encoder("open_clip:Tiny/random,pool=avg")


def test_weights_from_a_file(tmp_path: Path) -> None:
    model = built("Tiny", seed=7)
    torch.save({"state_dict": {f"module.{name}": value for name, value in model.state_dict().items()}}, tmp_path / "clip.pt")
    encoder = load_encoder(f"open_clip:Tiny/{tmp_path / 'clip.pt'}")
    assert encoder.name == "open_clip:Tiny/clip.pt"
    assert encoder.notes["weights"] == "clip.pt"
    with torch.no_grad():
        torch.testing.assert_close(embed(encoder.towers["image"], own_images()), model.encode_image(own_pixels(model)))


@pytest.mark.parametrize(("tag_quick", "config_quick"), [(True, False), (False, True)])
def test_the_activation_is_that_of_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag_quick: bool, config_quick: bool
) -> None:
    """open_clip only warns when OpenAI's weights meet a model without QuickGELU, and loses accuracy."""
    right = built("Tiny", seed=7, quick_gelu=tag_quick)
    torch.save(right.state_dict(), tmp_path / "weights.pt")
    config = {**CONFIGS["Tiny"], "quick_gelu": config_quick}
    monkeypatch.setitem(factory._MODEL_CONFIGS, "Tiny", config)
    monkeypatch.setitem(pretrained._PRETRAINED, "Tiny", {"tag": {"url": "http://nowhere", "quick_gelu": tag_quick}})
    monkeypatch.setattr(factory, "download_pretrained", lambda *_, **__: str(tmp_path / "weights.pt"))
    encoder = load_encoder("open_clip:Tiny/tag")
    with torch.no_grad():
        torch.testing.assert_close(embed(encoder.towers["image"], own_images()), right.encode_image(own_pixels(right)))
    assert "was trained" in encoder.notes["activation"]
    monkeypatch.setitem(factory._MODEL_CONFIGS, "Tiny", {**config, "quick_gelu": tag_quick})
    assert load_encoder("open_clip:Tiny/tag").fingerprint == encoder.fingerprint


def test_preparations_can_be_pickled_for_loader_workers() -> None:
    items = {"image": dummy_image(), "text": "a cat"}
    for modality, tower in load_encoder("open_clip:Tiny/random").towers.items():
        again = pickle.loads(pickle.dumps(tower.prepare))
        torch.testing.assert_close(again(items[modality]), tower.prepare(items[modality]))


def test_unknown_names_name_the_nearest() -> None:
    for spec, near in (
        ("open_clip:ViT-B-33/openai", "'ViT-B-32'"),
        ("open_clip:ViT-B-32/openaii", "'openai'"),
        ("open_clip:Tiny/random,features=backbon", "'backbone'"),
        ("open_clip:Tiny/random,layer=transformer.resblock.0", "'transformer.resblocks.0'"),
    ):
        with pytest.raises(UnknownNameError, match=near):
            load_encoder(spec)
    with pytest.raises(UsageError, match="laion2b_s34b_b79k"):
        load_encoder("open_clip:ViT-B-32")
    with pytest.raises(UsageError, match=r"write open_clip:Tiny/random\. Known: random, or the path of a file"):
        load_encoder("open_clip:Tiny")


def test_bad_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "notes.pt").write_text("no weights")
    torch.save(built("Tiny-RN").state_dict(), tmp_path / "other.pt")
    with pytest.raises(EncoderError, match="text that begins"):
        load_encoder(f"open_clip:Tiny/{tmp_path / 'notes.pt'}")
    with pytest.raises(EncoderError, match="does not hold the weights of open_clip's Tiny"):
        load_encoder(f"open_clip:Tiny/{tmp_path / 'other.pt'}")
    with pytest.raises(EncoderError, match=r"there is no file .*missing\.pt \(looked from"):
        load_encoder(f"open_clip:Tiny/{tmp_path / 'missing.pt'}")
    with pytest.raises(EncoderError, match="is a folder, and a checkpoint is a file"):
        load_encoder(f"open_clip:Tiny/{tmp_path}")


def test_weights_that_cannot_be_downloaded_say_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="open_clip:ViT-B-32-quickgelu/random"):
        load_encoder("open_clip:ViT-B-32-quickgelu/openai")
