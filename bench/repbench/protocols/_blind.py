"""Beside the score of a compositional probe: what blind rules score, and what the encoder scores where the best of them fails.

Blind rules see captions only: their length, language models of counts, what a sentence encoder finds typical and a grammar
checker correct, and what the encoder itself finds typical or likely. Language models are fitted on the true captions of the
probe's split to tune on, or where it has none on those of other folds of test.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.probe import RULES, Probe
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.embeddings.needs import TYPICAL, TextJudges
from repbench.measure import blind, intervals, pairs
from repbench.protocol import Estimate, Outcome
from repbench.protocols._composition import candidates_of

OWN_TEXT = "typical for its own text tower"
OWN_PRIOR = "its own log p(text)"
SOLVED = "solved blind"  # column of the examples
NOT_ASKED = "not_asked"  # among the diagnostics of blind rules: those that were not asked, and why
TRUE = {"two-true-captions": 2}  # rule -> how many captions are true of an image, where it is not one for each image


def true_captions(rule: str, captions: tuple[str, ...]) -> tuple[str, ...]:
    """Of the columns of captions those that are true of some image of their example."""
    form = RULES[rule]
    return captions if form.images > 1 else captions[: TRUE.get(rule, 1)]


def text_judges(dataset: DatasetDeclaration, split: str) -> tuple[TextJudges, ...]:
    """The need of the blind rules by judges of text; none where there is one caption, and nothing to choose."""
    assert dataset.probe is not None
    captions = dataset.probe.captions_of(dataset.columns)
    true = true_captions(dataset.probe.rule, captions)
    return (TextJudges(dataset=dataset.name, split=split, captions=captions, true=true),) if len(captions) > 1 else ()


def beside_blind(
    found: Outcome,
    scores: np.ndarray,
    got: Embeddings,
    seed: int,
    *,
    fitted_on: Sequence[str] = (),
    own: Mapping[str, np.ndarray] | None = None,
    shuffled: np.ndarray | None = None,
) -> Outcome:
    """The outcome of `scores` (n, images, captions) with blind rules beside it, wherever the scores come from.

    Further metrics: `blind-best`, `blind-solved` (the share of examples that the best blind rule gets right without luck),
    `score-where-blind-fails`, and where `shuffled` scores are given, of each example with the images of another one,
    `shuffled-images`, which should be chance. Language models are `fitted_on` true captions of other examples, or where there
    are none on those of other folds. `own`: scores (n, captions) of the model itself that look at no image. The interval of the
    best rule holds for all rules together, and widens where examples of one cluster fare alike.
    """
    assert got.probe is not None
    test, probe = got.test[0], got.probe
    metrics = {} if shuffled is None else {"shuffled-images": _credit(shuffled, test, probe, seed)}
    columns = [name for name in (f"caption_{k}" for k in range(scores.shape[2])) if name in test.columns]
    diagnostics: dict[str, Any] = {}
    if len(columns) == scores.shape[2] > 1:
        rules = {**_rules(columns, test, probe, fitted_on, seed), **got.judged, **(own or {})}
        weight = found.examples["weight"].to_numpy(dtype=np.float64)
        candidates = candidates_of(test, probe)
        verdict = blind.verdict(rules, probe.rule, scores.shape[1], candidates, weight, groups=test.clusters)
        best = verdict.best
        low, high = verdict.interval[best]
        metrics["blind-best"] = Estimate(value=verdict.score[best], low=low, high=high)
        metrics |= _apart(verdict.solved, found, test, seed)
        found = dataclasses.replace(found, examples=found.examples.assign(**{SOLVED: verdict.solved}))
        diagnostics["blind"] = {
            "best": best,
            "hackable": verdict.hackable,
            "rules": dict(verdict.score),
            "same_words": float(blind.same_words(_texts(test, columns)).mean()),
        }
        if got.not_asked:
            diagnostics["blind"][NOT_ASKED] = dict(got.not_asked)
        if TYPICAL in got.not_asked:
            diagnostics["warnings"] = [f"the blind rule {TYPICAL!r} was not asked: {got.not_asked[TYPICAL]}."]
    return dataclasses.replace(found, metrics={**found.metrics, **metrics}, diagnostics={**found.diagnostics, **diagnostics})


def _rules(columns: list[str], test: TestSplit, probe: Probe, fitted_on: Sequence[str], seed: int) -> dict[str, np.ndarray]:
    captions = _texts(test, columns)
    if fitted_on:
        return blind.length_scores(captions) | blind.likelihood_scores(captions, fitted_on)
    groups = test.ids if test.clusters is None else test.clusters
    true = _texts(test, true_captions(probe.rule, tuple(columns)))
    return blind.length_scores(captions) | blind.cross_fitted(captions, true, groups, seed)


def _apart(solved: np.ndarray, found: Outcome, test: TestSplit, seed: int) -> dict[str, Estimate]:
    """The share of examples that the best blind rule solves, and the primary credit on the others."""
    share = math.fsum(solved) / len(solved)
    low, high = intervals.proportion(solved.astype(np.float64), seed, groups=test.clusters)
    apart = {"blind-solved": Estimate(value=share, low=min(low, share), high=max(high, share))}
    weight, credit = (found.examples[name].to_numpy(dtype=np.float64) for name in ("weight", "score"))
    rest = ~solved & (weight > 0)
    if rest.any():
        clusters = None if test.clusters is None else test.clusters[rest]
        value = math.fsum(credit[rest]) / int(rest.sum())
        low, high = intervals.proportion(credit[rest], seed, groups=clusters)
        apart["score-where-blind-fails"] = Estimate(value=value, low=min(low, value), high=max(high, value))
    return apart


def _credit(scores: np.ndarray, test: TestSplit, probe: Probe, seed: int) -> Estimate:
    """The primary credit of scores (n, images, captions), the mean of all examples."""
    judged = pairs.judge(probe.rule, scores, candidates_of(test, probe))
    credit = judged.credits[judged.primary]
    value = math.fsum(credit) / len(credit)
    low, high = intervals.proportion(credit, seed, groups=test.clusters)
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def another(ids: np.ndarray, seed: int, clusters: np.ndarray | None = None) -> np.ndarray:
    """A permutation int (n,) that gives each example the place of one of another cluster, by lots of ids and seed alone.

    Clusters lie side by side in an order by lot, and all move on by the size of the largest. Where that one holds more than
    half of the examples, some of them stay in it.
    """
    lots = [hashlib.blake2b(f"{seed}|{one}".encode(), digest_size=8).digest() for one in ids]
    own = list(range(len(lots))) if clusters is None else clusters.tolist()
    first: dict[Any, bytes] = {}
    for cluster, lot in zip(own, lots, strict=True):
        first[cluster] = min(lot, first.get(cluster, lot))
    order = np.array(sorted(range(len(lots)), key=lambda place: (first[own[place]], lots[place])))
    following = np.empty_like(order)
    following[order] = np.roll(order, max(Counter(own).values()) if len(first) > 1 else 1)
    return following


def _texts(split: TestSplit, columns: list[str] | tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in zip(*(split.columns[name] for name in columns), strict=True)]
