"""The probe of the protocols that ask about a probe's predictions: five strengths, fitted on train, chosen on validation."""

from __future__ import annotations

from repbench.embeddings.embedded import TestSplit, TuningSplit
from repbench.measure import classification, logistic
from repbench.outcomes import check_classes, check_split

STRENGTHS = tuple(10.0**exponent for exponent in range(-1, 4))
GAP = 1e-3  # of the objective: far below what a metric shows


def check(train: TuningSplit, val: TuningSplit, test: TestSplit) -> None:
    """Raise ProtocolError for an empty split, values that are not finite, or a class missing in train."""
    for split, what in ((train, "train"), (val, "val"), (test, "test")):
        check_split(split, what)
    check_classes(test.class_names, train.label, "train")


def few_strengths(train: TuningSplit, val: TuningSplit, classes: int, metric: str, device: str) -> logistic.Solution:
    """The logistic regression on train that is best on validation: validation stays free for what comes after, a temperature.

    Of equal ones the strongest penalty. Labels are int (n,). `device` is that of the embeddings it was called for.
    """
    path = logistic.fit_path(train.x, train.label, classes, STRENGTHS, gap=GAP, device=device)
    scores = [
        classification.value(metric, classification.judge(logits, val.label).credit, val.label) for logits in path.scores(val.x)
    ]
    best = max(range(len(scores)), key=lambda place: (round(scores[place], 12), path[place].strength))
    return path[best]
