"""Boards that are handed on: what a pack holds can be recomputed from its examples, and every tampering is noticed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import repbench
from repbench.errors import RecordError, RepbenchError, UsageError
from repbench.leaderboard.pack import make_pack, verify_pack
from repbench.leaderboard.send import send
from repbench.results.files import read_records
from repbench.results.merge import merge
from tests.forge import table_of, write_forged

TASKS = "knn/colours,linear-probe/colours,zero-shot/colours,alignment-uniformity/colours"


@pytest.fixture
def results(colours: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Real results of two controls on all tasks of a small dataset."""
    monkeypatch.chdir(colours)
    monkeypatch.setenv("REPBENCH_STORE", str(colours / "store"))
    for encoder in ("control:pixels", "control:random"):
        repbench.evaluate(encoder, TASKS, data="data", plugins=["colours.toml"], out="results", quiet=True)
    return colours / "results"


def test_a_pack_holds_what_it_says(results: Path) -> None:
    make_pack([results], results.parent / "pack")
    found = verify_pack(results.parent / "pack")
    assert found.problems == ()
    assert found.records == 7  # zero-shot is not for pixels
    assert found.recomputed >= 2 * found.records
    assert (results.parent / "pack" / "leaderboard.html").is_file()
    with pytest.raises(UsageError, match="is not empty"):
        make_pack([results], results.parent / "pack")


def test_the_same_results_give_the_same_pack(results: Path) -> None:
    for name in ("one", "two"):
        make_pack([results], results.parent / name)
    manifests = [json.loads((results.parent / name / "manifest.json").read_text()) for name in ("one", "two")]
    assert manifests[0] == manifests[1]


def edit_record(pack: Path) -> None:
    path = sorted(pack.glob("records/*/*/knn/*.json"))[0]
    table = table_of(path)
    table["metrics"]["accuracy"]["value"] += 0.01
    write_forged(path, table)


def edit_examples(pack: Path) -> None:
    path = sorted(pack.glob("records/*/*/knn/*.parquet"))[0]
    examples = pd.read_parquet(path)
    examples.loc[examples.index[0], "score"] = 1 - examples.loc[examples.index[0], "score"]
    examples.to_parquet(path, index=False)
    record = path.with_suffix(".json")
    write_forged(record, table_of(record))


def edit_table(pack: Path) -> None:
    path = pack / "leaderboard.csv"
    path.write_text(path.read_text().replace("control:pixels", "my-method"))


def drop_examples(pack: Path) -> None:
    sorted(pack.glob("records/*/*/knn/*.parquet"))[0].unlink()


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (edit_record, "accuracy is "),
        (edit_examples, "examples score other than their prediction says"),
        (edit_table, "leaderboard.csv is not what the records give"),
        (drop_examples, "its examples are missing"),
        (lambda pack: (pack / "more.txt").write_text("x"), "more.txt is not in the manifest"),
        (lambda pack: (pack / "leaderboard.html").unlink(), "leaderboard.html is missing"),
    ],
)
def test_what_was_changed_is_named(results: Path, tamper: Any, message: str) -> None:
    pack = results.parent / "pack"
    make_pack([results], pack)
    tamper(pack)
    assert any(message in problem for problem in verify_pack(pack).problems)


def test_a_forged_manifest_does_not_hide_a_forged_number(results: Path) -> None:
    """Hashes can be written anew by whoever changes a file; the examples still say what the number is."""
    from repbench.leaderboard.pack import _entry

    pack = results.parent / "pack"
    make_pack([results], pack)
    edit_record(pack)
    manifest = json.loads((pack / "manifest.json").read_text())
    manifest["files"] = {name: _entry(pack / name) for name in manifest["files"]}
    (pack / "manifest.json").write_text(json.dumps(manifest))
    assert any("its examples give" in problem for problem in verify_pack(pack).problems)


def edit_parquet(path: Path) -> None:
    table = pd.read_parquet(path)
    table.loc[0, "value"] += 0.01
    table.to_parquet(path, index=False)


def edit_text(path: Path) -> None:
    """The first number of three digits is another one: of the table, or of a cell of the page."""
    text = path.read_text(encoding="utf-8")
    start = text.index('"cells":[{') if path.suffix == ".html" else text.index("knn/colours")
    at = re.compile(r"0\.\d\d\d").search(text, start)
    assert at
    path.write_text(f"{text[: at.end() - 1]}{9 - int(text[at.end() - 1])}{text[at.end() :]}", encoding="utf-8")


