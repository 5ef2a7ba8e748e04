"""The blind audit of a caption probe, in nine steps: can its true captions be told from its negatives without the images?

Each step gives rules with their scores, or says why it was not taken. A probe is called hackable when the best rule lies surely
more than .05 above chance, by an interval that holds for all rules together.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from repbench import grammar
from repbench.audit_looking import Looked, looked
from repbench.datasets.caption_files import CHOICE, CaptionProbe
from repbench.embeddings.needs import GRAMMAR, SENTENCES, TYPICAL
from repbench.embeddings.text_judges import ONE_CLUSTER
from repbench.encoders.load import load_encoder
from repbench.errors import RepbenchError
from repbench.measure import blind
from repbench.measure.text_classifier import classifier_scores

NO_GRAMMAR = f"no grammar checker was asked: {grammar.MISSING}"
NOT_PART = "models trained to judge plausibility (Vera, classifiers on CoLA) are no part of repbench, and were not asked"
SHOWN = 5  # hackable negatives in the readable report
BATCH = 64  # captions embedded at a time


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: the names of its rules, or a finding in words, or why it was not taken."""

    name: str
    rules: tuple[str, ...] = ()
    said: str = ""
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Audit:
    """A probe, the verdict of all rules on it, and the nine steps."""

    probe: CaptionProbe
    verdict: blind.Verdict
    steps: tuple[Step, ...]

    @property
    def hackable_ids(self) -> list[str]:
        """The examples that the best rule solves, where the probe is hackable: the negatives to mend."""
        ids = np.array(self.probe.ids, dtype=object)
        return list(ids[self.verdict.solved]) if self.verdict.hackable else []


def audit_probe(probe: CaptionProbe, encoder: str = SENTENCES, seed: int = 0) -> Audit:
    """Take the nine steps. `encoder` names the text tower that judges how typical a caption is ("": none does)."""
    padded = _padded(probe.captions)
    true = [
        example if probe.images > 1 else example[: 2 if probe.rule == "two-true-captions" else 1] for example in probe.captions
    ]
    length = _masked(blind.length_scores(padded), probe)
    classified = classifier_scores(probe.captions, probe.groups, seed) if probe.rule == CHOICE else {}
    likely = _masked(blind.cross_fitted(padded, true, probe.groups, seed), probe)
    typical, why = _typical(probe, padded, true, encoder)
    parsed, no_grammar = _grammar(padded)
    why = "; ".join(word for word in (why, no_grammar) if word)
    typical |= parsed
    scores = {**length, **classified, **likely, **_masked(typical, probe)}
    verdict = blind.verdict(scores, probe.rule, probe.images, probe.candidates, groups=probe.groups)
    steps = _steps(probe, verdict, length, classified, likely, typical, why, looked(probe, encoder, seed))
    return Audit(probe=probe, verdict=verdict, steps=steps)


def _steps(
    probe: CaptionProbe,
    verdict: blind.Verdict,
    length: dict[str, np.ndarray],
    classified: dict[str, np.ndarray],
    likely: dict[str, np.ndarray],
    typical: dict[str, np.ndarray],
    why: str,
    seen: tuple[Looked, Looked],
) -> tuple[Step, ...]:
    same = float(blind.same_words(probe.captions).mean())
    first = "the true caption stands first in the file" if probe.images == 1 else "captions and images stand in pairs"
    best, (low, high) = verdict.best, verdict.interval[verdict.best]
    no_labels = "" if classified else "not taken: no caption is false of every image, or all examples share one image"
    (shuffled, of_shuffled), (alone, of_alone) = seen
    return (
        Step(name="length", rules=tuple(length)),
        Step(name="classifier of true against false, cross-fitted by image", rules=tuple(classified), said=no_labels),
        Step(
            name="language model of true captions, cross-fitted by image",
            rules=tuple(likely),
            said="" if likely else "not taken: all examples share one image",
        ),
        Step(name="plausibility and grammar", rules=tuple(typical), said=f"{why}; {NOT_PART}" if why else NOT_PART),
        Step(name="caption alone, by the model with images shuffled", said=shuffled, values=of_shuffled),
        Step(name="image alone", said=alone, values=of_alone),
        Step(
            name="position",
            said=f"{first}: taking the first of equal scores gives a constant model 100 %; repbench gives it chance",
        ),
        Step(
            name="bag of words",
            said=f"{same:.1%} of the examples have captions of the same words: only these ask for word order",
            values={"same_words": same},
        ),
        Step(
            name="verdict",
            said=f"best blind rule {best}: {verdict.score[best]:.1%} [{low:.1%}, {high:.1%}], chance {verdict.chance:.1%}: "
            + ("HACKABLE" if verdict.hackable else "not hackable by these rules"),
        ),
    )


