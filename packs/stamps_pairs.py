"""The probe `stamps-pairs`: as `emoji-pairs`, of photographs that are fetched and not shipped."""

from __future__ import annotations

from pathlib import Path

from packs import emoji_pairs
from packs.scenes import about
from packs.stamps_shelf import StampShelf

DERIVATION = emoji_pairs.ABOUT.derivation.replace(
    ", each in a drawing style drawn at random, the same in both pictures", ", the same in both pictures"
)


def build(downloads: Path, folder: Path) -> Path:
    """Write `stamps-pairs.parquet` into `folder`. The pack `stamps` must be there: `repbench data fetch stamps`."""
    told = about(
        "Photographs of Tux Paint composed into pairs of pictures with captions of the same words in another order",
        "stamps",
        DERIVATION,
        emoji_pairs.ABOUT.columns,
    )
    return emoji_pairs.write_pairs("stamps-pairs", StampShelf(), told, folder)
