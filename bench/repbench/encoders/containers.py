"""Where in a checkpoint the backbone lies: which of its dicts, and behind which prefix of the names.

Nothing is known about any method's format. Every dict of tensors in the file is a container, every leading part of a name is
a prefix, and the pair that fills the most tensors of the network with the right shape wins; among equals the network that its
authors evaluate (teacher before student, query encoder before its momentum copy).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from repbench.errors import EncoderError, UnknownNameError

State = Mapping[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]
DEPTH = 6  # dicts within dicts; VISSL needs four
HEAD = re.compile(
    r"(fc|head|heads|classifier|classifiers|projector|projection_head|predictor|prediction_head|prototypes|queue|mask_token"
    r"|online_classifier|dino_head|ibot_head|bn|lambd|(momentum|decoder|teacher|student|queue)_\w+|encoder_k)(\.|$)"
)
_COPY = re.compile(r"momentum|encoder_k|student|target|(^|[._])ema([._]|$)")  # where the same network lies a second time
_USUAL = ("", "state_dict_ema", "model_ema", "teacher", "state_dict", "model")  # earlier wins among equals


@dataclass(frozen=True, kw_only=True)
class Match:
    """One way of reading a checkpoint: from the tensors of the network to their names in a container."""

    container: str
    prefix: str
    numbered: bool  # the file numbers the parts of the network (nn.Sequential) and does not name them
    names: Mapping[str, str]  # tensor of the network -> name in the container, shapes equal
    wrong_shape: Mapping[str, str]  # the same, shapes different


def find_containers(content: Any, place: str = "", depth: int = DEPTH) -> dict[str, dict[str, Tensor]]:
    """All dicts of tensors in what a file holds, by their dotted place ("" is the file itself)."""
    if isinstance(content, nn.Module):
        content = content.state_dict()
    if not isinstance(content, Mapping) or depth == 0:
        return {}
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    found = {place: tensors} if tensors else {}
    for key, value in content.items():
        if isinstance(key, str) and not isinstance(value, Tensor):
            found |= find_containers(value, f"{place}.{key}" if place else key, depth - 1)
    return found


def best_match(
    network: nn.Module, containers: Mapping[str, State], container: str | None = None, prefix: str | None = None
) -> Match:
    """The container and prefix that fill the most tensors of the network; either can be forced.

    Raises UnknownNameError for a container that is not in the file.
    """
    if container is not None:
        if container not in containers:
            raise UnknownNameError("container", container, containers, "(the dicts of tensors in the checkpoint)")
        containers = {container: containers[container]}
    wanted = backbone_shapes(network)
    forced = None if prefix is None else _with_dot(prefix)
    counts = [
        (count, place, found, numbered)
        for place, state in containers.items()
        for (found, numbered), count in _count_prefixes(state, wanted, network).items()
        if forced is None or found == forced
    ]
    if not counts:
        place = next(iter(containers))
        return Match(container=place, prefix=forced or "", numbered=False, names={}, wrong_shape={})
    _, place, found, numbered = min(counts, key=lambda entry: _rank(*entry))
    return _match(containers[place], wanted, network, place, found, numbered)


def backbone_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """The tensors that make up the backbone, with their shapes; counters of batches are not among them."""
    state = network.state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not name.endswith("num_batches_tracked")}


def surplus(network: nn.Module, state: State, match: Match) -> list[str]:
    """Names behind the prefix, of parts that the network has, for which it has no place: it is smaller than the file's."""
    parts = {name for name, _ in network.named_children()} - {"fc", "head", "heads", "classifier"}
    if match.numbered:
        parts |= {str(number) for number in range(len(list(network.children())))}
    used = {*match.names.values(), *match.wrong_shape.values()}
    names = (name for name in state if name.startswith(match.prefix) and not name.endswith("num_batches_tracked"))
    return [name for name in names if name not in used and name[len(match.prefix) :].partition(".")[0] in parts]