def audit_lines(audit: Audit) -> list[str]:
    """The report for people."""
    probe, verdict = audit.probe, audit.verdict
    kinds = {len(example) for example in probe.captions}
    shown = f"{min(kinds)} to {max(kinds)}" if len(kinds) > 1 else str(min(kinds))
    lines = [f"{probe.name}: {len(probe)} examples of {shown} captions, {len(set(probe.groups))} images, rule {probe.rule}"]
    for number, step in enumerate(audit.steps, 1):
        lines.append(f"  {number} {step.name}{f': {step.said}' if step.said else ''}")
        for rule in step.rules:
            low, high = verdict.interval[rule]
            leaks = "  leaks" if low > verdict.chance + blind.MARGIN else ""
            lines.append(f"      {rule:<28} {verdict.score[rule]:7.1%}  [{low:.1%}, {high:.1%}]{leaks}")
    if hackable := audit.hackable_ids:
        lines.append(f"  hackable negatives: {len(hackable)} of {len(probe)}, for example")
        for identifier in hackable[:SHOWN]:
            true, *others = probe.captions[probe.ids.index(identifier)]
            lines.append(f"      {identifier}: {true!r} against {', '.join(map(repr, others))}")
    return lines


def audit_json(audit: Audit) -> dict[str, Any]:
    """The report for programs."""
    verdict = audit.verdict
    rules = {
        rule: {"score": score, "low": verdict.interval[rule][0], "high": verdict.interval[rule][1]}
        for rule, score in verdict.score.items()
    }
    return {
        "probe": audit.probe.name,
        "rule": audit.probe.rule,
        "examples": len(audit.probe),
        "images": len(set(audit.probe.groups)),
        "chance": verdict.chance,
        "best": verdict.best,
        "hackable": verdict.hackable,
        "rules": rules,
        "steps": [{"step": step.name, "rules": step.rules, "said": step.said, **step.values} for step in audit.steps],
        "hackable_examples": audit.hackable_ids,
    }


def _typical(
    probe: CaptionProbe, padded: Sequence[Sequence[str]], true: Sequence[Sequence[str]], encoder: str
) -> tuple[dict[str, np.ndarray], str]:
    """Mean cosine (n, k) of each caption with the true captions of other images, by a text tower; or {} and why not."""
    if not encoder:
        return {}, "not taken: no encoder was given"
    try:
        x = _embedded(sorted({text for example in padded for text in example}), encoder)
    except RepbenchError as error:
        return {}, f"not taken: {error}"
    columns = [np.array([x[text] for text in column]) for column in zip(*padded, strict=True)]
    is_true = np.arange(len(columns)) < np.array([len(one) for one in true])[:, None]
    found = blind.typicality_apart(columns, is_true, probe.groups)
    name = TYPICAL if encoder == SENTENCES else f"typical for {encoder}"
    return ({name: found}, "") if found is not None else ({}, f"not taken: {ONE_CLUSTER}")


def _grammar(padded: Sequence[Sequence[str]]) -> tuple[dict[str, np.ndarray], str]:
    """How grammatical (n, k) each caption is, by Link Grammar; or {} and why not."""
    if not grammar.is_here():
        return {}, NO_GRAMMAR
    try:
        found = grammar.grammar_scores([text for example in padded for text in example])
    except (OSError, subprocess.SubprocessError) as error:
        return {}, f"grammar was not judged: {error}"
    return {GRAMMAR: np.array([[found[text] for text in example] for example in padded])}, ""


def _embedded(texts: list[str], encoder: str) -> dict[str, np.ndarray]:
    import torch

    loaded = load_encoder(encoder)
    if "text" not in loaded.towers:
        raise RepbenchError(f"{encoder} has no tower for text.")
    tower = loaded.towers["text"]
    found: dict[str, np.ndarray] = {}
    with torch.inference_mode():
        for first in range(0, len(texts), BATCH):
            batch = texts[first : first + BATCH]
            rows = tower.module(torch.stack([tower.prepare(text) for text in batch])).float().numpy()
            found |= dict(zip(batch, rows, strict=True))
    return found


def _padded(captions: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    width = max(map(len, captions))
    return [(*example, *[""] * (width - len(example))) for example in captions]


def _masked(scores: dict[str, np.ndarray], probe: CaptionProbe) -> dict[str, np.ndarray]:
    """Scores in which captions that an example lacks have the least score of all: they are never judged."""
    if probe.candidates is None:
        return scores
    there = np.arange(max(map(len, probe.captions))) < probe.candidates[:, None]
    return {name: np.where(there, values, values.min()) for name, values in scores.items()}
