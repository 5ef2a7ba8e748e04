"""The linear probe beside whole sweeps of the peers: `python versus/probe_sweeps.py [pets flowers fashion cifar sun]`.

45 separate scikit-learn fits, each driven to the gap that ours is certified to: every 9th strength is fitted and the seconds
taken nine times; a fit ends after MOST evaluations, so the ratio is a lower bound where one does. And CLIP_benchmark's sweep
over weight decays (AdamW, 10 epochs, batches of 64, learning rate 0.1, its defaults), with its own functions, patched to run
on the CPU and with the top-1 accuracy of newer NumPy. Ours is timed before, between and after them: certified and settled, as
by default, and at scikit-learn's stop rule.
"""

from __future__ import annotations

import contextlib
import io
import time
from typing import Any
from unittest import mock

import numpy as np
import torch
from clip_benchmark.metrics import linear_probe
from common import Finding, figure, ratio, shape_by_shape, timed
from probe import SHAPES, counted, data, driven_to, probe, product_seconds

from repbench.measure import logistic

EVERY, MOST = 9, 300
SWEPT = ("pets", "flowers", "fashion", "cifar")  # `sun`, which takes half an hour, where it is named
RATE, EPOCHS = 0.1, 10


def separate(x: np.ndarray, y: np.ndarray, path: logistic.Path) -> tuple[float, list[int]]:
    """Seconds of 45 fits, told by every 9th, and the evaluations of those; float64, as float32 stops short of the gap."""
    x = x.astype(np.float64)
    began, spent = time.perf_counter(), []
    for one in path[EVERY // 2 :: EVERY]:
        spent.append(driven_to(x, y, one.strength, one.objective * (1 + 1e-4), MOST))
    return (time.perf_counter() - began) * EVERY, spent


def clip_benchmark(train: np.ndarray, labels: np.ndarray, val: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Seconds of its search of a weight decay and its last fit, as in its `evaluate`, and its best accuracy on validation."""
    seen: list[float] = []

    def accuracy(logits: torch.Tensor, target: torch.Tensor, topk: tuple[int, ...]) -> list[float]:
        seen.append(float((logits.argmax(dim=1) == target).float().mean()))
        return seen[-1:]

    fitting, validating = loader(train, labels), loader(val, truth)
    both = loader(np.concatenate([train, val]), np.concatenate([labels, truth]))
    shape = train.shape[1], int(labels.max()) + 1
    decays, first = np.logspace(-6, 2, num=97).tolist(), np.logspace(-6, 2, num=7).tolist()
    began = time.perf_counter()
    with contextlib.ExitStack() as patches:
        patches.enter_context(contextlib.redirect_stdout(io.StringIO()))
        patches.enter_context(contextlib.redirect_stderr(io.StringIO()))
        patches.enter_context(mock.patch.object(linear_probe, "accuracy", accuracy))
        for owner in (torch.nn.Module, torch.Tensor):
            patches.enter_context(mock.patch.object(owner, "cuda", lambda self: self))
        patches.enter_context(mock.patch.object(torch.nn, "DataParallel", lambda model, device_ids: model))

        def peak(places: list[int]) -> int:
            found: int = linear_probe.find_peak(
                decays, places, fitting, validating, *shape, RATE, EPOCHS, False, "cpu", False, 0
            )
            return found

        at = peak([place for place, decay in enumerate(decays) if decay in first])
        for span in (8, 4, 2, 1):
            at = peak([max(at - span, 0), at, min(at + span, len(decays) - 1)])
        linear_probe.train(both, *shape, decays[at], RATE, EPOCHS, False, "cpu", 0)
    return time.perf_counter() - began, max(seen)


def loader(x: np.ndarray, y: np.ndarray) -> Any:
    """Batches as its command line makes them."""
    return torch.utils.data.DataLoader(linear_probe.FeatureDataset(x, y), batch_size=64, shuffle=True)


def of_them(spent: list[int]) -> str:
    """From how many fits the time of all was reckoned, and how many were ended before they were there."""
    ended = sum(one >= MOST for one in spent)
    return f" (from {len(spent)} of them{f', of which {ended} were ended before they were there' if ended else ''})"


def compare(name: str) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and details of one shape."""
    n, d, classes, separation = SHAPES[name]
    x, y = data(n, d, classes, separation)
    cut = int(0.8 * n)
    split = x[:cut], y[:cut], x[cut:], y[cut:]
    ours: list[float] = []
    loose: list[float] = []

    def probes() -> tuple[logistic.Path, float, float]:
        path, _, score = timed(ours, lambda: probe(*split, logistic.CERTIFIED))
        return path, score, timed(loose, lambda: probe(*split, logistic.SKLEARN))[2]

    with counted() as certified:
        probe(*split, logistic.CERTIFIED)
    with counted() as at_the_rule:
        probe(*split, logistic.SKLEARN)
    path, score, soon = probes()
    fits, spent = separate(*split[:2], path)
    probes()
    sweep, accuracy = clip_benchmark(*split)
    probes()
    product = product_seconds(split[0], classes)

    def why(products: list[int], seconds: list[float]) -> str:
        return (
            f"our {sum(products)} products take {sum(products) * product:.2f} s of our {min(seconds):.2f} s, a twentieth of its"
            f" sweep is {sweep / 20:.2f} s"
        )

    findings = [
        ratio(
            f"{name} {n} x {d} x {classes}: (c) 45 scikit-learn fits to the same gap{of_them(spent)} / ours, certified",
            [fits] * 3,
            ours,
            20,
        ),
        ratio(f"{name}: (c) CLIP_benchmark's sweep / ours, certified", [sweep] * 3, ours, 20, why(certified, ours)),
        figure(
            f"{name}: best accuracy on validation of ours, certified, less that of its sweep", [score - accuracy], 0, unit=""
        ),
        ratio(
            f"{name}: (c) CLIP_benchmark's sweep / ours at scikit-learn's stop rule",
            [sweep] * 3,
            loose,
            20,
            why(at_the_rule, loose),
        ),
        figure(
            f"{name}: best accuracy on validation of ours at that rule less that of its sweep", [soon - accuracy], 0, unit=""
        ),
    ]
    theirs = {"seconds of the fits": fits, "evaluations": spent, "seconds of the sweep": sweep, "validation": accuracy}
    mine = {"seconds": ours, "validation": score, "seconds at the rule": loose, "validation at the rule": soon}
    return findings, {name: {"ours": mine, "theirs": theirs}}


if __name__ == "__main__":
    shape_by_shape(__file__, compare, SWEPT)