def unexpected(state: State, match: Match) -> list[str]:
    """Names behind the prefix that were not used and belong to no head."""
    used = {*match.names.values(), *match.wrong_shape.values()}
    names = (name for name in state if name.startswith(match.prefix) and not name.endswith("num_batches_tracked"))
    return [name for name in names if name not in used and not HEAD.match(name[len(match.prefix) :])]


def left_out(state: State, match: Match) -> list[str]:
    """Names of the container that are neither used nor unexpected: heads, queues, decoders, other copies of the network."""
    told = {*match.names.values(), *match.wrong_shape.values(), *unexpected(state, match)}
    return [name for name in state if name not in told and not name.endswith("num_batches_tracked")]


def readings(network: nn.Module, containers: Mapping[str, State], most: int = 3) -> list[tuple[int, str, str]]:
    """The best ways to read a checkpoint for this network: how many of its tensors each fills, container, prefix."""
    wanted = backbone_shapes(network)
    counts = [
        (count, place, prefix, numbered)
        for place, state in containers.items()
        for (prefix, numbered), count in _count_prefixes(state, wanted, network).items()
    ]
    return [(count, place, prefix) for count, place, prefix, _ in sorted(counts, key=lambda entry: _rank(*entry))[:most]]


def leading_parts(containers: Mapping[str, State]) -> list[str]:
    """The first parts of names that many tensors of the file share, commonest first: what a prefix could be."""
    counted: Counter[str] = Counter()
    for state in containers.values():
        for name in state:
            parts = name.split(".")
            counted.update(".".join(parts[:length]) + "." for length in range(1, min(len(parts), 4)))
    return [part for part, count in counted.most_common(8) if count > 1]


def check_containers(containers: Mapping[str, State], file: str) -> None:
    """Raise EncoderError when a file holds no tensor under any name."""
    if not containers:
        raise EncoderError(f"{file} holds no named tensors, so no weights of a network; save model.state_dict().")


def _count_prefixes(state: State, wanted: Shapes, network: nn.Module) -> Counter[tuple[str, bool]]:
    counts: Counter[tuple[str, bool]] = Counter()
    numbers = _numbers(network)
    for name, tensor in state.items():
        for prefix, rest in _splits(name):
            if wanted.get(rest) == tuple(tensor.shape):
                counts[prefix, False] += 1
            elif wanted.get(_named(rest, numbers)) == tuple(tensor.shape):
                counts[prefix, True] += 1
    return counts


def _match(state: State, wanted: Shapes, network: nn.Module, container: str, prefix: str, numbered: bool) -> Match:
    numbers = _numbers(network) if numbered else {}
    names: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for name, tensor in state.items():
        rest = _named(name[len(prefix) :], numbers)
        if name.startswith(prefix) and rest in wanted:
            (names if wanted[rest] == tuple(tensor.shape) else wrong)[rest] = name
    return Match(container=container, prefix=prefix, numbered=numbered, names=names, wrong_shape=wrong)


def _rank(count: int, container: str, prefix: str, numbered: bool) -> tuple[Any, ...]:
    usual = _USUAL.index(container) if container in _USUAL else len(_USUAL)
    copies = len(_COPY.findall(f"{container}/{prefix}")) if not container.startswith(("state_dict_ema", "model_ema")) else 0
    return (-count, copies, usual, numbered, len(prefix), container, prefix)


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """All ways to cut a name into a leading prefix and a rest: ("", name), ("module.", ...), ..."""
    yield "", name
    for place, letter in enumerate(name):
        if letter == ".":
            yield name[: place + 1], name[place + 1 :]


def _numbers(network: nn.Module) -> dict[str, str]:
    """The names that the parts of the network have when it is wrapped as nn.Sequential(*network.children())."""
    return {str(number): name for number, (name, _) in enumerate(network.named_children())}


def _named(rest: str, numbers: Mapping[str, str]) -> str:
    part, dot, more = rest.partition(".")
    return numbers.get(part, part) + dot + more


def _with_dot(prefix: str) -> str:
    return "" if prefix == "none" else prefix if prefix.endswith(".") else prefix + "."
