"""The probe `stamps-captions`: as `emoji-captions`, of photographs that are fetched and not shipped."""

from __future__ import annotations

from pathlib import Path

from packs import emoji_captions
from packs.scenes import about
from packs.stamps_shelf import StampShelf

DERIVATION = emoji_captions.ABOUT.derivation.replace(", each in a drawing style drawn at random", "")


def build(downloads: Path, folder: Path) -> Path:
    """Write `stamps-captions.parquet` into `folder`. The pack `stamps` must be there: `repbench data fetch stamps`."""
    told = about(
        "Photographs of Tux Paint composed into pictures, with captions and hard negatives of seven kinds",
        "stamps",
        DERIVATION,
        emoji_captions.ABOUT.columns,
    )
    return emoji_captions.write_captions("stamps-captions", StampShelf(), told, folder)
