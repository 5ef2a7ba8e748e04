"""Weights into a network, with an account of what arrived: silently random weights are the classic failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from repbench.encoder import LoadReport
from repbench.encoders.containers import Match, State, backbone_shapes, leading_parts, left_out, readings, surplus, unexpected
from repbench.encoders.guess import guess_architectures
from repbench.errors import EncoderError

ENOUGH = 0.95  # of the backbone's tensors
SHOWN = 30  # names per list in an error


def fill(network: nn.Module, containers: Mapping[str, State], match: Match, what: str) -> LoadReport:
    """Copy the matched tensors into the network and report. `what` names file and architecture in errors.

    Raises EncoderError when fewer than `ENOUGH` of the backbone's tensors are filled, when a shape differs, or when the file's
    network is larger than this one.
    """
    state = containers[match.container]
    report = _report(network, state, match)
    extra = surplus(network, state, match)
    if report.share_of_tensors < ENOUGH or report.wrong_shape or len(extra) > (1 - ENOUGH) * len(match.names):
        raise EncoderError(_explain(report, extra, containers, readings(network, containers), what))
    network.load_state_dict({name: state[source] for name, source in match.names.items()}, strict=False)
    return report


def _report(network: nn.Module, state: State, match: Match) -> LoadReport:
    wanted = backbone_shapes(network)
    sizes = {name: network.state_dict()[name].numel() for name in wanted}
    wrong = [f"{source} {tuple(state[source].shape)} for {name} {wanted[name]}" for name, source in match.wrong_shape.items()]
    return LoadReport(
        filled=tuple(sorted(match.names)),
        missing=tuple(name for name in wanted if name not in match.names and name not in match.wrong_shape),
        unexpected=tuple(unexpected(state, match)),
        wrong_shape=tuple(wrong),
        share_of_tensors=len(match.names) / max(1, len(wanted)),
        share_of_parameters=sum(sizes[name] for name in match.names) / max(1, sum(sizes.values())),
        prefix=match.prefix,
        container=match.container,
        left_out=tuple(left_out(state, match)),
    )


def _explain(
    report: LoadReport,
    extra: Sequence[str],
    containers: Mapping[str, State],
    usable: Sequence[tuple[int, str, str]],
    what: str,
) -> str:
    total = len(report.filled) + len(report.missing) + len(report.wrong_shape)
    read = f"container {report.container or '(the file itself)'!r}, prefix {report.prefix or '(none)'!r}"
    lines = [
        f"{what}: only {len(report.filled)} of {total} tensors of the backbone can be filled"
        if report.share_of_tensors < ENOUGH
        else f"{what}: the file's network is another one ({len(report.filled)} of {total} tensors of the backbone fit)",
        f"  read from: {read}",
        *_list("missing in the file", report.missing),
        *_list("of another shape (file, network)", report.wrong_shape),
        *_list("in the file, without a place in the network", extra or report.unexpected),
        f"  names in the file begin with: {', '.join(leading_parts(containers)) or 'nothing in common'}",
    ]
    if len(containers) > 1:
        lines.append(f"  containers in the file: {', '.join(repr(name) for name in containers)}")
    for count, container, prefix in usable:
        if count > len(report.filled):
            choice = ",".join(["prefix=" + (prefix or "none"), *([f"container={container}"] if container else [])])
            lines.append(f"  {choice} would fill {count} of {total}")
    guesses = guess_architectures(containers[report.container])
    if guesses:
        lines.append(f"  its shapes look like: {' or '.join('arch=' + guess for guess in guesses)}")
    lines.append("Give the right arch=, or force prefix=PREFIX or container=NAME.")
    return "\n".join(lines)


def _list(title: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"  {title} ({len(names)}): {', '.join(names[:SHOWN])}{more}"]
