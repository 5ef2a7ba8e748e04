"""ONNX graphs against the torch modules that they were exported from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import load_encoder
from repbench.errors import EncoderError, UnknownNameError, UsageError

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

FREE = {"pixels": {0: "batch", 2: "height", 3: "width"}}
BATCH = {"pixels": {0: "batch"}}


class Small(nn.Module):
    """Twelve features of an image; `keep` leaves the two empty axes on."""

    def __init__(self, keep: bool = False) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 12, 5, stride=3), nn.BatchNorm2d(12)
        self.keep = keep

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(pixels))).mean((2, 3), keepdim=self.keep)


def export(path: Path, module: nn.Module, shape: tuple[int, ...] = (2, 3, 40, 40), axes: Any = None) -> nn.Module:
    torch.onnx.export(
        module.eval(),
        (torch.zeros(shape),),
        str(path),
        dynamo=False,
        input_names=["pixels"],
        output_names=["pooled"],
        dynamic_axes=axes,
    )
    return module


@pytest.fixture
def small() -> Small:
    torch.manual_seed(0)
    module = Small()
    module.norm.running_mean = torch.randn(12)
    return module


def images(count: int) -> list[Image.Image]:
    return [dummy_image(50).rotate(20 * place) for place in range(count)]


def both(spec: str, module: nn.Module, count: int = 5) -> tuple[Tensor, Tensor]:
    tower = load_encoder(spec).towers["image"]
    batch = torch.stack([tower.prepare(image) for image in images(count)])
    with torch.inference_mode():
        return tower.module(batch), module(batch).flatten(1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("axes", [None, BATCH, FREE])
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_embeddings_are_those_of_the_exported_module(tmp_path: Path, small: Small, axes: Any, batch: int) -> None:
    """Free and fixed batch axes alike: five images go through graphs made for one, two and four."""
    export(tmp_path / "model.onnx", small, (batch, 3, 40, 40), axes)
    found, expected = both(f"{tmp_path / 'model.onnx'}{',size=40' if axes is FREE else ''}", small)
    torch.testing.assert_close(found, expected)


@pytest.mark.filterwarnings("ignore")
def test_empty_axes_of_the_output_are_dropped(tmp_path: Path) -> None:
    module = export(tmp_path / "model.onnx", Small(keep=True), axes=BATCH)
    found, expected = both(f"{tmp_path / 'model.onnx'}", module)
    torch.testing.assert_close(found, expected)
    assert found.shape == (5, 12)


@pytest.mark.filterwarnings("ignore")
def test_size_and_normalisation_come_from_graph_and_spec(tmp_path: Path, small: Small) -> None:
    export(tmp_path / "fixed.onnx", small)
    export(tmp_path / "free.onnx", small, axes=FREE)
    fixed, free, half = (load_encoder(f"{tmp_path}/{text}") for text in ("fixed.onnx", "free.onnx", "free.onnx,normalise=half"))
    assert fixed.towers["image"].prepare(dummy_image()).shape == (3, 40, 40)
    assert free.towers["image"].prepare(dummy_image()).shape == (3, 224, 224)
    assert "mean 0.485 0.456 0.406" in fixed.towers["image"].preprocessing
    assert "mean 0.5 0.5 0.5" in half.towers["image"].preprocessing
    with pytest.raises(UsageError, match="40 pixels only"):
        load_encoder(f"{tmp_path}/fixed.onnx,size=64")
    with pytest.raises(UnknownNameError, match="'size'"):
        load_encoder(f"{tmp_path}/fixed.onnx,sise=64")


@pytest.mark.filterwarnings("ignore")
def test_the_fingerprint_is_that_of_the_file_and_the_preparation(tmp_path: Path, small: Small) -> None:
    export(tmp_path / "one.onnx", small, axes=FREE)
    (tmp_path / "same.onnx").write_bytes((tmp_path / "one.onnx").read_bytes())
    with torch.no_grad():
        small.conv.bias[0] += 1  # type: ignore[index]
    export(tmp_path / "two.onnx", small, axes=FREE)
    one, same, two, size = (load_encoder(f"{tmp_path}/{t}") for t in ("one.onnx", "same.onnx", "two.onnx", "one.onnx,size=96"))
    assert one.fingerprint == same.fingerprint
    assert len({one.fingerprint, two.fingerprint, size.fingerprint}) == 3
    assert one.name == "one.onnx"
    assert one.notes["package"].startswith("onnxruntime ")


@pytest.mark.filterwarnings("ignore")
def test_weights_in_a_file_beside_are_read_and_count(tmp_path: Path, small: Small) -> None:
    export(tmp_path / "whole.onnx", small, axes=BATCH)
    graph = onnx.load(str(tmp_path / "whole.onnx"))
    onnx.save(graph, str(tmp_path / "split.onnx"), save_as_external_data=True, location="weights.bin", size_threshold=0)
    found, expected = both(f"{tmp_path / 'split.onnx'}", small)
    torch.testing.assert_close(found, expected)
    before = load_encoder(f"{tmp_path / 'split.onnx'}").fingerprint
    weights = bytearray((tmp_path / "weights.bin").read_bytes())
    weights[2] ^= 1
    (tmp_path / "weights.bin").write_bytes(weights)
    assert load_encoder(f"{tmp_path / 'split.onnx'}").fingerprint != before
    os.remove(tmp_path / "weights.bin")
    with pytest.raises(EncoderError, match=r"another file.*not beside it"):
        load_encoder(f"{tmp_path / 'split.onnx'}")


def made(path: Path, kind: int, shape: list[Any], inputs: int = 1, shrink: tuple[int, ...] = (2, 3)) -> str:
    """A graph that averages its first input over the axes `shrink`."""
    helper = onnx.helper
    entries = [helper.make_tensor_value_info(f"in{place}", kind, shape) for place in range(inputs)]
    node = helper.make_node("ReduceMean", ["in0"], ["out"], axes=list(shrink), keepdims=0)
    leaving = helper.make_tensor_value_info("out", kind, None)
    graph = helper.make_graph([node], "graph", entries, [leaving])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_half_precision_graphs_get_what_they_read(tmp_path: Path) -> None:
    spec = made(tmp_path / "half.onnx", onnx.TensorProto.FLOAT16, ["n", 3, 8, 8])
    tower = load_encoder(spec).towers["image"]
    batch = tower.prepare(dummy_image())[None]
    found = tower.module(batch)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, batch.mean((2, 3)), rtol=1e-2, atol=1e-2)


def test_graphs_that_read_no_images_are_refused(tmp_path: Path) -> None:
    kinds = onnx.TensorProto
    for spec, words in (
        (made(tmp_path / "a.onnx", kinds.FLOAT, ["n", 8, 8, 3], shrink=(1, 2)), r"shape \(any, 8, 8, 3\); images come as"),
        (made(tmp_path / "b.onnx", kinds.FLOAT, ["n", 3, 8, 9]), "8 x 9 pixels; repbench prepares square"),
        (made(tmp_path / "c.onnx", kinds.FLOAT, ["n", 3, 8, 8], inputs=2), "2 inputs .in0, in1."),
        (made(tmp_path / "d.onnx", kinds.INT32, ["n", 3, 8, 8]), r"reads tensor\(int32\)"),
        (made(tmp_path / "e.onnx", kinds.FLOAT, ["n", 3, 8, 8], shrink=(3,)), r"shape \(2, 3, 8\); an encoder returns"),
        (made(tmp_path / "f.onnx", kinds.FLOAT, ["n", 3, 8, 8], shrink=(0, 3)), r"2 images to an output of shape \(3, 8\)"),
    ):
        with pytest.raises(EncoderError, match=words):
            load_encoder(spec)


def test_bad_files_say_what_they_are(tmp_path: Path) -> None:
    made(tmp_path / "good.onnx", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])
    whole = (tmp_path / "good.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.onnx").write_text("this is no graph")
    (tmp_path / "empty.onnx").touch()
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "folder.onnx" / "inner.onnx").touch()
    for name, words in (
        ("cut", "damaged or was not copied to its end"),
        ("text", "not an ONNX graph"),
        ("empty", "is empty"),
        ("folder", "is a folder.*It holds inner.onnx"),
        ("missing", "there is no file"),
    ):
        with pytest.raises(EncoderError, match=words):
            load_encoder(f"{tmp_path / name}.onnx")


def test_a_missing_package_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = made(tmp_path / "good.onnx", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(EncoderError, match=r"pip install 'repbench\[onnx\]'"):
        load_encoder(spec)
