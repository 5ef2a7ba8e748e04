"""Programs of torch.export against the modules that they were exported from; nothing is unpickled without leave."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import EncoderError, UnknownNameError, UsageError

TRUSTED = LoadOptions(trust_checkpoint=True)
BATCHES: dict[str, Any] = {
    "fixed": None,
    "free": {0: Dim("batch")},
    "bounded": {0: Dim("batch", min=2, max=3)},
    "all free": {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC},
}


class Small(nn.Module):
    """Twelve features of an image; in training mode random by its dropout."""

    def __init__(self, keep: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 12, 5, stride=3), nn.BatchNorm2d(12), nn.Dropout(0.5)
        self.keep = keep

    def forward(self, pixels: Tensor) -> Tensor:
        return self.drop(torch.relu(self.norm(self.conv(pixels))).mean((2, 3), keepdim=self.keep))


class Poor(nn.Module):
    """Returns what no encoder returns."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.mean((2, 3)).sum(0)


class Two(nn.Module):
    """Wants two inputs."""

    def forward(self, pixels: Tensor, more: Tensor) -> Tensor:
        return (pixels + more).mean((2, 3))


def export(path: Path, module: nn.Module, axes: Any = None, shape: tuple[int, ...] = (2, 3, 40, 40), inputs: int = 1) -> str:
    shapes = None if axes is None else (axes,)
    program = torch.export.export(module, (torch.rand(shape),) * inputs, dynamic_shapes=shapes)
    torch.export.save(program, path)
    return str(path)


@pytest.fixture
def small() -> Small:
    torch.manual_seed(0)
    module = Small().eval()
    module.norm.running_mean = torch.randn(12)
    return module


@pytest.mark.parametrize("axes", BATCHES)
def test_embeddings_are_those_of_the_exported_module(tmp_path: Path, small: Small, axes: str) -> None:
    spec = export(tmp_path / "model.pt2", small, BATCHES[axes])
    tower = load_encoder(spec + (",size=40" if axes == "all free" else ""), TRUSTED).towers["image"]
    batch = torch.stack([tower.prepare(dummy_image(50).rotate(20 * place)) for place in range(5)])
    for count in (1, 5):
        with torch.inference_mode():
            torch.testing.assert_close(tower.module(batch[:count]), small(batch[:count]))


def test_empty_axes_of_the_output_are_dropped(tmp_path: Path) -> None:
    module = Small(keep=True).eval()
    tower = load_encoder(export(tmp_path / "model.pt2", module), TRUSTED).towers["image"]
    batch = torch.stack([tower.prepare(dummy_image())] * 2)
    torch.testing.assert_close(tower.module(batch), module(batch).flatten(1).detach())


def test_size_and_normalisation_come_from_program_and_spec(tmp_path: Path, small: Small) -> None:
    fixed, free = export(tmp_path / "fixed.pt2", small), export(tmp_path / "free.pt2", small, BATCHES["all free"])
    assert load_encoder(fixed, TRUSTED).towers["image"].prepare(dummy_image()).shape == (3, 40, 40)
    assert load_encoder(free, TRUSTED).towers["image"].prepare(dummy_image()).shape == (3, 224, 224)
    assert "mean 0.5 0.5 0.5" in load_encoder(f"{free},normalise=half", TRUSTED).towers["image"].preprocessing
    with pytest.raises(UsageError, match="40 pixels only"):
        load_encoder(f"{fixed},size=64", TRUSTED)
    with pytest.raises(UnknownNameError, match="'size'"):
        load_encoder(f"{fixed},sise=64", TRUSTED)


def test_the_fingerprint_is_that_of_the_file_and_the_preparation(tmp_path: Path, small: Small) -> None:
    one = export(tmp_path / "one.pt2", small, BATCHES["all free"])
    (tmp_path / "same.pt2").write_bytes(Path(one).read_bytes())
    with torch.no_grad():
        small.conv.weight[0] += 1
    export(tmp_path / "two.pt2", small, BATCHES["all free"])
    texts = ("one.pt2", "same.pt2", "two.pt2", "one.pt2,size=96")
    first, same, other, size = (load_encoder(f"{tmp_path}/{text}", TRUSTED).fingerprint for text in texts)
    assert first == same
    assert len({first, other, size}) == 3
    assert load_encoder(one, TRUSTED).name == "one.pt2"


