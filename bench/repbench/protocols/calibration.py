"""Do a probe's probabilities mean what they say? Before and after temperature scaling, fitted on validation only.

The primary metric is the Brier score after scaling, a proper score: an encoder that says nothing gives the classes' shares in
train, at the temperature that validation chooses for them, which is well calibrated (its ECE is near 0) and useless: that is
chance. Read the ECE only beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings
from repbench.embeddings.needs import Need
from repbench.outcomes import single_label
from repbench.protocol import Outcome
from repbench.protocols import _probe
from repbench.protocols._uncertainty import uncertainty_outcome

NEVER = 1e9  # below all other logits: a class that could not be learnt has probability 0 at every temperature


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """No options. The probe is the linear probe at five strengths, fitted on train alone."""

    version: ClassVar[int] = 3

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: a split is missing, there is one class only, or examples have several."""
        missing = [split for split in ("train", "val", "test") if split not in dataset.split_names]
        if missing:
            return f"{dataset.name} has no split {' and no split '.join(repr(split) for split in missing)}."
        return (
            single_label(dataset, "a reliability diagram") if dataset.class_count > 1 else f"{dataset.name} has one class only."
        )

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Those of the linear probe."""
        tuning = tuple(Need(dataset=dataset.name, split=split, column=dataset.medium) for split in ("train", "val"))
        return (*tuning, Need(dataset=dataset.name, split="test", column=dataset.medium, tuning=False))

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError as `_probe.fitted`.

        Of a deviating copy that lost a class of train, the temperature is fitted on validation's examples of the others.
        """
        (train, val), (test,) = got.tuning, got.test
        probe = _probe.fitted(got)
        held_out = val.take(probe.present.holds(val.label))
        return uncertainty_outcome(
            probe.scores(test.x, NEVER),
            test,
            probe.scores(held_out.x, NEVER),
            held_out.label,
            np.bincount(train.label, minlength=len(test.class_names)) / len(train),
            seed,
            probe.diagnostics,
        )
