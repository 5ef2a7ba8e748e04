"""Fetching a published dataset by the library that knows it: torchvision's own download, else a repository of the hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from repbench.datasets.card import CARDS
from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.deviations import UNKNOWN
from repbench.datasets.fetch.places import begun_folder, data_folder, fetch_command, looked_for, places, source_options
from repbench.datasets.fetch.staging import DAMAGED, staged
from repbench.datasets.sources.huggingface import under_way
from repbench.datasets.sources.torchvision import LAYOUTS, Torchvision, is_part_there
from repbench.datasets.table import Absent
from repbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Step:
    """A class of torchvision that downloads, and what it is told. `brings` are the parts of the layout by which one sees that
    it is done already, where a layout takes several steps.
    """

    name: str
    told: Mapping[str, Any] = field(default_factory=dict)
    brings: tuple[str, ...] = ()


LISTS = "Partitions.zip"  # of SUN397: torchvision does not fetch it
ADDRESS = f"https://vision.princeton.edu/projects/2010/SUN/download/{LISTS}"
DOWNLOADS: dict[str, tuple[Step, ...]] = {  # layout -> the steps that bring it
    "aircraft": (Step(name="FGVCAircraft", told={"split": "trainval", "annotation_level": "variant"}),),
    "caltech101": (Step(name="Caltech101"),),
    "cifar10": (Step(name="CIFAR10"),),
    "cifar100": (Step(name="CIFAR100"),),
    "dtd": (Step(name="DTD"),),
    "flowers": (Step(name="Flowers102"),),
    "food101": (Step(name="Food101"),),
    "pets": (Step(name="OxfordIIITPet"),),
    "stl10": (Step(name="STL10", told={"split": "train"}),),
    "sun397": (Step(name="SUN397", brings=("ClassName.txt",)), Step(name=LISTS)),
    "voc2007": (
        Step(
            name="VOCDetection",
            told={"year": "2007", "image_set": "trainval"},
            brings=("ImageSets/Main/train.txt", "ImageSets/Main/val.txt"),
        ),
        Step(name="VOCDetection", told={"year": "2007", "image_set": "test"}),
    ),
}


def fetch_published(
    declaration: DatasetDeclaration, data: Path | None = None, echo: Callable[[str], None] = print, *, hub: bool = False
) -> None:
    """Bring a dataset to the folder of datasets, or its repository into the hub's cache (with `hub` always that).

    One that is here as a whole is left alone; with `hub` only the hub's copy counts. Interrupted, it can be given again:
    what has arrived is kept. Raises DataError when there is no public place, when the hub is set offline, or when the
    library failed.
    """
    here = {source: path for source, path in places(declaration, data).items() if path is not None}
    counted = [f"{source}: {path}" for source, path in here.items() if source == "huggingface" or not hub]
    if counted:
        echo(f"{declaration.name} is here already ({counted[0]}); `repbench data check {declaration.name}` looks it over.")
        return
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise DataError(
            f"{declaration.name}: HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it, or copy the data here."
        )
    by_torchvision = declaration.sources.get("torchvision", {}).get("layout") in DOWNLOADS and not hub
    try:
        if by_torchvision:
            _by_torchvision(declaration, data, echo)
        else:
            _by_hub(declaration, echo)
    except (OSError, RuntimeError, ValueError, *DAMAGED) as error:  # what torchvision and the hub raise for a host that is gone
        again = fetch_command(declaration.name) + (" --hub" if hub else "")
        told = f"{declaration.name}: the download failed ({error}). `{again}` goes on; what has arrived whole is kept."
        if by_torchvision and (repository := declaration.sources.get("huggingface", {}).get("repository")):
            told += f" `{again} --hub` takes the hub's copy, {repository}."
        raise DataError(told) from error
    for source, path in here.items():
        echo(f"note: the copy of [sources.{source}] at {path} is here too, and the first that a run looks for is read.")
    echo(f"`repbench data check {declaration.name}` looks it over. Licence: {declaration.about.licence}.")


def data_lines(declarations: Iterable[DatasetDeclaration], data: Path | None = None) -> list[str]:
    """One line for each published dataset: name, here, in part or absent, examples as declared, licence, title and place."""
    lines = []
    for declared in declarations:
        found = looked_for(declared, data)
        here = [f"{source}: {place}" for source, place in found.items() if isinstance(place, Path)]
        begun = [f"{source}: {place.begun}" for source, place in found.items() if isinstance(place, Absent) and place.begun]
        sizes = declared.splits.values()
        examples = "any" if UNKNOWN in sizes else str(sum(sizes))
        words = f"{declared.about.licence}: {declared.title}"
        state = "here" if here else "in part" if begun else "absent"
        where = f"  [{'; '.join(here or begun)}]" if here or begun else ""
        lines.append(f"{declared.name:<15} {state:<7} {examples:>7} examples declared  {words}{where}{_of_the_hub(declared)}")
    return [*lines, f"folder: {data_folder(data)}"]


def _of_the_hub(declaration: DatasetDeclaration) -> str:
    """In what the hub's copy is known to differ, or that its revision is not known, in words; "" for another."""
    options = declaration.sources.get("huggingface", {})
    if "repository" not in options:
        return ""
    if "deviates" in options:
        return f"  (the hub's copy differs: {options['deviates']})"
    return "" if "revision" in options else "  (the hub's copy is not pinned to a revision)"


def _by_torchvision(declaration: DatasetDeclaration, data: Path | None, echo: Callable[[str], None]) -> None:
    options: Torchvision = source_options("torchvision", declaration.sources["torchvision"], declaration)
    layout = LAYOUTS[options.layout]
    there = {path for path, is_here in is_part_there(options, declaration, data).items() if is_here}
    folder, begun = data_folder(data), begun_folder(declaration.name, data)
    steps: dict[str, Callable[[Path], None]] = {}
    for number, step in enumerate(DOWNLOADS[options.layout]):
        key = f"{number}-{step.name}"
        is_there = step.brings and {folder / layout.folder / part for part in step.brings} <= there
        if not is_there or (begun / key).is_dir():  # of a step that was begun some may have been moved to its place
            steps[key] = partial(_take, step, echo)
    staged(begun, folder, steps, layout.folder.split("/")[0])


def _take(step: Step, echo: Callable[[str], None], place: Path) -> None:
    """One download, into the folder `place`."""
    import torchvision.datasets
    from torchvision.datasets.utils import download_and_extract_archive

    if step.name == LISTS:
        echo(f"{ADDRESS} is downloaded into {place}")
        download_and_extract_archive(ADDRESS, str(place), str(place / "SUN397" / "Partitions"))
    else:
        echo(f"torchvision.datasets.{step.name} downloads into {place}")
        getattr(torchvision.datasets, step.name)(str(place), download=True, **step.told)


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
    marker = under_way(options["repository"])
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    theirs = [options.get("splits", {}).get(split, split) for split in declaration.splits]
    download = partial(snapshot_download, options["repository"], repo_type="dataset", revision=options.get("revision"))
    folder = Path(
        download(allow_patterns=[*CARDS, "dataset_infos.json", *(one for split in theirs for one in _patterns(split))])
    )
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    if not all(any(fnmatch(name, pattern) for name in names for pattern in _patterns(split)) for split in theirs):
        echo("its files are not named by their splits: the whole repository is downloaded")
        download()
    marker.unlink()


def _patterns(split: str) -> list[str]:
    """Patterns, as the hub's client takes them, for the files of a split: what begins with its name, in any folder."""
    return [f"{folder}{split}{after}*" for folder in ("", "*/") for after in "-._/"]
