"""Beside the score of a compositional probe: what blind rules score, and what the encoder scores where the best of them fails.

Blind rules see captions only: their length, language models of counts, and how typical the encoder's own text tower finds them.
Models are fitted on the true captions of the probe's split to tune on, or where it has none on those of other folds of test.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math

import numpy as np

from repbench.datasets.probe import RULES, Probe
from repbench.embeddings.embedded import Embeddings, TestSplit
from repbench.measure import blind, intervals, pairs
from repbench.measure.geometry import unit_rows
from repbench.protocol import Estimate, Outcome

OWN_TEXT = "typical for its own text tower"
TRUE = {"two-true-captions": 2}  # rule -> how many captions are true of an image, where it is not one for each image


def true_captions(rule: str, captions: tuple[str, ...]) -> tuple[str, ...]:
    """Of the columns of captions those that are true of some image of their example."""
    form = RULES[rule]
    return captions if form.images > 1 else captions[: TRUE.get(rule, 1)]


def beside_blind(found: Outcome, scores: np.ndarray, got: Embeddings, seed: int) -> Outcome:
    """The outcome of `scores` (n, images, captions) with blind rules beside it; `got.test` ends with the captions' columns.

    Further metrics: `blind-best`, `blind-solved` (the share of examples that the best blind rule gets right without luck),
    `score-where-blind-fails`, and `shuffled-images`, which should be chance: each example with the images of another one.
    """
    probe, test = got.probe, got.test[0]
    assert probe is not None
    metrics = {"shuffled-images": _shuffled(scores, got, probe, seed)}
    columns = [name for name in (f"caption_{k}" for k in range(scores.shape[2])) if name in test.columns]
    diagnostics = {}
    if len(columns) == scores.shape[2] > 1:
        verdict = _verdict(columns, scores.shape[1], found, got, probe, seed)
        best = verdict.best
        low, high = verdict.interval[best]
        metrics["blind-best"] = Estimate(value=verdict.score[best], low=low, high=high)
        metrics |= _apart(verdict.solved, found, test, seed)
        diagnostics["blind"] = {
            "best": best,
            "hackable": verdict.hackable,
            "rules": dict(verdict.score),
            "same_words": float(blind.same_words(_texts(test, columns)).mean()),
        }
    return dataclasses.replace(found, metrics={**found.metrics, **metrics}, diagnostics={**found.diagnostics, **diagnostics})


def _verdict(columns: list[str], images: int, found: Outcome, got: Embeddings, probe: Probe, seed: int) -> blind.Verdict:
    test = got.test[0]
    captions, true = _texts(test, columns), true_captions(probe.rule, tuple(columns))
    rules = blind.length_scores(captions)
    if got.tuning:
        fitted_on = [str(text) for split, name in zip(got.tuning, true, strict=True) for text in split.columns[name]]
        rules |= blind.likelihood_scores(captions, fitted_on)
        embedded = np.stack([split.x for split in got.test[-len(columns) :]], axis=1)
        rules[OWN_TEXT] = blind.typicality(embedded, np.concatenate([split.x for split in got.tuning]))
    else:
        groups = test.ids if test.clusters is None else test.clusters
        rules |= blind.cross_fitted(captions, _texts(test, true), groups, seed)
    candidates = test.columns[probe.candidates].astype(np.int64) if probe.candidates else None
    weight = found.examples["weight"].to_numpy(dtype=np.float64)
    return blind.verdict(rules, probe.rule, images, candidates, weight)


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


def _shuffled(scores: np.ndarray, got: Embeddings, probe: Probe, seed: int) -> Estimate:
    """The primary credit when every example has the images of the next one, in an order by lot."""
    images, captions = scores.shape[1:]
    following = another(got.test[0].ids, seed)
    x = [unit_rows(split.x) for split in got.test[: images + captions]]
    mixed = np.stack(
        [np.stack([np.einsum("nd,nd->n", i[following], c) for c in x[images:]], axis=1) for i in x[:images]], axis=1
    )
    test = got.test[0]
    candidates = test.columns[probe.candidates].astype(np.int64) if probe.candidates else None
    judged = pairs.judge(probe.rule, mixed, candidates)
    credit = judged.credits[judged.primary]
    value = math.fsum(credit) / len(credit)
    low, high = intervals.proportion(credit, seed, groups=test.clusters)
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def another(ids: np.ndarray, seed: int) -> np.ndarray:
    """For each example the place of another one, int (n,): the next in an order by lot that hangs on ids and seed alone."""
    lots = [hashlib.blake2b(f"{seed}|{one}".encode(), digest_size=8).digest() for one in ids]
    order = np.array(sorted(range(len(lots)), key=lots.__getitem__))
    following = np.empty_like(order)
    following[order] = np.roll(order, 1)
    return following


def _texts(split: TestSplit, columns: list[str] | tuple[str, ...]) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in zip(*(split.columns[name] for name in columns), strict=True)]
