"""Shards: everything is dealt once, fairly, and the same way by each; what they write together is the undivided run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repbench import cli
from repbench.errors import UsageError
from repbench.leaderboard.publish import publish
from repbench.leaderboard.tables import make_board
from repbench.results.files import read_records
from repbench.run.shards import Group, Shard, deal, parse_shard

SIZES = st.lists(st.integers(min_value=1, max_value=2000), min_size=1, max_size=30)


def groups(sizes: list[int]) -> list[Group]:
    return [Group(encoder=place % 3, dataset=f"d{place}", items=size) for place, size in enumerate(sizes)]


@given(sizes=SIZES, of=st.integers(min_value=1, max_value=12))
@settings(max_examples=100, deadline=None)
def test_every_group_has_one_owner_and_no_shard_gets_much_more_than_a_fair_share(sizes: list[int], of: int) -> None:
    hands = [deal(groups(sizes), Shard(number=number, of=of)) for number in range(1, of + 1)]
    owned = [group for hand in hands for group in hand.own]
    assert sorted(owned, key=lambda group: group.dataset) == sorted(groups(sizes), key=lambda group: group.dataset)
    fair = sum(sizes) / of
    hands_on = {group: sum(group in (*hand.own, *hand.helps) for hand in hands) for group in groups(sizes)}
    for hand in hands:
        load = sum(group.items / hands_on[group] for group in (*hand.own, *hand.helps))
        assert load < 2 * fair + 1e-6  # Graham's bound of list scheduling, for pieces that are no more than a fair share


def test_a_single_large_dataset_is_embedded_by_all_and_scored_by_one() -> None:
    hands = [deal(groups([1000]), Shard(number=number, of=4)) for number in range(1, 5)]
    assert [len(hand.own) for hand in hands] == [1, 0, 0, 0]
    assert [len(hand.helps) for hand in hands] == [0, 1, 1, 1]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_a_shard_that_is_none_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"--shard is .* expected I/N"):
        parse_shard(text)


TASKS = "knn/colour*,linear-probe/colour*,alignment-uniformity/colour*,zero-shot/colour*,knn/shades"


def run(root: Path, out: str, *more: str) -> int:
    arguments = ["run", "random:test_resnet,size=16", "control:random", "control:pixels", "--tasks", TASKS, "--quiet"]
    plugins = ["--plugin", str(root / "colours.toml"), "--plugin", str(root / "shades.toml"), "--data", str(root / "data")]
    places = ["--out", str(root / out), "--store", str(root / f"{out}-store")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["repbench", *arguments, *plugins, *places, *more])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    return int(stop.value.code or 0)


def contents(results: Path) -> dict[str, bytes]:
    """Every file of results by its path, records without circumstances (seconds, command), and every form of the board."""
    records = [replace(record, circumstances={}) for record in read_records(results)]
    board = {path.name: path.read_bytes() for path in publish(make_board(records), results.with_suffix(".board"))}
    examples = {str(path.relative_to(results)): path.read_bytes() for path in results.rglob("*.parquet")}
    return board | examples | {f"{one.encoder} {one.task}": one.to_json().encode() for one in records}


@pytest.fixture
def shades(colours: Path) -> Path:
    (colours / "shades.toml").write_text((colours / "colours.toml").read_text().replace("Noisy colours", "The same again"))
    return colours


@pytest.mark.parametrize("of", [2, 5])
def test_shards_write_together_what_the_undivided_run_writes(shades: Path, of: int) -> None:
    assert run(shades, "whole") == 0
    assert [run(shades, "parts", "--shard", f"{number}/{of}") for number in range(1, of + 1)] == [0] * of
    whole = contents(shades / "whole")
    assert contents(shades / "parts") == whole
    assert len([name for name in whole if name.endswith(".parquet")]) == 21  # 13 of examples, one of the board, 7 of splits


def test_a_helper_stores_embeddings_and_writes_no_record(shades: Path) -> None:
    assert run(shades, "parts", "--tasks", "knn/colours", "--shard", "9/9") == 0
    assert not list((shades / "parts").rglob("*.json"))
    assert list((shades / "parts-store").rglob("*.safetensors"))
