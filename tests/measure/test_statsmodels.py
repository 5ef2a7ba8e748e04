"""Statistics that SciPy lacks, and some that it has, against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest

from repbench.measure import intervals
from repbench.measure.significance import holm, paired_p_values

multitest = pytest.importorskip("statsmodels.stats.multitest")
proportion = pytest.importorskip("statsmodels.stats.proportion")
tables = pytest.importorskip("statsmodels.stats.contingency_tables")
api = pytest.importorskip("statsmodels.api")
RNG = np.random.default_rng


@pytest.mark.parametrize("count", [1, 2, 30])
def test_holm_is_that_of_statsmodels_also_with_ties(count: int) -> None:
    p = RNG(count).random(count).round(1) * 0.2
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


@pytest.mark.parametrize(("hits", "n"), [(0, 9), (9, 9), (3, 7), (812, 1000)])
def test_wilson_is_that_of_statsmodels(hits: int, n: int) -> None:
    assert intervals.wilson(hits / n, n) == pytest.approx(proportion.proportion_confint(hits, n, method="wilson"), abs=1e-12)


def test_mcnemar_is_that_of_statsmodels() -> None:
    rng = RNG(0)
    a, b = rng.random(120) < 0.8, rng.random(120) < 0.65
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    want = tables.mcnemar(table, exact=True).pvalue
    assert paired_p_values(a / 120, b[None] / 120, 0)[0] == pytest.approx(want, rel=1e-9)


def test_the_interval_of_a_mean_in_clusters_is_the_cluster_robust_one_of_statsmodels() -> None:
    rng = RNG(1)
    groups = np.repeat(np.arange(30), rng.integers(1, 9, 30))
    values = rng.normal(size=30)[groups] + rng.normal(size=len(groups))
    options = {"groups": groups, "df_correction": False, "use_correction": False}
    fit = api.OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds=options)
    half = 1.959963984540054 * float(fit.bse[0]) * np.sqrt(30 / 29)
    low, high = intervals.normal_mean(values, groups=groups)
    assert ((low + high) / 2, (high - low) / 2) == pytest.approx((values.mean(), half))
