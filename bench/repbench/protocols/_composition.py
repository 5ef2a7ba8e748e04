"""What the compositional protocols share: from a probe's score tensor to an outcome, by its rule and by subset."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.probe import RULES, Probe
from repbench.embeddings.embedded import TestSplit, TuningSplit
from repbench.errors import ProtocolError
from repbench.measure import intervals, pairs
from repbench.outcomes import table
from repbench.protocol import Estimate, Outcome

if TYPE_CHECKING:
    from pandas import DataFrame

MACRO = "mean-of-subsets"
CANDIDATES = "candidates"  # column of the examples: how many captions of each were judged, where that differs
MOST_SUBSETS = 24  # each of up to so many is a metric of its own; more are found by grouping the examples


def no_probe(dataset: DatasetDeclaration) -> str:
    """Why a dataset is no probe; "" where it is one."""
    return "" if dataset.probe is not None else f"{dataset.name} is no compositional probe: it declares no [probe]."


def all_pairs(dataset: DatasetDeclaration) -> tuple[tuple[str, str], ...]:
    """Every image with every caption of an example, by their columns: the captions of the first image first."""
    assert dataset.probe is not None
    captions = dataset.probe.captions_of(dataset.columns)
    return tuple((image, caption) for image in dataset.probe.images_of(dataset.columns) for caption in captions)


def tensor(x: np.ndarray, rule: str, further: int = 0) -> np.ndarray:
    """Scores float64 (n, images, captions) of pair scores (n, pairs), in the order of `all_pairs`.

    After them may come the captions beside `further` images, which are left out here.
    """
    form = RULES[rule]
    pairs_of_image = form.captions or x.shape[1] // (form.images + further)
    images = form.images or x.shape[1] // pairs_of_image - further
    if (images + further) * pairs_of_image != x.shape[1]:
        raise ProtocolError(f"{x.shape[1]} scores an example do not fit the rule {rule}.")
    return x[:, : images * pairs_of_image].reshape(len(x), images, pairs_of_image).astype(np.float64)


def primary_value(scores: np.ndarray, split: TuningSplit | TestSplit, probe: Probe) -> float:
    """The primary metric of scores (n, images, captions) alone, to choose by."""
    judged = _judged(scores, split, probe)
    return math.fsum(judged.credits[judged.primary] * _weights(_subset(split, probe), probe))


def outcome(scores: np.ndarray, test: TestSplit, probe: Probe, seed: int, diagnostics: Mapping[str, Any]) -> Outcome:
    """Outcome of scores (n, images, captions) on `test`, whose columns say subset, sets and number of candidates.

    Raises ProtocolError where the scores cannot be judged.
    """
    judged, subset = _judged(scores, test, probe), _subset(test, probe)
    weight = _weights(subset, probe)
    primary, credit = judged.primary, judged.credits[judged.primary]
    metrics = _metrics(judged, test, probe, subset, seed)
    chance = math.fsum(judged.chance[primary]) / len(credit)
    if probe.macro:
        counted = weight > 0
        interval = intervals.mean_per_class(
            credit[counted], subset[counted], seed, groups=None if test.clusters is None else test.clusters[counted]
        )
        metrics[MACRO] = _estimate(math.fsum(credit * weight), interval)
        chance = math.fsum(judged.chance[primary] * weight)
    return Outcome(
        primary=MACRO if probe.macro else primary,
        metrics=metrics,
        examples=_examples(scores, judged, test, probe, subset, weight, seed),
        chance=chance,
        chances={name: math.fsum(one) / len(one) for name, one in judged.chance.items()},
        diagnostics={
            "rule": probe.rule,
            "tie_rate": float(judged.tied.mean()),
            **({"together": dict(probe.together)} if probe.together else {}),
            **({"subsets_left_out": sorted(set(subset[weight == 0].tolist()))} if (weight == 0).any() else {}),
            **diagnostics,
        },
    )


def _judged(scores: np.ndarray, split: TuningSplit | TestSplit, probe: Probe) -> pairs.Judged:
    return pairs.judge(probe.rule, scores, candidates_of(split, probe))


def candidates_of(split: TuningSplit | TestSplit, probe: Probe) -> np.ndarray | None:
    """How many captions each example has, int64 (n,); None where all have as many."""
    return split.columns[probe.candidates].astype(np.int64) if probe.candidates else None


def _subset(split: TuningSplit | TestSplit, probe: Probe) -> np.ndarray:
    return split.columns[probe.subset].astype(str) if probe.subset else np.full(len(split), "")


def _weights(subset: np.ndarray, probe: Probe) -> np.ndarray:
    """What the credit of each example counts in the primary metric (n,): they add up to one."""
    if not probe.macro:
        return np.full(len(subset), 1.0 / len(subset))
    names, place, sizes = np.unique(subset, return_inverse=True, return_counts=True)
    large = (sizes >= probe.least) & ~np.isin(names, probe.excluded)
    large = large if large.any() else np.ones(len(sizes), bool)  # of a quick look at few examples
    weights: np.ndarray = np.where(large, 1.0 / sizes / large.sum(), 0.0)[place]
    return weights


def _metrics(judged: pairs.Judged, test: TestSplit, probe: Probe, subset: np.ndarray, seed: int) -> dict[str, Estimate]:
    found = {name: _mean(credit, test.clusters, seed) for name, credit in judged.credits.items()}
    credit = judged.credits[judged.primary]
    for name, column in probe.together.items():
        groups = test.columns[column].astype(str)
        joint = pairs.jointly(credit, groups)
        found[name] = _mean(joint, _cluster_of(groups, test.clusters), seed)
    kinds = np.unique(subset)
    if probe.subset and len(kinds) <= MOST_SUBSETS:
        for kind in kinds.tolist():
            own = subset == kind
            clusters = None if test.clusters is None else test.clusters[own]
            found[f"{judged.primary}:{kind}"] = _mean(credit[own], clusters, seed)
    return found


def _cluster_of(groups: np.ndarray, clusters: np.ndarray | None) -> np.ndarray | None:
    """The cluster of the first example of each group, in order of the groups' values."""
    return None if clusters is None else clusters[np.unique(groups, return_index=True)[1]]


