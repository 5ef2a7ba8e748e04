"""Results and store on another file system: what is finished is there, whole; another machine goes on from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from repbench import cli, remote
from repbench.embeddings.store import Address, Shelf
from repbench.errors import StoreError, UsageError
from tests.s3 import MISSING

ADDRESS = Address(tower="abc", view="plain", precision="fp32")
KEYS = [f"{place:032x}" for place in range(4)]
ROWS = np.arange(12, dtype=np.float32).reshape(4, 1, 3)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An address in the memory of this process, and a cache of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield "memory://there/results"
    fsspec.filesystem("memory").store.clear()


def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))


def far() -> list[str]:
    return sorted(fsspec.filesystem("memory").find("/there"))


def test_a_chunk_that_one_machine_wrote_is_read_by_another(there: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Shelf(remote.here(there), ADDRESS).add(KEYS, ROWS)
    machine(monkeypatch, tmp_path, "other")
    assert np.array_equal(Shelf(remote.here(there, fetch=False), ADDRESS).rows(KEYS), ROWS)


def test_a_chunk_that_is_damaged_on_the_way_is_made_again_and_sent_again(
    there: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Shelf(remote.here(there), ADDRESS).add(KEYS, ROWS)
    (chunk,) = far()
    fsspec.filesystem("memory").pipe_file(chunk, b"damaged")
    machine(monkeypatch, tmp_path, "other")
    shelf = Shelf(remote.here(there, fetch=False), ADDRESS)
    assert shelf.missing(KEYS) == KEYS
    shelf.add(KEYS, ROWS)
    machine(monkeypatch, tmp_path, "third")
    assert np.array_equal(Shelf(remote.here(there, fetch=False), ADDRESS).rows(KEYS), ROWS)


def test_what_could_not_be_sent_is_sent_by_the_next_run(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = remote.here(there)
    memory = type(fsspec.filesystem("memory"))
    with monkeypatch.context() as patch:
        patch.setattr(memory, "put_file", lambda *_, **__: (_ for _ in ()).throw(ConnectionError("no way there")))
        with pytest.raises(StoreError, match=r"memory://there/results: ConnectionError: no way there.* the same command again"):
            Shelf(folder, ADDRESS).add(KEYS, ROWS)
    assert far() == []
    assert Shelf(folder, ADDRESS).missing(KEYS) == []
    assert len(far()) == 1


def test_what_somebody_changed_or_removed_there_is_changed_and_removed_here(there: str) -> None:
    folder, files = remote.here(there), fsspec.filesystem("memory")
    for name in ("a.json", "b.json"):
        (folder / name).write_text("first")
        remote.send(folder, folder / name)
    files.pipe_file("/there/results/a.json", b"second!")
    files.rm_file("/there/results/b.json")
    remote.synchronise(folder)
    assert (folder / "a.json").read_text() == "second!"
    assert not (folder / "b.json").exists()
    (folder / "a.json").write_text("third")
    remote.synchronise(folder)
    assert files.cat_file("/there/results/a.json") == b"third"
    remote.drop(folder, folder / "a.json")
    assert far() == []


def test_locks_half_written_files_and_names_that_lead_elsewhere_do_not_travel(there: str, tmp_path: Path) -> None:
    folder = remote.here(there)
    for name in (".a.lock", ".b.json.7.tmp", "c.damaged"):
        (folder / name).write_text("x")
    remote.synchronise(folder)
    assert far() == []
    fsspec.filesystem("memory").store["/there/results/../../evil.json"] = fsspec.filesystem("memory").open("/x", "wb")
    with pytest.raises(StoreError, match="leads elsewhere"):
        remote.synchronise(folder)


def test_an_unknown_file_system_is_named(there: str) -> None:
    with pytest.raises(UsageError, match="no such file system"):
        remote.here("nowhere://a/b")


def test_a_plain_folder_is_itself_and_costs_nothing(tmp_path: Path) -> None:
    assert remote.here(tmp_path) == tmp_path
    remote.synchronise(tmp_path)
    assert list(tmp_path.iterdir()) == []


def run(root: Path, out: str, store: str, *more: str) -> int:
    arguments = ["run", "control:pixels", "--tasks", "knn/colours", "--plugin", str(root / "colours.toml"), "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["repbench", *arguments, "--data", str(root / "data"), "--out", out, "--store", store, *more]
        )
        with pytest.raises(SystemExit) as stop:
            cli.main()
    return int(stop.value.code or 0)


def again(root: Path, out: str, store: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the plan of the same run says."""
    capsys.readouterr()
    assert run(root, out, store, "--dry-run") == 0
    return capsys.readouterr().out


def test_a_run_on_one_machine_is_done_on_another(
    there: str, colours: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(colours, there, "memory://there/store") == 0
    machine(monkeypatch, tmp_path, "other")
    assert "0 to do, 1 done" in again(colours, there, "memory://there/store", capsys)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["repbench", "leaderboard", there])
        cli.main()
    assert "knn/colours" in capsys.readouterr().out


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
@pytest.mark.filterwarnings("ignore")  # of moto and botocore
def test_a_run_on_s3_is_there_for_another_machine(
    colours: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import s3fs

    machine(monkeypatch, tmp_path, "one")
    assert run(colours, f"{bucket}/results", f"{bucket}/store") == 0
    names = s3fs.S3FileSystem().find(bucket)
    assert sum(name.endswith("knn/colours.json") for name in names) == 1
    assert sum(name.endswith(".safetensors") for name in names) >= 1
    machine(monkeypatch, tmp_path, "two")
    assert "0 to do, 1 done" in again(colours, f"{bucket}/results", f"{bucket}/store", capsys)
    assert run(colours, "s3://nobody/results", f"{bucket}/store") == 2
    assert "s3://nobody/results" in capsys.readouterr().err
