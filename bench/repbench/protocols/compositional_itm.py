"""The compositional probes, judged by an image-text matching head (BLIP's ITM) that looks at image and caption together.

Each distinct pair is judged once; the rules, subsets and ties are those of the protocol compositional.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings
from repbench.embeddings.needs import AnyNeed, PairScores
from repbench.errors import ProtocolError
from repbench.outcomes import check_split
from repbench.protocol import Outcome
from repbench.protocols._blind import beside_blind, text_judges
from repbench.protocols._composition import all_pairs, no_probe, outcome, tensor


@dataclass(frozen=True, kw_only=True)
class CompositionalITM:
    """It has no options: the rule is the probe's."""

    version: ClassVar[int] = 4
    joins: ClassVar[str] = "compositional"

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: the dataset declares no probe."""
        return no_probe(dataset)

    def needs(self, dataset: DatasetDeclaration) -> tuple[AnyNeed, ...]:
        """The scores of every image with every caption of its example, and what judges of text make of them."""
        scores = PairScores(dataset=dataset.name, split="test", scorer="itm", pairs=all_pairs(dataset), tuning=False)
        return (scores, *text_judges(dataset, "test"))

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for scores not finite, or that do not fit the rule."""
        if got.probe is None:
            raise ProtocolError("the dataset declares no [probe]: there is no rule to judge by.")
        (test,) = got.test
        check_split(test, "test")
        scores = tensor(test.x, got.probe.rule)
        return beside_blind(outcome(scores, test, got.probe, seed, {}), scores, got, seed)
