"""Tiny copies of a transfer dataset as the hub, Parquet, WebDataset and image folders have it, written for the tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import numpy as np
from PIL import Image

from repbench.datasets.declaration import DatasetDeclaration

FEW = 3  # classes of a declaration that is cut down, so that every split has all of them
REVISION = "0" * 40


def labels_of(declared: DatasetDeclaration) -> list[int]:
    """The last class first, so that an order by appearance would show; of Aircraft one with a slash. Of few, all thrice."""
    assert not isinstance(declared.classes, int)
    if len(declared.classes) <= FEW:
        return [*range(len(declared.classes))] * 3
    return [len(declared.classes) - 1, 0, next((at for at, one in enumerate(declared.classes) if "/" in one), 1)]


def beside(declared: DatasetDeclaration, label: int) -> int:
    """The second class of an example that has several."""
    return 5 if declared.class_count > FEW else (label + 1) % declared.class_count


def encoded(declared: DatasetDeclaration, split: str, place: int) -> bytes:
    pixels = np.random.default_rng([place, *split.encode()]).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    stream = io.BytesIO()
    mode = "CMYK" if place == 1 and not declared.content.lossless else "RGB"
    Image.fromarray(pixels).convert(mode).save(stream, "PNG" if declared.content.lossless else "JPEG")
    return stream.getvalue()


def table(declared: DatasetDeclaration, options: dict[str, Any], split: str) -> datasets.Dataset:
    names = {"image": "image", "label": "label", **options.get("columns", {})}
    kind = datasets.ClassLabel(names=list(declared.classes))  # type: ignore[arg-type]
    labels: list[Any] = labels_of(declared)
    if declared.is_multilabel:
        labels, kind = [[one, beside(declared, one)] for one in labels], datasets.List(kind)
    images = [{"bytes": encoded(declared, split, place), "path": f"{place}.jpg"} for place in range(len(labels))]
    features = datasets.Features({names["image"]: datasets.Image(), names["label"]: kind})
    return datasets.Dataset.from_dict({names["image"]: images, names["label"]: labels}, features=features)


def parquet(folder: Path, declared: DatasetDeclaration, options: dict[str, Any], part: str = "data") -> None:
    for split in declared.splits:
        path = folder / part / f"{options.get('splits', {}).get(split, split)}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table(declared, options, split).to_parquet(str(path))


def write_parquet(root: Path, declared: DatasetDeclaration, options: dict[str, Any]) -> None:
    parquet(root / declared.name, declared, options)


def write_huggingface(root: Path, declared: DatasetDeclaration, options: dict[str, Any]) -> None:
    """What the hub's cache has of a repository."""
    home = Path(huggingface_hub.constants.HF_HUB_CACHE) / f"datasets--{options['repository'].replace('/', '--')}"
    revision = options.get("revision", REVISION)
    part = options.get("config", "data")
    parquet(home / "snapshots" / revision, declared, options, part)
    splits = [options.get("splits", {}).get(split, split) for split in declared.splits]
    files = "".join(f"  - split: {split}\n    path: {part}/{split}-*\n" for split in splits)
    card = f"---\nconfigs:\n- config_name: {options.get('config', 'default')}\n  data_files:\n{files}---\n"
    (home / "snapshots" / revision / "README.md").write_text(card)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(revision)


def write_folder(root: Path, declared: DatasetDeclaration, options: dict[str, Any]) -> None:
    for split in declared.splits:
        for place, label in enumerate(labels_of(declared)):
            name = str(declared.classes[label]).replace("/", "_")  # type: ignore[index]
            path = root / declared.name / split / name / f"{place}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(declared, split, place))


def write_webdataset(root: Path, declared: DatasetDeclaration, options: dict[str, Any]) -> None:
    """Two shards a split, as CLIP_benchmark writes them; class names as prompts say them."""
    labels = labels_of(declared)
    folder = root / options.get("path", f"wds/{declared.name}")
    folder.mkdir(parents=True)
    spoken = declared.prompts.names if declared.prompts is not None else {}
    lines = [spoken.get(name, name) for name in declared.classes]  # type: ignore[union-attr]
    (folder / "classnames.txt").write_text("\n".join(lines))
    for split in declared.splits:
        shards = folder / options.get("splits", {}).get(split, split)
        shards.mkdir()
        (shards / "nshards.txt").write_text("2")
        for shard, members in enumerate((range(2), range(2, len(labels)))):
            with tarfile.open(shards / f"{shard}.tar", "w") as tar:
                for place in members:
                    add(tar, f"s{place:07d}", label_file(declared, labels[place]))
                    add(tar, f"s{place:07d}", ("jpg", encoded(declared, split, place)))


def label_file(declared: DatasetDeclaration, label: int) -> tuple[str, bytes]:
    if not declared.is_multilabel:
        return "cls", str(label).encode()
    several = np.zeros(declared.class_count, dtype=np.int64)
    several[[label, beside(declared, label)]] = 1
    stream = io.BytesIO()
    np.save(stream, several)
    return "npy", stream.getvalue()


def add(tar: tarfile.TarFile, stem: str, part: tuple[str, bytes]) -> None:
    info = tarfile.TarInfo(f"{stem}.{part[0]}")
    info.size = len(part[1])
    tar.addfile(info, io.BytesIO(part[1]))


WRITERS = {
    "parquet": write_parquet,
    "webdataset": write_webdataset,
    "folder": write_folder,
    "huggingface": write_huggingface,
}
