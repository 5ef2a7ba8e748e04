"""Softmax cross-entropy of logits: loss, residual, and the Hessian in the intercepts, accurate in float32 and in float64."""

from __future__ import annotations

import numpy as np

ROWS = 4096  # a block, which then stays in cache
CLIPS = {"float32": (-40.0, 80.0), "float64": (-300.0, 600.0)}  # of logit differences: what exp and its square can hold


def loss_and_residual(logits: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Summed cross-entropy (float64), and softmax minus one-hot; logits and residual (n, classes), labels y (n,).

    With o the sum of exp(logit - logit of the true class) over the others, the loss is log(1 + o) and the residual at the true
    class -o / (1 + o): exact where p is near 1. Where o overflows the loss is cut off; the residual stays right.
    """
    least, most = CLIPS[logits.dtype.name]
    residual = np.empty_like(logits)
    total = 0.0
    for first in range(0, len(logits), ROWS):
        part, truth = residual[first : first + ROWS], y[first : first + ROWS]
        rows = np.arange(len(part))
        np.subtract(logits[first : first + ROWS], logits[first + rows, truth][:, None], out=part)
        np.clip(part, least, most, out=part)
        np.exp(part, out=part)
        part[rows, truth] = 0.0
        others = part.sum(axis=1)
        total += float(np.log1p(others).sum(dtype=np.float64))
        share = 1.0 / (1.0 + others)
        part *= share[:, None]
        part[rows, truth] = -others * share
    return total, residual


def intercept_hessian(residual: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of the summed loss in the intercepts, float64 (classes, classes); from evenly chosen rows where there are many.

    A shift common to all classes, which changes no loss, is given curvature, so that the matrix can be inverted.
    """
    n, classes = residual.shape
    every = max(1, n // ROWS)
    p = residual[::every].astype(np.float64)
    p[np.arange(len(p)), y[::every]] += 1.0
    hessian: np.ndarray = np.diag(p.sum(axis=0)) - p.T @ p
    hessian += np.trace(hessian) * (1e-12 * np.eye(classes) + 1 / classes**2)
    hessian *= n / len(p)
    return hessian


def uncertainty(residual: np.ndarray) -> float:
    """The sum of p (1 - p) over rows and classes: how much curvature the loss has left."""
    return float(np.abs(residual).sum(dtype=np.float64) - np.square(residual, dtype=np.float64).sum())
