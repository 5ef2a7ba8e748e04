"""Do the probabilities of zero-shot classification mean what they say? Before and after a temperature, fitted on validation.

Logits are what the model itself makes of the cosine to the class embeddings, exp(logit_scale) x cosine + logit_bias (CLIP,
Radford et al. 2021, 2.3; SigLIP, Zhai et al. 2023, 3.2); of a model that says nothing 100 x cosine, the cap of CLIP's scale.
The record tells which. The primary metric is the Brier score after scaling, as in `calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.embeddings.embedded import Embeddings
from repbench.embeddings.needs import Need
from repbench.encoder import Logit
from repbench.measure.geometry import unit_rows
from repbench.outcomes import check_split, single_label
from repbench.protocol import Outcome
from repbench.protocols._uncertainty import uncertainty_outcome
from repbench.protocols.zero_shot import SCALE, ZeroShot, check, class_embeddings


@dataclass(frozen=True, kw_only=True)
class ZeroShotCalibration:
    """No options."""

    version: ClassVar[int] = 1
    reads_logit: ClassVar[bool] = True

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: zero-shot does not fit, or there is no validation split."""
        if "val" not in dataset.split_names:
            return f"{dataset.name} has no split 'val' to fit a temperature on."
        return ZeroShot().fits(dataset) or single_label(dataset, "a reliability diagram")

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """Those of zero-shot, and validation as images."""
        prompts, test = ZeroShot().needs(dataset)
        return prompts, Need(dataset=dataset.name, split="val", column=dataset.medium), test

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split, a class without prompts, unequal widths, or values not finite."""
        (prompts, val), (test,) = got.tuning, got.test
        check(prompts, test)
        check_split(val, "val")
        classes = len(test.class_names)
        heads = class_embeddings(prompts.x, prompts.label, classes).T
        own = got.logit or Logit(scale=SCALE)
        logits, held_out = (own.scale * unit_rows(x) @ heads + own.bias for x in (test.x, val.x))
        whose = "the model's own" if got.logit is not None else "CLIP's cap, for the model states none"
        told = {"logit": f"{own.words}, {whose}"}
        return uncertainty_outcome(logits, test, held_out, val.label, np.full(classes, 1 / classes), seed, told)