def _mean(credit: np.ndarray, clusters: np.ndarray | None, seed: int) -> Estimate:
    return _estimate(math.fsum(credit) / len(credit), intervals.proportion(credit, seed, groups=clusters))


def _estimate(value: float, interval: tuple[float, float]) -> Estimate:
    return Estimate(value=value, low=min(interval[0], value), high=max(interval[1], value))  # rounding may part them by an ulp


def _examples(
    scores: np.ndarray,
    judged: pairs.Judged,
    test: TestSplit,
    probe: Probe,
    subset: np.ndarray,
    weight: np.ndarray,
    seed: int,
) -> DataFrame:
    """One row an example: its subset, what it earned by every metric, the score of every pair, and its weight."""
    own = judged.credits[judged.primary]
    candidates = candidates_of(test, probe)
    return table(
        {
            "id": test.ids,
            **({} if candidates is None else {CANDIDATES: candidates}),
            **({"subset": subset} if probe.subset else {}),
            **{column: test.columns[column].astype(str) for column in probe.together.values()},
            **_chosen(scores, test, probe, seed),
            "score": own,
            "weight": weight,
            "tied": judged.tied,
            **{name: credit for name, credit in judged.credits.items() if name != judged.primary},
            **{f"image_{i} caption_{c}": scores[:, i, c] for i in range(scores.shape[1]) for c in range(scores.shape[2])},
            **({} if test.clusters is None else {"cluster": test.clusters}),
        }
    )


def _chosen(scores: np.ndarray, test: TestSplit, probe: Probe, seed: int) -> dict[str, np.ndarray]:
    """For a choice among captions or images: the truth and what was chosen, of tied ones the first in an order by lot.

    The order is drawn for each example from its id and the seed, so that no place among the candidates is favoured.
    """
    flat = {"one-image-many-captions": scores[:, 0], "many-images-one-caption": scores[:, :, 0]}.get(probe.rule)
    if flat is None:
        return {}
    among = pairs.best(flat, candidates_of(test, probe))
    order = candidate_order(test.ids, flat.shape[1], seed)
    first = np.take_along_axis(among, order, axis=1).argmax(axis=1)
    place = np.take_along_axis(order, first[:, None], axis=1)[:, 0]
    stem = "caption" if probe.rule == "one-image-many-captions" else "image"
    names = np.array([f"{stem}_{k}" for k in range(flat.shape[1])], dtype=object)
    return {"truth": names[np.zeros(len(place), int)], "prediction": names[place]}


def candidate_order(ids: np.ndarray, count: int, seed: int) -> np.ndarray:
    """A permutation of `count` candidates for each example, int (n, count), from its id and the seed alone."""
    lots = np.array(
        [
            [int.from_bytes(hashlib.blake2b(f"{seed}|{one}|{k}".encode(), digest_size=7).digest(), "big") for k in range(count)]
            for one in ids
        ],
        dtype=np.int64,
    )
    return lots.argsort(axis=1, kind="stable")


def check_aligned(splits: tuple[TestSplit, ...]) -> None:
    """Raise ProtocolError unless the columns of a probe have the same examples in one order."""
    if any(not np.array_equal(split.ids, splits[0].ids) for split in splits[1:]):
        raise ProtocolError("the columns of the probe have different examples: they cannot be put side by side.")