def test_nothing_is_loaded_without_trust(tmp_path: Path, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = export(tmp_path / "model.pt2", small)
    monkeypatch.setattr(torch.export, "load", lambda *_: pytest.fail("the file was unpickled"))
    with pytest.raises(EncoderError, match=r"unpickles objects.*refused.*--trust-checkpoint"):
        load_encoder(spec)


def test_torch_still_unpickles_programs_without_restriction(tmp_path: Path, small: Small) -> None:
    """Why trust is asked for. When this fails, torch has become safe, and the source `export` can ask less."""
    spec = export(tmp_path / "model.pt2", small)
    marker = tmp_path / "was-run"
    evil = tmp_path / "evil.pt2"
    with zipfile.ZipFile(spec) as old, zipfile.ZipFile(evil, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            inside = entry.filename.replace("model/", "evil/", 1)
            new.writestr(inside, _touching(marker) if entry.filename.endswith("sample_inputs/model.pt") else old.read(entry))
    with pytest.raises(EncoderError, match="--trust-checkpoint"):
        load_encoder(str(evil))
    assert not marker.exists()
    with pytest.raises(EncoderError):
        load_encoder(str(evil), TRUSTED)
    assert marker.exists()


def _touching(marker: Path) -> bytes:
    import io

    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    buffer = io.BytesIO()
    torch.save(Bomb(), buffer)
    return buffer.getvalue()


def test_programs_in_training_mode_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"training mode \(aten.batch_norm.*Call model.eval\(\)"):
        load_encoder(export(tmp_path / "model.pt2", Small().train()), TRUSTED)
    with pytest.raises(EncoderError, match=r"training mode \(aten.dropout"):
        load_encoder(export(tmp_path / "drop.pt2", nn.Dropout().train()), TRUSTED)


def test_programs_that_read_no_images_are_refused(tmp_path: Path) -> None:
    for spec, words in (
        (export(tmp_path / "a.pt2", nn.Flatten(), shape=(2, 8, 8, 3)), r"shape \(2, 8, 8, 3\); images come as"),
        (export(tmp_path / "b.pt2", nn.Flatten(), shape=(2, 3, 8, 9)), "8 x 9 pixels"),
        (export(tmp_path / "c.pt2", Two(), inputs=2), "2 inputs"),
        (export(tmp_path / "d.pt2", Poor()), "2 images to an output of shape"),
        (export(tmp_path / "e.pt2", nn.Identity()), "an encoder returns floating-point"),
    ):
        with pytest.raises(EncoderError, match=words):
            load_encoder(spec, TRUSTED)


@pytest.mark.parametrize("options", [LoadOptions(), TRUSTED])
def test_bad_files_say_what_they_are(tmp_path: Path, small: Small, options: LoadOptions) -> None:
    whole = Path(export(tmp_path / "good.pt2", small)).read_bytes()
    (tmp_path / "cut.pt2").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pt2").write_text("this is no program")
    (tmp_path / "empty.pt2").touch()
    (tmp_path / "folder.pt2").mkdir()
    torch.save(small.state_dict(), tmp_path / "weights.pt2")
    torch.jit.save(torch.jit.script(nn.ReLU()), tmp_path / "script.pt2")
    with zipfile.ZipFile(tmp_path / "zip.pt2", "w") as archive:
        archive.writestr("notes.txt", "nothing")
    for name, words in (
        ("cut", "damaged or was not copied to its end"),
        ("text", "is not a program of torch.export"),
        ("empty", "is empty"),
        ("folder", "is a folder"),
        ("missing", "there is no file"),
        ("weights", r"is a checkpoint and not.*arch=timm:NAME"),
        ("script", "is a TorchScript archive and not"),
        ("zip", "a zip archive of another kind"),
    ):
        with pytest.raises(EncoderError, match=words):
            load_encoder(f"{tmp_path / name}.pt2", options)


def test_a_program_with_a_damaged_graph_says_so(tmp_path: Path, small: Small) -> None:
    spec = export(tmp_path / "model.pt2", small)
    with zipfile.ZipFile(spec) as old, zipfile.ZipFile(tmp_path / "bad.pt2", "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, b"{}" if entry.filename.endswith("models/model.json") else old.read(entry))
    with pytest.raises(EncoderError, match="can load, or it is damaged"):
        load_encoder(f"{tmp_path / 'bad.pt2'}", TRUSTED)
