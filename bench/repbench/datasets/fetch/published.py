"""Fetching a published dataset by the library that knows it: torchvision's own download, else a repository of the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.deviations import UNKNOWN
from repbench.datasets.fetch.places import data_folder, fetch_command, places
from repbench.errors import DataError

DOWNLOADS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {  # layout -> torchvision's classes, with what each is told
    "aircraft": (("FGVCAircraft", {"split": "trainval", "annotation_level": "variant"}),),
    "caltech101": (("Caltech101", {}),),
    "cifar10": (("CIFAR10", {}),),
    "cifar100": (("CIFAR100", {}),),
    "dtd": (("DTD", {}),),
    "flowers": (("Flowers102", {}),),
    "food101": (("Food101", {}),),
    "pets": (("OxfordIIITPet", {}),),
    "stl10": (("STL10", {"split": "train"}),),
    "sun397": (("SUN397", {}),),
    "voc2007": (
        ("VOCDetection", {"year": "2007", "image_set": "trainval"}),
        ("VOCDetection", {"year": "2007", "image_set": "test"}),
    ),
}
PARTITIONS = "https://vision.princeton.edu/projects/2010/SUN/download/Partitions.zip"  # torchvision does not fetch them


def fetch_published(
    declaration: DatasetDeclaration, data: Path | None = None, echo: Callable[[str], None] = print, *, hub: bool = False
) -> None:
    """Bring a dataset to the folder of datasets, or its repository into the hub's cache (with `hub` always that).

    One that is here is left alone. Interrupted, it can be given again: finished archives are kept, and the hub goes on inside
    a file. Raises DataError when there is no public place, when the hub is set offline, or when the library failed.
    """
    here = [f"{source}: {path}" for source, path in places(declaration, data).items() if path is not None]
    if here:
        echo(f"{declaration.name} is here already ({here[0]}); `repbench data check {declaration.name}` looks it over.")
        return
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise DataError(
            f"{declaration.name}: HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it, or copy the data here."
        )
    layout = str(declaration.sources.get("torchvision", {}).get("layout", ""))
    by_torchvision = layout in DOWNLOADS and not hub
    try:
        if by_torchvision:
            _by_torchvision(layout, data_folder(data), echo)
        else:
            _by_hub(declaration, echo)
    except (OSError, RuntimeError, ValueError) as error:  # what torchvision and the hub raise for a host that is gone
        again = fetch_command(declaration.name) + (" --hub" if hub else "")
        told = f"{declaration.name}: the download failed ({error}). `{again}` goes on where it stopped."
        if by_torchvision and (repository := declaration.sources.get("huggingface", {}).get("repository")):
            told += f" `{again} --hub` takes the hub's copy, {repository}."
        raise DataError(told) from error
    echo(f"`repbench data check {declaration.name}` looks it over. Licence: {declaration.about.licence}.")


def data_lines(declarations: Iterable[DatasetDeclaration], data: Path | None = None) -> list[str]:
    """One line for each published dataset: name, here or absent, examples, where it is, licence and title."""
    lines = []
    for declared in declarations:
        here = [f"{source}: {path}" for source, path in places(declared, data).items() if path is not None]
        sizes = declared.splits.values()
        examples = "?" if UNKNOWN in sizes else str(sum(sizes))
        words = f"{declared.about.licence}: {declared.title}"
        where = f"  [{'; '.join(here)}]" if here else ""
        lines.append(f"{declared.name:<15} {'here' if here else 'absent':<7} {examples:>7} examples  {words}{where}")
    return [*lines, f"folder: {data_folder(data)}"]


def _by_torchvision(layout: str, folder: Path, echo: Callable[[str], None]) -> None:
    import torchvision.datasets
    from torchvision.datasets.utils import download_and_extract_archive

    folder.mkdir(parents=True, exist_ok=True)
    for name, told in DOWNLOADS[layout]:
        echo(f"torchvision.datasets.{name} downloads into {folder}")
        getattr(torchvision.datasets, name)(str(folder), download=True, **told)
    if layout == "sun397":
        download_and_extract_archive(PARTITIONS, str(folder), str(folder / "SUN397" / "Partitions"))


def _by_hub(declaration: DatasetDeclaration, echo: Callable[[str], None]) -> None:
    from huggingface_hub import snapshot_download

    options = declaration.sources.get("huggingface", {})
    if not options.get("repository"):
        raise DataError(
            f"{declaration.name}: no public place is known from which it could be fetched. {declaration.about.note}"
        )
    at = options.get("revision", "its newest revision: none is pinned, so look at what `repbench data check` says of it")
    echo(f"the hub's client downloads {options['repository']} at {at}")
    if "deviates" in options:
        echo(f"note: this copy differs from the published data: {options['deviates']}.")
    snapshot_download(options["repository"], repo_type="dataset", revision=options.get("revision"))
