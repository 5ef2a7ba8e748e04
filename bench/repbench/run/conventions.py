"""Which conventions a number follows, in words, for the record: what published tables differ in and seldom say."""

from __future__ import annotations

from repbench.datasets.declaration import DatasetDeclaration
from repbench.datasets.deviations import UNKNOWN
from repbench.embeddings.needs import TrainableModel
from repbench.encoder import Encoder
from repbench.encoders.published import OTHERWISE, PREPARATIONS
from repbench.results.record import OWN_SPLIT
from repbench.run.plan import Job

PUBLISHED = "transfer"  # the family of datasets that have a published protocol
RULES = {
    "ignored": "a class with only difficult objects is a negative in fitting, and not judged in choosing and testing (VISSL)",
    "negative": "a class with only difficult objects is a negative (Ericsson et al. 2021)",
    "positive": "a class with only difficult objects is a positive (CLIP_benchmark)",
}
SHOWN = 3


def conventions(job: Job, encoder: Encoder) -> dict[str, str]:
    """By subject, what was done where others do otherwise; empty where there is nothing to say."""
    if job.dataset is None:
        return {}
    declaration = job.dataset.declaration
    found = {"shared items": _shared(job), "size": _size(job)}
    if declaration.is_multilabel:
        # A copy that does not know them cannot follow the rule, and says so among its deviations.
        unknown = next((told for told in job.dataset.deviations if "difficult objects" in told), "")
        found["difficult objects"] = f"not known in this copy: {unknown}" if unknown else RULES[declaration.difficult]
    if declaration.family == PUBLISHED:
        found["preprocessing"] = _preprocessing(job, encoder)
        found["validation"] = _validation(job, declaration)
    return {subject: words for subject, words in found.items() if words}


def _preprocessing(job: Job, encoder: Encoder) -> str:
    """How images were prepared, beside what is published of this protocol; empty where nothing is."""
    from repbench.encoders.preprocess import ImagePreprocess
    from repbench.trainers.fine_tuning import centred

    published = PREPARATIONS.get(job.task.protocol_name)
    image = encoder.towers.get("image")
    trained = any(isinstance(need, TrainableModel) for need in job.task.needs)
    used = {work.address.tower for _, work in job.works}
    if published is None or image is None or not (trained or image.fingerprint in used):
        return ""
    if not isinstance(image.prepare, ImagePreprocess):
        return f"the encoder's own; whether it is the published one ({published.words}; {published.source}) is not known"
    prepare = centred(image.prepare) if trained else image.prepare
    if prepare.words.startswith(f"{published.words},"):
        return f"as published ({published.source}): {published.words}, by PIL; own mean and std"
    change = f"which the options {published.options} of the encoder give"
    return f"{OTHERWISE} ({published.words}; {published.source}), {change}; by PIL"


def _validation(job: Job, declaration: DatasetDeclaration) -> str:
    """Which images were held out to choose on; empty for a protocol that chooses nothing on them."""
    if not any(need.tuning and need.splits == ("val",) for need in job.task.needs):
        return ""
    rule = declaration.validation
    if rule is None:
        return OWN_SPLIT if "val" in declaration.splits else ""
    share = f"{rule.per_class} a class" if rule.per_class else f"{rule.share:.0%} of each class"
    carved = f"; {job.dataset.carved}" if job.dataset is not None and job.dataset.carved else ""
    return f"{share} of train, by a fixed seed: other papers hold out other images{carved}"


def _size(job: Job) -> str:
    """Of splits whose size no source states: how many examples were read, which nothing could be held against."""
    assert job.dataset is not None
    asked = {name for need in job.task.needs for name in need.splits}
    declared = job.dataset.declaration.splits
    open_ones = {name: len(job.dataset.splits[name]) for name in declared if name in asked and declared[name] == UNKNOWN}
    read = ", ".join(f"{count} examples of {name}" for name, count in open_ones.items())
    return (
        f"no source states the size of this dataset, so a copy that lacks some is not noticed: {read} were read" if read else ""
    )


def _shared(job: Job) -> str:
    """Test items that are also among those that are fitted on, by content: the splits of a sound copy are disjoint.

    A split that a protocol asks for twice, to fit on and to report on, is one that it divides by itself.
    """
    assert job.dataset is not None
    tuned: set[str] = set()
    reported: dict[str, str] = {}
    fitted = {name for need, _ in job.works if need.tuning for name in need.splits}
    for need, _ in job.works:
        for name in need.splits:
            if not need.tuning and name in fitted:
                continue
            split = job.dataset.splits[name]
            keys = split.media[need.column].keys
            if need.tuning:
                tuned.update(keys)
            else:
                reported |= dict(zip(keys, split.ids.astype(str).tolist(), strict=True))
    common = sorted(name for key, name in reported.items() if key in tuned)
    if not common:
        return ""
    shown = ", ".join(common[:SHOWN]) + (", …" if len(common) > SHOWN else "")
    return f"{len(common)} items of test are also in what is fitted on ({shown})"
