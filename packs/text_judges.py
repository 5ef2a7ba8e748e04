"""What judges of text make of the captions of the embedded probes, which ships: `python packs/text_judges.py [--check]`.

One small file a probe in bench/repbench/datasets/text_judges/: for each example of test its key, and of each caption how
typical it is and how grammatical, rounded so that another machine's last digit makes no other file. embeddings/text_judges.py
says what the scores are and reads them. It needs repbench[pretrained] and link-parser (Debian: link-grammar, 5.12.0).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from packs.common import PACK_FOLDER
from repbench.embeddings.needs import GRAMMAR, SENTENCES, SHIPPED, TYPICAL
from repbench.embeddings.text_judges import example_key, sentence_tower, shipped_scores
from repbench.grammar import grammar_scores
from repbench.measure.blind import typicality_apart
from repbench.protocols._blind import true_captions
from repbench.tasks import load_catalogue

PROBES = ("emoji-captions", "emoji-pairs", "furniture-scenes", "stamps-captions", "stamps-pairs")
DIGITS = 5
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Captions:
    """The test split of a probe: ids, captions (a column each), which columns are true of an image, and clusters."""

    ids: list[str]
    texts: pd.DataFrame
    true: np.ndarray
    groups: np.ndarray


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 1 if a checked file differs by more than the last digit."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("--check", action="store_true", help="compare with the committed files and write none")
    options = parser.parse_args(arguments)
    status = 0
    for name in PROBES:
        if options.check:
            same = all(differs(name, rule) <= 1 for rule in JUDGES)
            print(f"{name}: {'as made' if same else 'not what packs/text_judges.py makes'}")
            status |= not same
        else:
            print(f"{name}: {write(name).stat().st_size:,} bytes")
    return status


def write(name: str) -> Path:
    """Write the file of a probe and return its path."""
    captions = captions_of(name)
    keys = [example_key(one, row) for one, row in zip(captions.ids, captions.texts.to_numpy().tolist(), strict=True)]
    judged = {rule: judge(captions).round(DIGITS).astype(np.float32) for rule, judge in JUDGES.items()}
    scores = {f"{rule}: {column}": one[:, k] for rule, one in judged.items() for k, column in enumerate(captions.texts)}
    table = pa.table({"key": pa.array(keys, pa.uint64()), **scores})
    words = f"{TYPICAL}: mean cosine with true captions of other clusters of test, by {SENTENCES}; {GRAMMAR}: minus its cost"
    path = SHIPPED / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    table = table.replace_schema_metadata({"repbench": words})
    pq.write_table(table, path, compression="zstd", compression_level=19, write_statistics=False)
    return path


def differs(name: str, rule: str) -> float:
    """By how many units of the last digit what ships of a probe differs at most from what its judge says now."""
    captions = captions_of(name)
    shipped = shipped_scores(name, captions.ids, captions.texts.to_numpy().tolist())
    if shipped is None:
        return float("inf")
    return float(round(np.abs(shipped[rule] - JUDGES[rule](captions).round(DIGITS)).max() * 10**DIGITS, 1))


def captions_of(name: str) -> Captions:
    """The captions of a probe; its pictures need not be here."""
    declaration = load_catalogue().datasets[name]
    assert declaration.probe is not None
    rows = pq.read_table(PACK_FOLDER / f"{name}.parquet").to_pandas().query("split == 'test'")
    columns = declaration.probe.captions_of(declaration.columns)
    return Captions(
        ids=rows["id"].astype(str).tolist(),
        texts=rows[list(columns)].astype(str),
        true=np.isin(columns, true_captions(declaration.probe.rule, columns)),
        groups=rows[declaration.cluster or "id"].to_numpy(),
    )


def typical(captions: Captions) -> np.ndarray:
    """How typical each caption is, float64 (n, captions)."""
    x = [_embedded(captions.texts[column].tolist()) for column in captions.texts]
    scores = typicality_apart(x, np.tile(captions.true, (len(captions.ids), 1)), captions.groups)
    assert scores is not None
    return scores


def grammatical(captions: Captions) -> np.ndarray:
    """How grammatical each caption is, float64 (n, captions)."""
    parsed = grammar_scores(captions.texts.to_numpy().ravel().tolist())
    return captions.texts.map(parsed.__getitem__).to_numpy(dtype=np.float64)


JUDGES: dict[str, Callable[[Captions], np.ndarray]] = {TYPICAL: typical, GRAMMAR: grammatical}


def _embedded(texts: list[str]) -> np.ndarray:
    tower = sentence_tower()
    batches = [texts[first : first + BATCH] for first in range(0, len(texts), BATCH)]
    with torch.inference_mode():
        rows = [tower.module(torch.stack([tower.prepare(text) for text in batch])).numpy() for batch in batches]
    return np.concatenate(rows)


if __name__ == "__main__":
    sys.exit(main())
