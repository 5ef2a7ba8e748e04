"""The compositional probes, judged by a captioner's likelihood without its prior over texts (VisualGPTScore, Lin et al. 2024).

A pair scores log p(text | image) - alpha log p(text), with log p(text) the logarithm of the mean likelihood beside images of
noise. Alpha 0 is the raw likelihood, which is won by whoever writes likelier foils; alpha 1 is pointwise mutual information.
It is chosen on held-out pairs only, the smallest of those that score equally; where a probe has none, alpha is 0 and the
metrics at 1 stand beside. Log p(text) cancels where images are chosen: alpha moves no image score.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import HELD_OUT, REST, DatasetDeclaration
from repbench.datasets.probe import Probe
from repbench.embeddings.embedded import Embeddings, TuningSplit
from repbench.embeddings.needs import NULL_IMAGES, AnyNeed, PairScores
from repbench.errors import ProtocolError
from repbench.outcomes import check_split
from repbench.protocol import Outcome
from repbench.protocols._blind import OWN_PRIOR, beside_blind, text_judges, true_captions
from repbench.protocols._composition import all_pairs, no_probe, outcome, primary_value, tensor

ALPHAS = tuple(step / 20 for step in range(21))


@dataclass(frozen=True, kw_only=True)
class CompositionalLM:
    """`alphas`: what the weight of the prior is chosen from."""

    alphas: tuple[float, ...] = ALPHAS
    version: ClassVar[int] = 4
    joins: ClassVar[str] = "compositional"

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: the dataset declares no probe."""
        return no_probe(dataset)

    def needs(self, dataset: DatasetDeclaration) -> tuple[AnyNeed, ...]:
        """Scores of all pairs, and of captions beside noise: of held-out examples to choose alpha, and of the others; and what
        judges of text make of the captions of the others.
        """
        assert dataset.probe is not None
        captions = dataset.probe.captions_of(dataset.columns)
        pairs = (*all_pairs(dataset), *((image, caption) for image in NULL_IMAGES for caption in captions))
        tuning = dataset.probe.tuning or (HELD_OUT if dataset.probe.held_out else "")
        report = REST if dataset.probe.held_out else "test"
        held = (PairScores(dataset=dataset.name, split=tuning, scorer="lm", pairs=pairs),) if tuning else ()
        reported = PairScores(dataset=dataset.name, split=report, scorer="lm", pairs=pairs, tuning=False)
        return (*held, reported, *text_judges(dataset, report))

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for scores not finite, or that do not fit the rule."""
        if got.probe is None:
            raise ProtocolError("the dataset declares no [probe]: there is no rule to judge by.")
        (test,) = got.test
        check_split(test, "test")
        alpha = self._chosen(got.tuning[0], got.probe) if got.tuning else 0.0
        given, prior = likelihoods(test.x, got.probe.rule)
        at = {one: outcome(debiased(given, prior, one), test, got.probe, seed, {}) for one in dict.fromkeys((alpha, 0.0, 1.0))}
        found = beside_blind(at[alpha], given, got, seed, fitted_on=_true_texts(got), own={OWN_PRIOR: prior})
        beside = {f"{found.primary} at alpha {one:g}": at[one].metrics[found.primary] for one in (0.0, 1.0)}
        where = f"{len(got.tuning[0])} held-out examples" if got.tuning else "nothing: the probe has no held-out pairs"
        return replace(
            found,
            metrics={**found.metrics, **beside},
            diagnostics={**found.diagnostics, "alpha": alpha, "alpha_chosen_on": where},
        )

    def _chosen(self, tuning: TuningSplit, probe: Probe) -> float:
        check_split(tuning, "held-out")
        given, prior = likelihoods(tuning.x, probe.rule)
        values = [primary_value(debiased(given, prior, alpha), tuning, probe) for alpha in self.alphas]
        best = max(round(value, 12) for value in values)
        return min(alpha for alpha, value in zip(self.alphas, values, strict=True) if round(value, 12) == best)


def _true_texts(got: Embeddings) -> list[str]:
    """The true captions of the split to tune on, for language models; none where the held-out examples are of test."""
    assert got.probe is not None
    if not (got.probe.tuning and got.tuning):
        return []
    columns = got.tuning[0].columns
    captions = tuple(name for name in (f"caption_{k}" for k in range(len(columns))) if name in columns)
    return [str(text) for name in true_captions(got.probe.rule, captions) for text in columns[name]]


def likelihoods(x: np.ndarray, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """log p(text | image), float64 (n, images, captions), and log p(text), (n, captions), of pair scores (n, pairs)."""
    given = tensor(x, rule, further=len(NULL_IMAGES))
    noise = x[:, given[0].size :].reshape(len(x), len(NULL_IMAGES), given.shape[2]).astype(np.float64)
    most = noise.max(axis=1)
    return given, most + np.log(np.exp(noise - most[:, None]).mean(axis=1))


def debiased(given: np.ndarray, prior: np.ndarray, alpha: float) -> np.ndarray:
    """Scores (n, images, captions)."""
    scores: np.ndarray = given - alpha * prior[:, None, :]
    return scores
