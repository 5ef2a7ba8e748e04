"""From a file of weights to the Python object in it, without running any code that the file may hold."""

from __future__ import annotations

import argparse
import json
import pickletools
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from repbench.errors import EncoderError

_KINDS = (  # how files begin that are taken for checkpoints
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG", "a PNG image"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x89HDF", "an HDF5 file (Keras?); convert its weights to PyTorch first"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"<!DOCTYPE", "a web page, perhaps the error page of a failed download"),
    (b"<html", "a web page, perhaps the error page of a failed download"),
)


def read_weights(path: Path, *, trust: bool) -> Any:
    """The object that a checkpoint file holds, on the CPU: usually nested dicts with tensors.

    Nothing is executed unless `trust`, which unpickles arbitrary objects. Raises EncoderError for whatever is no checkpoint.
    """
    check_weights(path)
    head = _first_bytes(path)
    if head.startswith(b"PK\x03\x04"):
        _check_archive(path)
        return _torch_load(path, trust=trust, mmap=True)
    if _is_safetensors(head):
        return _load_safetensors(path)
    return _torch_load(path, trust=trust, mmap=False)


def check_weights(path: Path) -> None:
    """Raise EncoderError unless this is a file that can be read and begins like a checkpoint."""
    head = _first_bytes(path)
    if not (head.startswith((b"PK\x03\x04", b"\x80")) or _is_safetensors(head)):
        raise EncoderError(
            f"{path} is no checkpoint: it is {_kind(head)}. A checkpoint is written by torch.save or safetensors."
        )


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise EncoderError(f"{path} is a folder, and a checkpoint is a file. {_folder_advice(path)}")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError:
        raise EncoderError(f"there is no file {path} (looked from {Path.cwd()}).") from None
    except OSError as error:
        raise EncoderError(f"{path} cannot be read: {error.strerror}.") from error
    if not head:
        raise EncoderError(f"{path} is empty (0 bytes); copy or download it again.")
    return head


def _folder_advice(folder: Path) -> str:
    if (folder / "config.json").exists():
        return f"It looks like a model of transformers: write hf:{folder}"
    if any(folder.glob("*.distcp")):
        return "Convert it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE.pt"
    files = sorted(file.name for file in folder.iterdir() if file.suffix in (".pt", ".pth", ".ckpt", ".safetensors", ".tar"))
    return f"It holds {', '.join(files[:5])}: name one of them." if files else "It holds no file that ends like a checkpoint."


def _check_archive(path: Path) -> None:
    """Raise EncoderError for zip files that are something else than the output of torch.save."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise _damaged(path) from None
    if any("/code/" in name for name in names):
        raise EncoderError(
            f"{path} is a TorchScript archive: a program, not a file of weights. Save its weights: "
            'torch.save(torch.jit.load("FILE").state_dict(), "weights.pt"), and give weights.pt.'
        )
    if any(name.endswith(("archive_format", "serialized_exported_program.json")) for name in names):
        raise EncoderError(f"{path} is a program of torch.export; let its name end in .pt2 and give it without arch=.")
    if not any(name.endswith("data.pkl") for name in names):
        inside = "NumPy arrays (.npz)" if any(name.endswith(".npy") for name in names) else "no data.pkl"
        raise EncoderError(f"{path} is a zip archive but no checkpoint: it holds {inside}.")


def _torch_load(path: Path, *, trust: bool, mmap: bool) -> Any:
    try:
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol")  # what follows says it better
            return torch.load(path, map_location="cpu", weights_only=not trust, mmap=mmap)
    except ModuleNotFoundError as error:
        raise EncoderError(f"{path} holds objects of the package {error.name!r}, which is not installed.") from error
    except AttributeError as error:
        raise EncoderError(
            f"{path} holds objects of a class that is not at hand here: {error}. Save its state_dict."
        ) from error
    except Exception as error:
        blocked = [] if trust else _blocked_names(path, str(error))
        if blocked:
            raise EncoderError(
                f"{path} holds more than tensors: {', '.join(blocked)}. Loading such objects can run any code that the file's "
                "author chose, so it is refused. If you trust the file, add --trust-checkpoint; "
                "better, save its state_dict alone."
            ) from error
        if (called := _plain_pickle(path)) is not None:
            objects = f" of {', '.join(called)}" if called else ""
            raise EncoderError(
                f"{path} is a plain pickle{objects}, which torch.save did not write. Unpickling can run any code that its "
                "author chose, so it is refused. Save the weights anew: torch.save(model.state_dict(), FILE)."
            ) from error
        raise _damaged(path) from error


def _blocked_names(path: Path, message: str) -> list[str]:
    """The classes and functions that stopped a loading of tensors only; empty when something else did."""
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            names = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception:  # not a zip file, or damaged: the message is all there is
        names = []
    return sorted(names) or sorted(set(re.findall(r"GLOBAL ([\w.]+)", message)))


def _plain_pickle(path: Path) -> list[str] | None:
    """The classes and functions that a file names, if it is one whole pickle and nothing else; nothing of it is run."""
    named: list[str] = []
    strings: list[str] = []
    try:
        with path.open("rb") as file:
            for code, argument, _ in pickletools.genops(file):
                if code.name == "GLOBAL":
                    named.append(str(argument).replace(" ", "."))
                elif code.name == "STACK_GLOBAL":
                    named.append(".".join(strings[-2:]))
                elif isinstance(argument, str):
                    strings.append(argument)
            whole = not file.read(1)
    except Exception:  # pickletools promises no kind of error for bytes that are no pickle
        return None
    return sorted(set(named)) if whole else None


def _load_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32


def _damaged(path: Path, detail: str = "") -> EncoderError:
    size = path.stat().st_size
    return EncoderError(
        f"{path} is damaged or was not copied to its end ({size:,} bytes{'; ' + detail if detail else ''}). "
        "Compare its size with the original and copy or download it again."
    )


def _kind(head: bytes) -> str:
    for start, kind in _KINDS:
        if head.lower().startswith(start.lower()):
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it first"
    try:
        text = head.decode()
    except UnicodeDecodeError:
        return f"a file that begins with the bytes {head[:8].hex(' ')}"
    return f"text that begins {json.dumps(text[:40])}" if text.isprintable() or text.split() else "unreadable"
