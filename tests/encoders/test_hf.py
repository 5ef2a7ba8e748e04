"""Models of transformers, written to disk with random weights and read back by their own classes as the reference."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from repbench.encoder import FrameGrid, Sound, Tower
from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import load_encoder
from repbench.errors import EncoderError, UnknownNameError, UsageError

transformers = pytest.importorskip("transformers")
transformers_audio = pytest.importorskip("repbench.encoders.transformers_audio")

VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32}
WAVE = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": (8, 8, 8),
    "conv_stride": (5, 4, 4), "conv_kernel": (10, 8, 4), "num_feat_extract_layers": 3, "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}  # fmt: skip


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", _no_network)


def _no_network(*_: Any) -> None:
    raise AssertionError("a network connection was tried")


def save_vision(folder: Path, config: Any, size: int = 32) -> Any:
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config).eval()
    model.save_pretrained(folder)
    processor = transformers.ViTImageProcessor(size={"height": size, "width": size})
    processor.save_pretrained(folder)
    return model


def embed(tower: Tower, items: list[Any]) -> torch.Tensor:
    with torch.no_grad():
        return tower.module(torch.stack([tower.prepare(item) for item in items]))


def images() -> list[Image.Image]:
    return [dummy_image(40), dummy_image(40).rotate(90)]


def reference_pixels(folder: Path) -> torch.Tensor:
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    return processor(images=images(), return_tensors="pt")["pixel_values"]


def test_dinov2_gives_its_class_token(tmp_path: Path) -> None:
    model = save_vision(tmp_path, transformers.Dinov2Config(**VIT, patch_size=8))
    tower = load_encoder(f"hf:{tmp_path}").towers["image"]
    with torch.no_grad():
        expected = model(reference_pixels(tmp_path)).last_hidden_state[:, 0]
    torch.testing.assert_close(embed(tower, images()), expected)


def test_patch_average_leaves_class_token_and_registers_out(tmp_path: Path) -> None:
    model = save_vision(tmp_path, transformers.Dinov2WithRegistersConfig(**VIT, patch_size=8, num_register_tokens=3))
    tower = load_encoder(f"hf:{tmp_path},pool=avg").towers["image"]
    with torch.no_grad():
        expected = model(reference_pixels(tmp_path)).last_hidden_state[:, 4:].mean(1)
    torch.testing.assert_close(embed(tower, images()), expected)


def test_vit_never_uses_the_untrained_pooler(tmp_path: Path) -> None:
    model = save_vision(tmp_path, transformers.ViTConfig(**VIT, patch_size=8))
    tower = load_encoder(f"hf:{tmp_path}").towers["image"]
    with torch.no_grad():
        expected = model(reference_pixels(tmp_path)).last_hidden_state[:, 0]
    torch.testing.assert_close(embed(tower, images()), expected)


def test_a_hidden_state_can_be_chosen_by_number(tmp_path: Path) -> None:
    model = save_vision(tmp_path, transformers.ViTConfig(**VIT, patch_size=8))
    tower = load_encoder(f"hf:{tmp_path},layer=1,pool=avg").towers["image"]
    with torch.no_grad():
        states = model(reference_pixels(tmp_path), output_hidden_states=True).hidden_states
    torch.testing.assert_close(embed(tower, images()), states[1][:, 1:].mean(1))
    with pytest.raises(UsageError, match="numbered 0"):
        load_encoder(f"hf:{tmp_path},layer=7")


def test_masked_autoencoder_sees_all_patches_and_repeats_itself(tmp_path: Path) -> None:
    save_vision(tmp_path, transformers.ViTMAEConfig(**VIT, patch_size=8))
    tower = load_encoder(f"hf:{tmp_path},pool=avg").towers["image"]
    first = embed(tower, images())
    torch.testing.assert_close(first, embed(tower, images()), rtol=0, atol=0)
    changed = images()
    for corner in ((0, 0), (32, 0), (0, 32), (32, 32)):
        other = changed[0].copy()
        other.paste((255, 0, 0), (*corner, corner[0] + 8, corner[1] + 8))
        assert not torch.equal(first[0], embed(tower, [other])[0])


@pytest.mark.parametrize("family", ["ResNet", "ConvNext"])
def test_convolutional_networks_give_their_pooled_map(tmp_path: Path, family: str) -> None:
    sizes = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}
    config = transformers.ResNetConfig(**{k: v for k, v in sizes.items() if k != "num_stages"}, embedding_size=8)
    config = config if family == "ResNet" else transformers.ConvNextConfig(**sizes)
    model = save_vision(tmp_path, config)
    tower = load_encoder(f"hf:{tmp_path}").towers["image"]
    with torch.no_grad():
        expected = model(reference_pixels(tmp_path)).pooler_output.flatten(1)
    torch.testing.assert_close(embed(tower, images()), expected)


def test_options_about_images_replace_the_processor(tmp_path: Path) -> None:
    save_vision(tmp_path, transformers.ViTConfig(**VIT, patch_size=8))
    tower = load_encoder(f"hf:{tmp_path},size=32,interpolation=bilinear,normalise=none").towers["image"]
    assert "bilinear" in tower.preprocessing
    assert 0 <= float(tower.prepare(images()[0]).min()) <= float(tower.prepare(images()[0]).max()) <= 1


def save_clip(folder: Path, family: str) -> Any:
    text = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 30}
    text |= {"max_position_embeddings": 12, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    arguments = {"text_config": text, "vision_config": {**VIT, "patch_size": 8}}
    torch.manual_seed(0)
    if family == "clip":
        model = transformers.CLIPModel(transformers.CLIPConfig(**arguments, projection_dim=20))
    else:
        model = transformers.SiglipModel(transformers.SiglipConfig(**arguments))
        torch.nn.init.constant_(model.logit_scale, 2.3)  # a model that was never trained starts at 0 and 0
        torch.nn.init.constant_(model.logit_bias, -12.9)
    model.eval().save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    save_tokenizer(folder)
    return model


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["<pad>", "<s>", "</s>", "<unk>", "a", "photo", "of", "cat", "dog"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    named = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)


def vector(output: Any) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output.pooler_output


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_contrastive_models_have_two_towers_that_agree_with_their_own_projection(tmp_path: Path, family: str) -> None:
    model = save_clip(tmp_path, family)
    encoder = load_encoder(f"hf:{tmp_path}")
    assert set(encoder.towers) == {"image", "text"}
    assert encoder.towers["image"].fingerprint != encoder.towers["text"].fingerprint
    texts = ["a photo of a cat", "a dog"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokens = tokenizer(texts, padding="max_length", max_length=12, return_tensors="pt")
    with torch.no_grad():
        image = vector(model.get_image_features(pixel_values=reference_pixels(tmp_path)))
        text = vector(model.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]))
    torch.testing.assert_close(embed(encoder.towers["image"], images()), image)
    torch.testing.assert_close(embed(encoder.towers["text"], texts), text)
    with torch.no_grad():
        logits = model(**tokens, pixel_values=reference_pixels(tmp_path)).logits_per_image
    cosines = torch.nn.functional.normalize(image) @ torch.nn.functional.normalize(text).T
    assert encoder.logit is not None
    assert (encoder.logit.bias != 0) is (family == "siglip")
    torch.testing.assert_close(encoder.logit.scale * cosines + encoder.logit.bias, logits)


def test_a_contrastive_model_read_before_its_projection_has_no_text_tower(tmp_path: Path) -> None:
    model = save_clip(tmp_path, "clip")
    encoder = load_encoder(f"hf:{tmp_path},features=backbone")
    assert set(encoder.towers) == {"image"}
    assert encoder.logit is None
    with torch.no_grad():
        expected = model.vision_model(pixel_values=reference_pixels(tmp_path)).pooler_output
    torch.testing.assert_close(embed(encoder.towers["image"], images()), expected)


def save_audio(folder: Path, norm: str = "layer", family: str = "wav2vec2") -> Any:
    torch.manual_seed(0)
    config = {"wav2vec2": transformers.Wav2Vec2Config, "hubert": transformers.HubertConfig}[family]
    model = transformers.AutoModel.from_config(config(**WAVE, feat_extract_norm=norm)).eval()
    model.save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=16000, return_attention_mask=norm == "layer")
    extractor.save_pretrained(folder)
    return model


def sound(seconds: float, rate: int = 16000) -> Sound:
    return Sound(samples=np.random.default_rng(0).normal(0, 0.1, round(seconds * rate)).astype(np.float32), rate=rate)


@pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
def test_short_sounds_are_pooled_over_their_true_frames(tmp_path: Path, family: str) -> None:
    model = save_audio(tmp_path, family=family)
    tower = load_encoder(f"hf:{tmp_path},seconds=1").towers["audio"]
    short = sound(0.6)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)
    inputs = extractor(
        [short.samples],
        sampling_rate=16000,
        padding="max_length",
        max_length=16000,
        return_attention_mask=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        frames = model(**inputs).last_hidden_state
    valid = model._get_feature_vector_attention_mask(frames.shape[1], inputs["attention_mask"])[0].bool()
    torch.testing.assert_close(embed(tower, [short])[0], frames[0, valid].mean(0), rtol=1e-4, atol=1e-5)


def test_models_with_group_normalisation_get_no_mask(tmp_path: Path) -> None:
    model = save_audio(tmp_path, norm="group")
    tower = load_encoder(f"hf:{tmp_path},seconds=1,layer=1").towers["audio"]
    prepared = tower.prepare(sound(1.0))
    with torch.no_grad():
        states = model(prepared[None, 0], output_hidden_states=True).hidden_states
    torch.testing.assert_close(embed(tower, [sound(1.0)]), states[1].mean(1))


def test_sounds_are_resampled_and_cut_to_their_middle(tmp_path: Path) -> None:
    save_audio(tmp_path)
    prepare = load_encoder(f"hf:{tmp_path},seconds=0.5").towers["audio"].prepare
    tone = np.sin(2 * np.pi * 440 * np.arange(44100 * 2) / 44100).astype(np.float32)
    prepared = prepare(Sound(samples=tone, rate=44100))
    assert prepared.shape == (2, 8000)
    assert prepared[1].all()
    power = np.abs(np.fft.rfft(prepared[0].numpy()))
    assert abs(int(power.argmax()) * 2 - 440) <= 2


def test_preparations_can_be_pickled_for_loader_workers(tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", "clip")
    save_audio(tmp_path / "audio")
    towers = {**load_encoder(f"hf:{tmp_path / 'clip'}").towers, **load_encoder(f"hf:{tmp_path / 'audio'}").towers}
    items = {"image": images()[0], "text": "a cat", "audio": sound(0.2)}
    for modality, tower in towers.items():
        again = pickle.loads(pickle.dumps(tower.prepare))
        torch.testing.assert_close(again(items[modality]), tower.prepare(items[modality]))


def test_tensors_that_are_missing_from_the_file_are_an_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_vision(tmp_path, transformers.Dinov2Config(**VIT, patch_size=8))
    state = load_file(tmp_path / "model.safetensors")
    dropped = next(name for name in state if name.endswith("weight") and "1" in name)
    state.pop(dropped)
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(EncoderError, match="would be random"):
        load_encoder(f"hf:{tmp_path}")


def test_every_tensor_is_accounted_for(tmp_path: Path) -> None:
    save_vision(tmp_path, transformers.Dinov2Config(**VIT, patch_size=8))
    report = load_encoder(f"hf:{tmp_path}").load_report
    assert report is not None
    assert report.share_of_tensors == 1


def test_the_folder_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_vision(tmp_path / name, transformers.Dinov2Config(**VIT, patch_size=8))
    assert load_encoder(f"hf:{tmp_path / 'one'}").fingerprint == load_encoder(f"hf:{tmp_path / 'two'}").fingerprint


def test_code_in_a_repository_is_never_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}}))
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    with pytest.raises(EncoderError, match="not run unasked"):
        load_encoder(f"hf:{tmp_path}")
    assert not (tmp_path / "ran").exists()


def test_a_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EncoderError, match=r"pip install 'repbench\[hf\]'"):
        load_encoder(f"hf:{tmp_path}")


def test_errors_name_the_folder_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"no config\.json"):
        load_encoder(f"hf:{tmp_path}")
    save_vision(tmp_path, transformers.Dinov2Config(**VIT, patch_size=8))
    with pytest.raises(UnknownNameError, match="'interpolation'"):
        load_encoder(f"hf:{tmp_path},interpolaton=bicubic")
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(EncoderError, match="'bert' are not known"):
        load_encoder(f"hf:{tmp_path}")


def test_a_model_that_is_not_at_hand_offline_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match="offline"):
        load_encoder("hf:nobody/nothing-at-all")


def at_moments(tower: Any, grid: FrameGrid, one: Sound) -> np.ndarray:
    framed = tower.frames(grid)
    found: np.ndarray = embed(framed, [one])[0].numpy().reshape(grid.count, -1)
    return found


@pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
def test_speech_models_give_their_own_frames_where_the_grid_meets_them(tmp_path: Path, family: str) -> None:
    model = save_audio(tmp_path, norm="group", family=family)
    tower = load_encoder(f"hf:{tmp_path}").towers["audio"]
    reach, step = transformers_audio.field_and_stride(WAVE["conv_kernel"], WAVE["conv_stride"])
    zeros = torch.zeros(1, reach + 3 * step)
    assert model._get_feat_extract_output_lengths(torch.tensor([reach - 1, reach, reach + step])).tolist() == [0, 1, 2]
    assert model(zeros).last_hidden_state.shape[1] == 4
    grid = FrameGrid(hop=reach / 16000, count=12)  # its first moment is the centre of the first frame
    one = sound(grid.seconds + reach / 16000)
    samples = torch.from_numpy((one.samples - one.samples.mean()) / np.sqrt(one.samples.var() + 1e-7))
    with torch.no_grad():
        frames = model(samples[None]).last_hidden_state[0].numpy()
    found = at_moments(tower, grid, one)
    np.testing.assert_allclose(found[0], frames[0], rtol=1e-4, atol=1e-5)
    place = reach / step  # of the second moment, in frames
    before, share = int(place), place - int(place)
    np.testing.assert_allclose(found[1], (1 - share) * frames[before] + share * frames[before + 1], rtol=1e-4, atol=1e-4)


def save_whisper(folder: Path, encoder_only: bool = False) -> Any:
    torch.manual_seed(0)
    size = {"d_model": 32, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "encoder_layers": 2, "decoder_layers": 1}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "vocab_size": 60}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    model = transformers.WhisperModel(transformers.WhisperConfig(**size, **heads, **tokens)).eval()
    (model.encoder if encoder_only else model).save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)
    return model.encoder


@pytest.mark.parametrize("encoder_only", [False, True])
def test_whisper_is_pooled_over_what_carries_sound_and_has_frames_every_20_ms(tmp_path: Path, encoder_only: bool) -> None:
    encoder = save_whisper(tmp_path, encoder_only)
    tower = load_encoder(f"hf:{tmp_path}").towers["audio"]
    one = sound(0.5)
    features = transformers.AutoFeatureExtractor.from_pretrained(tmp_path)(
        one.samples, sampling_rate=16000, return_tensors="pt"
    ).input_features
    with torch.no_grad():
        output = encoder(features, output_hidden_states=True)
    torch.testing.assert_close(embed(tower, [one])[0], output.last_hidden_state[0, :25].mean(0), rtol=1e-4, atol=1e-5)
    layer = load_encoder(f"hf:{tmp_path},layer=1").towers["audio"]
    found = at_moments(layer, FrameGrid(hop=0.02, count=20), one)
    frames = output.hidden_states[1][0].numpy()
    np.testing.assert_allclose(found, (frames[:20] + frames[1:21]) / 2, rtol=1e-4, atol=1e-5)  # frames at 0, 20, 40 ms
    again = pickle.loads(pickle.dumps(tower.prepare))
    torch.testing.assert_close(again(one), tower.prepare(one))


def test_whispers_frames_are_where_the_sound_is(tmp_path: Path) -> None:
    save_whisper(tmp_path)
    tower = load_encoder(f"hf:{tmp_path},layer=0").towers["audio"]  # the convolutions alone
    grid = FrameGrid(hop=0.02, count=40)
    silence = np.random.default_rng(0).normal(0, 1e-3, 16000).astype(np.float32)
    click = silence.copy()
    click[6400 - 160 : 6400 + 160] += np.sin(np.arange(320)).astype(np.float32)  # around 0.4 s
    apart = at_moments(tower, grid, Sound(samples=click, rate=16000)) - at_moments(
        tower, grid, Sound(samples=silence, rate=16000)
    )
    strength = np.square(apart).sum(1)
    centre = float((strength * np.array(grid.centres)).sum() / strength.sum())
    assert abs(centre - 0.4) < 0.015
