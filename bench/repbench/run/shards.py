"""Shards: a run divided among processes that know nothing of each other, by the command alone.

What is dealt are the tasks of one encoder on one dataset, for they share embeddings. The largest go first, each to the shard
that has least; one that is more than a fair share has helpers, who embed what the others are not embedding at that moment.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from repbench.errors import UsageError
from repbench.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Part `number` of `of`, from 1: the 2 and the 8 of --shard 2/8."""

    number: int = 1
    of: int = 1


WHOLE_RUN = Shard()


@dataclass(frozen=True, kw_only=True)
class Group:
    """The tasks of one encoder, by its place in the command, on one dataset. `items` is how much there is to embed, about."""

    encoder: int
    dataset: str
    items: int


@dataclass(frozen=True, kw_only=True)
class Hand:
    """What a shard is dealt: groups whose tasks it does, and groups of others that it helps to embed."""

    own: tuple[Group, ...]
    helps: tuple[Group, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a shard does with one encoder, by its place in the command: its own tasks, and those of others to embed for."""

    encoder: int
    own: tuple[Task, ...]
    helps: tuple[Task, ...]


def parse_shard(text: str) -> Shard:
    """The shard of "2/8". Raises UsageError."""
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise UsageError(f"--shard is {text!r}; expected I/N with I from 1 to N: --shard 2/8 is the second of eight.")
    return Shard(number=int(found[1]), of=int(found[2]))


def groups_of(encoders: int, tasks: Sequence[Task], limit: int | None) -> list[Group]:
    """The groups of a command, in order. Sizes come from the declarations, so that nothing has to be opened."""
    sizes: dict[str, int] = {}
    for task in tasks:
        counts = task.dataset.splits.values()
        sizes[task.dataset.name] = max(1, sum(min(count, limit) if limit else count for count in counts))
    return [Group(encoder=place, dataset=name, items=size) for place in range(encoders) for name, size in sizes.items()]


def deal(groups: Sequence[Group], shard: Shard) -> Hand:
    """What of `groups` falls to `shard`. Every group has exactly one owner among the shards; equal arguments, equal hands."""
    fair = sum(group.items for group in groups) / shard.of
    load = [0.0] * shard.of
    own, helps = [], []
    for group in sorted(groups, key=lambda group: (-group.items, group.encoder, group.dataset)):
        hands = min(shard.of, ceil(group.items / fair))
        least = sorted(range(shard.of), key=lambda place: (load[place], place))[:hands]
        for place in least:
            load[place] += group.items / hands
        if shard.number - 1 == least[0]:
            own.append(group)
        elif shard.number - 1 in least:
            helps.append(group)
    return Hand(own=tuple(own), helps=tuple(helps))


def parts_of(encoders: int, tasks: Sequence[Task], limit: int | None, shard: Shard) -> list[Part]:
    """What of each encoder falls to the shard, in order; encoders of which nothing does are left out."""
    hand = deal(groups_of(encoders, tasks, limit), shard)
    found = []
    for place in range(encoders):
        own, helps = (
            tuple(task for task in tasks if any(one.encoder == place and one.dataset == task.dataset.name for one in groups))
            for groups in (hand.own, hand.helps)
        )
        if own or helps:
            found.append(Part(encoder=place, own=own, helps=helps))
    return found
