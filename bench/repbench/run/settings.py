"""What a run is told: where things lie and how to compute. It says nothing of which encoder or task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from repbench.embeddings.options import ExtractOptions
from repbench.remote import here


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Folders and options of one run."""

    results: Path
    store: Path
    data: Path | None = None
    seed: int = 0
    limit: int | None = None  # examples a split, for a quick look; recorded, and never mixed with full runs
    deviating: bool = False  # whether copies are let in that are known to differ from the published data
    accept_changed_data: bool = False  # whether results on data that have changed since are computed again, or are an error
    extract: ExtractOptions = field(default_factory=ExtractOptions)
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def library_versions() -> dict[str, str]:
    """Versions of repbench, Python and the libraries on which a number may depend."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in ("repbench", "torch", "torchvision", "timm", "open_clip_torch", "transformers", "numpy", "pillow"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def default_store() -> Path:
    """Where embeddings are kept unless told: $REPBENCH_STORE, a folder or an address of another file system.

    Without it, `repbench/embeddings` in the user's cache folder.
    The store is content-addressed, so all runs on a machine can share it.
    """
    import os

    if given := os.environ.get("REPBENCH_STORE"):
        return here(given, fetch=False)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repbench" / "embeddings"
