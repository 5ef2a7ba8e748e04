"""A protocol of your own: repbench run ENCODER --plugin my_protocol.py --tasks 'my-protocol/*'

Nearest class mean: each test item takes the class whose mean training embedding is nearest. The file's name names it.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from repbench.embeddings.needs import Need
from repbench.outcomes import classification_outcome


@dataclass(frozen=True, kw_only=True)
class NearestMean:
    version: ClassVar[int] = 1  # raise it when the same embeddings would give another number

    def fits(self, dataset):
        return ""  # or, in words, why it cannot be asked of this dataset

    def needs(self, dataset):
        what = {"dataset": dataset.name, "column": dataset.medium}
        return Need(split="train", tuning=True, **what), Need(split="test", tuning=False, **what)

    def score(self, got, seed):
        (train,), (test,) = got.tuning, got.test
        means = np.stack([train.x[train.label == place].mean(axis=0) for place in range(len(train.class_names))])
        return classification_outcome(2 * test.x @ means.T - (means**2).sum(axis=1), test, got.metric, seed)