@pytest.mark.parametrize("name", ["leaderboard.parquet", "leaderboard.md", "leaderboard.tex", "leaderboard.html"])
def test_a_forged_manifest_does_not_hide_a_forged_table(results: Path, name: str) -> None:
    from repbench.leaderboard.pack import _entry

    pack = results.parent / "pack"
    make_pack([results], pack)
    (edit_parquet if name.endswith(".parquet") else edit_text)(pack / name)
    manifest = json.loads((pack / "manifest.json").read_text())
    manifest["files"][name] = _entry(pack / name)
    (pack / "manifest.json").write_text(json.dumps(manifest))
    assert verify_pack(pack).problems == (f"{name} is not what the records give",)


def test_folders_that_are_no_packs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no manifest\.json"):
        verify_pack(tmp_path)
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(UsageError, match="is no manifest"):
        verify_pack(tmp_path)


def test_two_halves_merge_into_the_whole(results: Path) -> None:
    halves = [results.parent / name for name in ("first", "second")]
    for half, protocols in zip(halves, (("knn",), ("linear-probe", "alignment-uniformity", "zero-shot")), strict=True):
        for path in results.glob("*/*/*/*"):
            if path.parent.name in protocols:
                (half / path.relative_to(results)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, half / path.relative_to(results))
    whole = results.parent / "whole"
    found = merge(halves, whole)
    assert list(read_records(whole)) == list(read_records(results))
    again = merge([results], whole)
    assert (again.copied, again.equal) == (0, found.copied)


def test_contradicting_records_are_named_and_nothing_is_written(results: Path) -> None:
    other, out = results.parent / "other", results.parent / "out"
    shutil.copytree(results, other)
    path = sorted(other.glob("*/*/knn/*.json"))[0]
    table = table_of(path)
    table["metrics"]["accuracy"]["value"] = 0.123
    write_forged(path, table)
    with pytest.raises(RecordError, match="equal inputs, other numbers"):
        merge([results, other], out)
    assert not out.exists()


def test_a_result_takes_the_place_of_a_failure(results: Path) -> None:
    failed = results.parent / "failed"
    path = sorted(results.glob("*/*/knn/*.json"))[0]
    inside = path.relative_to(results).with_name("colours.failed.json")
    table = table_of(path) | {"status": "failed", "metrics": {}, "reason": "out of memory"}
    (failed / inside).parent.mkdir(parents=True)
    write_forged(failed / inside, table)
    found = merge([failed, results], results.parent / "out")
    assert found.dropped_failures == 1
    assert not (results.parent / "out" / inside).exists()


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_pack_goes_into_a_git_repository_beside_what_is_there(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "tests")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "tests@example.org")
    bare, seed = results.parent / "board.git", results.parent / "seed"
    git(results.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(results.parent, "init", "--quiet", "--initial-branch=main", str(seed))
    (seed / "README.md").write_text("mine")
    git(seed, "add", ".")
    git(seed, "commit", "--quiet", "-m", "first")
    git(seed, "push", "--quiet", str(bare), "main")
    assert "pushed" in send([results], f"git:{bare}#main")
    git(results.parent, "clone", "--quiet", str(bare), "copy")
    copy = results.parent / "copy"
    assert (copy / "README.md").read_text() == "mine"
    assert verify_pack(copy / "repbench").problems == ()
    monkeypatch.chdir(bare.parent)
    assert "nothing to commit" in send([results], f"git:{bare.name}#main")  # a path from here
    with pytest.raises(RepbenchError, match="git clone failed"):
        send([results], f"git:{results.parent / 'nowhere'}")


def test_a_pack_goes_to_the_hub_through_its_client(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    seen: dict[str, Any] = {}

    class Hub:
        def create_repo(self, name: str, **options: Any) -> None:
            seen["created"] = (name, options["repo_type"])

        def upload_folder(self, *, repo_id: str, folder_path: Path, **options: Any) -> None:
            seen["uploaded"] = (repo_id, options["repo_type"], verify_pack(folder_path).problems)

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert "uploaded" in send([results], "hf-dataset:me/board")
    assert seen == {"created": ("me/board", "dataset"), "uploaded": ("me/board", "dataset", ())}
    for wrong in ("hf-dataset:board", "git:", "git", "hf-dataset"):
        with pytest.raises(UsageError, match="write"):
            send([results], wrong)


def test_no_pack_is_left_half_written_where_there_are_no_results(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="nothing to publish"):
        make_pack([tmp_path / "empty"], tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
    assert os.listdir(tmp_path) == ["empty"]
