"""The gate from weights to exit status: a trained checkpoint, its like and noise, all on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pandas as pd
import pytest
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from repbench import cli

TASKS = "knn/digits,linear-probe/digits"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Results of one name: a checkpoint, one of another seed, and noise."""
    folder = tmp_path_factory.mktemp("gate")
    specs = {"noise": "control:random,name=mine"}
    with pytest.MonkeyPatch.context() as patch:
        for seed in ("0", "1"):
            out = str(folder / f"{seed}.safetensors")
            assert call(patch, "train", "simclr", "--data", "digits", "--epochs", "1", "--seed", seed, "--out", out) == 0
            specs[seed] = f"trained:{out},name=mine"
        for name, spec in specs.items():
            where = ("--out", str(folder / name), "--store", str(folder / "store"))
            assert call(patch, "run", spec, "--tasks", TASKS, *where) == 0
    return {name: folder / name for name in specs}


def call(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    patch.setattr(sys, "argv", ["repbench", *arguments])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [("0", "0", 0), ("0", "1", 0), ("noise", "0", 0), ("0", "noise", 1)],
    ids=["the same", "another seed", "better", "a drop"],
)
def test_it_opens_for_the_like_and_the_better_and_shuts_for_a_drop(
    results: dict[str, Path],
    old: str,
    new: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "gate", str(results[new]), "--baseline", str(results[old])) == status
    told = capsys.readouterr()
    assert f"What mine in {results[new]} gains over mine in {results[old]}:" in told.out
    assert told.out.rstrip().endswith("The gate is shut by 2 of 2 tasks." if status else "The gate is open: 2 tasks looked at.")
    assert told.err.count("significantly worse by 0.") == (2 if status else 0)
    assert all(f"{task} " in click.unstyle(told.out) for task in TASKS.split(","))


def test_its_p_is_mcnemars_on_the_stored_predictions(
    results: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "diff", str(results["0"]), str(results["1"]), "--json") == 0
    found = {one["name"]: one["p"] for one in json.loads(capsys.readouterr().out)["differences"]}
    p = []
    for task in TASKS.split(","):
        a, b = (pd.read_parquet(next(results[one].rglob(f"{task}.parquet"))).set_index("id")["score"] for one in "01")
        won, lost = int((b > a).sum()), int((b < a).sum())
        p.append(binomtest(won, won + lost).pvalue if won + lost else 1.0)
    assert [found[task] for task in TASKS.split(",")] == pytest.approx(multipletests(p, method="holm")[1])
