"""Cross-modal retrieval: recall at k and mean reciprocal rank where a query has one right answer or several.

A query is answered at k where at least one of its right answers is among the k best (Karpathy & Fei-Fei 2015). Candidates that
are as similar to the query are one group, in any order: what is reported is the exact mean over all orders. With g candidates
above the group of the best right answer and p right ones in that group of t,

    P(answered at k) = 1 - C(t - p, m) / C(t, m),  m = min(k - g, t), and 0 for k <= g

(hypergeometric); an encoder that says nothing so scores what guessing scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repbench.errors import ProtocolError
from repbench.measure.geometry import unit_rows
from repbench.measure.neighbours import RESOLUTION

NUMBERS = 2**24  # similarities held at a time: 128 MB


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the best right answer of each query stands, int64 (n,) each: `above`, the size of its group, right ones in it."""

    above: np.ndarray
    group: np.ndarray
    right: np.ndarray


def places(queries: np.ndarray, candidates: np.ndarray, wanted: np.ndarray, offered: np.ndarray) -> Places:
    """Places by cosine, rounded to 1e-6 (equal ones are one group), for queries (n, d) and candidates (m, d).

    A candidate is a right answer where its key `offered`, int (m,), is the query's, `wanted`, int (n,). Raises ProtocolError
    for unequal widths and for queries without a right answer.
    """
    if queries.ndim != 2 or candidates.ndim != 2 or queries.shape[1] != candidates.shape[1]:
        raise ProtocolError(f"retrieval needs two tables of one width; got {queries.shape} and {candidates.shape}.")
    lost = int((~np.isin(wanted, offered)).sum())
    if lost or not len(queries):
        raise ProtocolError(f"{lost} of {len(queries)} queries have no right answer among the {len(candidates)} candidates.")
    bank = unit_rows(candidates).T
    found = np.empty((3, len(queries)), dtype=np.int64)
    step = max(1, NUMBERS // len(candidates))
    for first in range(0, len(queries), step):
        rows = slice(first, first + step)
        similarity = np.rint(unit_rows(queries[rows]) @ bank / RESOLUTION)
        is_right = wanted[rows, None] == offered[None, :]
        best = np.where(is_right, similarity, -np.inf).max(axis=1, keepdims=True)
        tied = similarity == best
        found[:, rows] = (similarity > best).sum(axis=1), tied.sum(axis=1), (tied & is_right).sum(axis=1)
    return Places(above=found[0], group=found[1], right=found[2])


def recall(at: Places, k: int) -> np.ndarray:
    """The chance (n,) that a right answer is among the k best, over all orders of equal candidates."""
    drawn = np.clip(k - at.above, 0, at.group)
    return 1.0 - _none_among(at.group, at.right, drawn)


def reciprocal_rank(at: Places) -> np.ndarray:
    """The mean (n,), over all orders of equal candidates, of one over the rank of the first right answer."""
    kinds, place = np.unique(np.stack([at.above, at.group, at.right]), axis=1, return_inverse=True)
    values = np.empty(kinds.shape[1])
    for column, (above, group, right) in enumerate(kinds.T.tolist()):
        drawn = np.arange(group - right + 2)
        survival = _none_among(np.full(len(drawn), group), np.full(len(drawn), right), drawn)
        values[column] = float(((survival[:-1] - survival[1:]) / (above + drawn[1:])).sum())
    found: np.ndarray = values[place.ravel()]
    return found


def guessing(wanted: np.ndarray, offered: np.ndarray) -> Places:
    """The places of an encoder that says nothing: all candidates are one group."""
    counts = np.bincount(offered, minlength=int(wanted.max()) + 1)[wanted]
    return Places(above=np.zeros(len(wanted), np.int64), group=np.full(len(wanted), len(offered)), right=counts)


def _none_among(group: np.ndarray, right: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """C(group - right, drawn) / C(group, drawn): that none of the right ones is among so many drawn."""
    from scipy.special import gammaln

    wrong = group - right
    possible = drawn <= wrong
    safe = np.where(possible, drawn, 0)
    logarithm = gammaln(wrong + 1) - gammaln(wrong - safe + 1) - gammaln(group + 1) + gammaln(group - safe + 1)
    return np.where(possible, np.where(safe == 0, 1.0, np.exp(logarithm)), 0.0)
