"""Where a probe is solved: on the device that is given and on no other, and on the CPU where that one's memory is too small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from repbench.measure.logistic import Path, fit, fit_path
from repbench.measure.solver import problem
from repbench.measure.solver.coordinates import Coordinates
from repbench.measure.solver.machine import wants_room, with_room
from repbench.measure.solver.problem import Problem
from tests.measure.test_logistic import data

STRENGTHS = (10.0, 1.0, 0.1)
X, Y = data(300, 12, 4)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every problem counts as a large one."""
    monkeypatch.setattr(problem, "SMALL", 0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices on which features were to be placed; there is no room on any but the CPU."""
    devices: list[str] = []
    begin = Coordinates.__init__

    def recorded(self: Coordinates, x: np.ndarray, dtype: torch.dtype, device: str) -> None:
        devices.append(device)
        if device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        begin(self, x, dtype, device)

    monkeypatch.setattr(Coordinates, "__init__", recorded)
    return devices


def weights(path: Path) -> np.ndarray:
    return np.stack([solution.weights for solution in path])


@pytest.mark.usefixtures("large")
def test_a_visible_gpu_is_not_touched_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    fit_path(X, Y, 4, STRENGTHS)
    fit(X, Y, 4, 1.0)
    fit_path(X, Y, 4, STRENGTHS, device="mps")  # it has no float64, in which sums are taken
    assert asked == ["cpu"] * 3


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_without_room_leaves_the_fit_to_the_cpu(asked: list[str], device: str) -> None:
    path, one = fit_path(X, Y, 4, STRENGTHS, device=device), fit(X, Y, 4, 1.0, device=device)
    assert asked == [device, "cpu", device, "cpu"]
    assert np.array_equal(weights(path), weights(fit_path(X, Y, 4, STRENGTHS)))
    assert np.array_equal(one.weights, fit(X, Y, 4, 1.0).weights)
    assert {solution.device for solution in (*path, one)} == {"cpu"}


def test_errors_of_the_libraries_below_torch_count_as_want_of_room_and_others_do_not() -> None:
    assert wants_room(torch.OutOfMemoryError("CUDA out of memory."))
    assert wants_room(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert wants_room(RuntimeError("CUDA error: out of memory"))
    assert not wants_room(RuntimeError("CUDA error: an illegal memory access was encountered"))

    def broken() -> int:
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="device-side assert"):
        with_room(broken, lambda: 1)


def test_a_small_problem_is_solved_on_the_cpu_whatever_the_device(asked: list[str]) -> None:
    fit_path(X, Y, 4, STRENGTHS, device="cuda")
    assert asked == ["cpu"]


def once(function: Callable[..., Any], after: int = 0) -> Callable[..., Any]:
    """A function that runs out of a device's memory, at the call after so many, and not again."""
    calls = iter(range(1000))

    def short(*given: Any, **named: Any) -> Any:
        if next(calls) == after:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return function(*given, **named)

    return short


@pytest.mark.usefixtures("large")
def test_memory_that_runs_out_at_the_refit_changes_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    path = fit_path(X[:240], Y[:240], 4, STRENGTHS)
    expected = path.refit(X[240:], Y[240:], 1.0)
    for name in ("with_more", "refitted"):
        with monkeypatch.context() as patched:
            patched.setattr(Problem, name, once(getattr(Problem, name)))
            found = path.refit(X[240:], Y[240:], 1.0)
        assert np.array_equal(found.weights, expected.weights)
        assert found.evaluations == expected.evaluations
    monkeypatch.setattr(Problem, "with_more", once(once(Problem.with_more)))
    with pytest.raises(torch.OutOfMemoryError):  # and what runs out again is told
        path.refit(X[240:], Y[240:], 1.0)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("after", [0, 1])
def test_memory_that_runs_out_while_validation_is_scored_loses_and_repeats_no_strength(
    monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    path = fit_path(X, Y, 4, STRENGTHS)
    expected = np.stack(list(path.scores(X[:20])))
    at = (Coordinates, "place") if after == 0 else (torch.Tensor, "__matmul__")
    with monkeypatch.context() as patched:
        patched.setattr(*at, once(getattr(*at), after))
        found = list(path.scores(X[:20]))
    assert np.array_equal(np.stack(found), expected)


def test_coordinates_on_the_cpu_are_the_same() -> None:
    for x in (X, data(40, 90, 3)[0]):
        here = Coordinates(x, torch.float32, "cpu")
        moved = here.on_cpu()
        assert moved is not here
        assert torch.equal(moved.place(x), here.place(x))
        assert vars(moved).keys() == vars(here).keys()
