"""How many directions the embeddings use: RankMe, alpha-ReQ, NESum, stable rank, isotropy. No labels, and no judgement.

It describes: noise has the flattest spectrum of all and probes at chance, so the task takes no part in ranks and means. The
board says how well it predicts the probes. Compare encoders at one number of rows only: a rank cannot exceed n or d.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from repbench.datasets.declaration import DatasetDeclaration
from repbench.digests import digest_text
from repbench.embeddings.embedded import Embeddings
from repbench.embeddings.needs import Need
from repbench.errors import ProtocolError
from repbench.measure import geometry, intervals
from repbench.outcomes import check_split, table
from repbench.protocol import Estimate, Outcome


@dataclass(frozen=True, kw_only=True)
class SpectrumOfEmbeddings:
    """`rows`: so many examples are drawn (the paper of RankMe draws 25,600), the same for every encoder."""

    rows: int = 1024
    version: ClassVar[int] = 1

    def fits(self, dataset: DatasetDeclaration) -> str:
        """Why not: test is missing."""
        return "" if "test" in dataset.split_names else f"{dataset.name} has no split 'test'."

    def needs(self, dataset: DatasetDeclaration) -> tuple[Need, ...]:
        """All splits, plain: they are embedded for the probes anyway."""
        split = "+".join(name for name in ("train", "val", "test") if name in dataset.split_names)
        return (Need(dataset=dataset.name, split=split, column=dataset.medium, tuning=False),)

    def score(self, got: Embeddings, seed: int) -> Outcome:
        """Raises ProtocolError for an empty split, fewer than two rows, values that are not finite, or zeros alone."""
        from repbench.measure import spectrum

        (test,) = got.test
        check_split(test, "joined")
        drawn = _drawn(test.ids, self.rows, seed)
        x = test.x[drawn].astype(np.float64)
        if not x.any():
            raise ProtocolError(
                f"all {len(x)} embeddings are zero vectors: no direction is used, and shares of nothing are none."
            )
        plain = spectrum.spectrum(x, centred=False)
        rows = {
            "rankme": spectrum.contributions(plain, spectrum.rankme),
            "stable-rank": spectrum.contributions(plain, spectrum.first_share),
            "mean-cosine": geometry.mean_cosine_contributions(x),
        }
        centred = spectrum.spectrum(x, centred=True)
        diagnostics: dict[str, Any] = {
            "rows": len(x),
            "dimensions": x.shape[1],
            "fewer_rows_than_dimensions": len(x) < x.shape[1],
        }
        diagnostics["collapsed"] = bool(centred.values[0] <= 1e-10 * max(float(plain.values[0]), 1e-300))
        if not diagnostics["collapsed"]:
            of_variance: dict[str, Callable[..., Any]] = {
                "variance-rank": spectrum.variance_rank,
                "nesum": spectrum.first_share,
                "participation-ratio": spectrum.participation_ratio,
            }
            rows |= {name: spectrum.contributions(centred, metric) for name, metric in of_variance.items()}
            diagnostics["spectrum"] = [float(f"{value:.6g}") for value in centred.values[:64].tolist()]
            if int((centred.values > spectrum.NOTHING * centred.values[0]).sum()) >= 2 * 5:
                rows["alpha-req"] = spectrum.contributions(centred, spectrum.alpha)
        return Outcome(
            primary="rankme",
            metrics={name: _estimate(values) for name, values in rows.items()},
            examples=table({"id": test.ids[drawn], "score": rows["rankme"]}),
            chance=None,
            judges=False,
            diagnostics=diagnostics,
        )


def _drawn(ids: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Places of at most so many rows, chosen by a digest of their ids, so that order and encoder do not matter."""
    if len(ids) <= most:
        return np.arange(len(ids))
    keys = np.array([digest_text(str(seed), str(one)) for one in ids])
    return np.sort(np.argsort(keys, kind="stable")[:most])


def _estimate(rows: np.ndarray) -> Estimate:
    low, high = intervals.normal_mean(rows)
    return Estimate(value=math.fsum(rows) / len(rows), low=low, high=high)
