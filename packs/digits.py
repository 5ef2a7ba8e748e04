"""The pack `digits`: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, the smallest real image classification set."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from packs.common import About, Source, png, write_pack

VERSION = "1.9.1"
MEMBER = "sklearn/datasets/data/digits.csv.gz"
# Of the table, not of the wheel: every platform's wheel has another digest but holds the same table.
MEMBER_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHARES = {"test": 0.2, "val": 0.2}  # the rest is train

ABOUT = About(
    title="Handwritten digits of 8 x 8 pixels (UCI Optical Recognition of Handwritten Digits, test part)",
    sources=(
        Source(
            package=f"scikit-learn {VERSION} (PyPI), file {MEMBER}",
            sha256=MEMBER_SHA256,
            licence="BSD-3-Clause",
            authors="E. Alpaydin, C. Kaynak (data); the scikit-learn developers (distribution)",
        ),
    ),
    derivation=(
        "All 1,797 rows in the order of the source. An ink count v of 0..16 becomes the grey level floor((255 v + 8) / 16), "
        "which is 255 v / 16 rounded half up; ink is bright on black. Within each digit the rows are ordered by the SHA-256 of "
        "'0:' + id; the first round(0.2 n) are test, the next round(0.2 n) val, the others train. The source names no "
        "writers, so one writer's digits may be in several splits."
    ),
    columns={
        "id": "'digits-' and the row number in the source, 0000..1796",
        "image": "PNG, 8 x 8 pixels, 8-bit grey, bright ink on black",
        "digit": "class name, 'zero'..'nine'",
        "split": "'train', 'val' or 'test': about 60/20/20 within each digit",
    },
    citation="E. Alpaydin and C. Kaynak, Cascading Classifiers, Kybernetika 34, 1998.",
)


def build(downloads: Path, folder: Path) -> Path:
    """Write `digits.parquet` into `folder` from scikit-learn's wheel in `downloads`, which is fetched if absent."""
    table = np.loadtxt(io.BytesIO(gzip.decompress(_source(downloads))), delimiter=",", dtype=np.int64)
    pixels = ((table[:, :64] * 255 + 8) // 16).astype(np.uint8).reshape(-1, 8, 8)
    ids = [f"digits-{row:04d}" for row in range(len(table))]
    digits = [NAMES[digit] for digit in table[:, 64]]
    columns = {"id": ids, "image": [png(image) for image in pixels], "digit": digits, "split": stratified(ids, digits, SHARES)}
    return write_pack("digits", columns, ABOUT, folder)


def by_hash(keys: Sequence[str]) -> list[str]:
    """The keys in the order of their SHA-256: a shuffle that no version of a random generator can change."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"0:{key}".encode()).digest())


def stratified(keys: Sequence[str], strata: Sequence[str], shares: Mapping[str, float], rest: str = "train") -> list[str]:
    """The split of each key: in every stratum, in hash order, round(share n) keys for each named share, then `rest`."""
    members: dict[str, list[str]] = defaultdict(list)
    for key, stratum in zip(keys, strata, strict=True):
        members[stratum].append(key)
    split = dict.fromkeys(keys, rest)
    for group in members.values():
        waiting = iter(by_hash(group))
        for name, share in shares.items():
            for _ in range(round(share * len(group))):
                split[next(waiting)] = name
    return [split[key] for key in keys]


def _source(downloads: Path) -> bytes:
    """The bytes of scikit-learn's digits table. Raises ValueError if they are not the pinned ones."""
    pattern = f"scikit_learn-{VERSION}-*.whl"
    if not any(downloads.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", str(downloads), f"scikit-learn=={VERSION}"], check=True)
    wheel = min(downloads.glob(pattern))
    with zipfile.ZipFile(wheel) as archive:
        table = archive.read(MEMBER)
    if hashlib.sha256(table).hexdigest() != MEMBER_SHA256:
        raise ValueError(f"{wheel.name}: {MEMBER} is not the file that the pack is made from (its SHA-256 differs).")
    return table
