"""Files that are no good, or no good to open: named for what they are, and never executed."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from repbench.encoders.fingerprint import dummy_image, fingerprint_module
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import EncoderError

RESNET = "timm:test_resnet"


def network() -> nn.Module:
    torch.manual_seed(1)
    return timm.create_model("test_resnet", num_classes=0)


class Payload:
    """Creates a file when it is unpickled by a loader that executes what it reads."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_checkpoint_is_refused_and_does_nothing(tmp_path: Path, zipped: bool) -> None:
    content = {"state_dict": network().state_dict(), "hook": Payload(tmp_path / "ran")}
    torch.save(content, tmp_path / "evil.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(EncoderError, match=r"mkdir.*--trust-checkpoint"):
        load_encoder(f"{tmp_path / 'evil.pt'},arch={RESNET}")
    assert not (tmp_path / "ran").exists()


def test_a_plain_malicious_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(EncoderError, match=r"a plain pickle of .*\."):
        load_encoder(f"{tmp_path / 'evil.pt'},arch={RESNET}")
    assert not (tmp_path / "ran").exists()


def test_a_plain_pickle_of_harmless_objects_is_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "lists.pt").write_bytes(pickle.dumps({"weights": [1, 2]}))
    with pytest.raises(EncoderError, match=r"a plain pickle, which torch.save did not write"):
        load_encoder(f"{tmp_path / 'lists.pt'},arch={RESNET}")


class Settings:
    """An object of a training script, as checkpoints hold them."""


def test_trust_loads_objects_and_is_on_record(tmp_path: Path) -> None:
    built = network()
    torch.save({"state_dict": built.state_dict(), "settings": Settings()}, tmp_path / "w.ckpt")
    with pytest.raises(EncoderError, match="Settings"):
        load_encoder(f"{tmp_path / 'w.ckpt'},arch={RESNET}")
    encoder = load_encoder(f"{tmp_path / 'w.ckpt'},arch={RESNET}", LoadOptions(trust_checkpoint=True))
    assert fingerprint_module(encoder.towers["image"].module) == fingerprint_module(built)
    assert "--trust-checkpoint" in encoder.notes["trusted"]


def test_a_pickled_module_loads_when_trusted(tmp_path: Path) -> None:
    built = network()
    torch.save(built, tmp_path / "module.pt")
    with pytest.raises(EncoderError, match="--trust-checkpoint"):
        load_encoder(f"{tmp_path / 'module.pt'},arch={RESNET}")
    encoder = load_encoder(f"{tmp_path / 'module.pt'},arch={RESNET}", LoadOptions(trust_checkpoint=True))
    assert fingerprint_module(encoder.towers["image"].module) == fingerprint_module(built)


def write_bad_files(folder: Path) -> None:
    state = {"layer1.weight": torch.arange(3000.0)}
    torch.save(state, folder / "whole.pt")
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    save_file(state, folder / "whole.safetensors")
    for name in ("whole.pt", "old.pt", "whole.safetensors"):
        data = (folder / name).read_bytes()
        (folder / f"short.{name}").write_bytes(data[: len(data) // 2])
    (folder / "empty.pt").touch()
    (folder / "folder.pt").mkdir()
    (folder / "notes.pt").write_text("these are my notes")
    (folder / "page.pt").write_text("<!doctype html><title>404</title>")
    (folder / "lfs.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    (folder / "noise.pt").write_bytes(bytes(range(200, 256)) * 9)
    dummy_image(8).save(folder / "image.pt", format="JPEG")
    with zipfile.ZipFile(folder / "arrays.pt", "w") as archive:
        archive.writestr("weight.npy", b"")
    torch.save({"epoch": 3}, folder / "nothing.pt")
    torch.save(torch.zeros(3), folder / "tensor.pt")
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), folder / "script.pt")
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),)), folder / "program.pt2")
    (folder / "program.pt2").rename(folder / "program.pt")


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated; its archives are not
def test_what_is_no_checkpoint_is_named_for_what_it_is(tmp_path: Path) -> None:
    write_bad_files(tmp_path)
    expected = {
        "gone.pt": "there is no file", "empty.pt": "is empty", "folder.pt": "is a folder", "notes.pt": "text that begins",
        "page.pt": "a web page", "lfs.pt": "Git LFS pointer", "noise.pt": "begins with the bytes", "image.pt": "a JPEG image",
        "arrays.pt": r"NumPy arrays \(\.npz\)", "nothing.pt": "no named tensors", "tensor.pt": "no named tensors",
        "script.pt": "TorchScript archive", "program.pt": "torch.export", "short.whole.pt": "damaged",
        "short.old.pt": "damaged", "short.whole.safetensors": "damaged",
    }  # fmt: skip
    for name, words in expected.items():
        with pytest.raises(EncoderError, match=words):
            load_encoder(f"checkpoint:{tmp_path / name},arch={RESNET}")


def test_a_trusted_file_of_a_class_that_is_gone_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"state_dict": network().state_dict(), "settings": Settings()}, tmp_path / "w.ckpt")
    monkeypatch.delitem(globals(), "Settings")
    with pytest.raises(EncoderError, match="not at hand here"):
        load_encoder(f"{tmp_path / 'w.ckpt'},arch={RESNET}", LoadOptions(trust_checkpoint=True))
