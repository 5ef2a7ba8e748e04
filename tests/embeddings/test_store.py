"""The store: what was written is what is read; damage is noticed; two processes divide the work."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repbench.embeddings import assembled
from repbench.embeddings.store import Address, Shelf, TakenError
from repbench.errors import StoreError

ADDRESS = Address(tower="abc", view="plain", precision="fp32")


def keys(count: int, start: int = 0) -> list[str]:
    return [f"{place:032x}" for place in range(start, start + count)]


def rows(count: int, dim: int = 3, views: int = 1) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, views, dim)).astype(np.float32)


def test_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, ADDRESS)
    shelf.add(keys(4), rows(4))
    shelf.add(keys(3, start=10), rows(3))
    wanted = [keys(3, start=10)[2], keys(4)[0], keys(4)[3]]
    expected = np.stack([rows(3)[2], rows(4)[0], rows(4)[3]])
    assert np.array_equal(shelf.rows(wanted), expected)
    assert np.array_equal(Shelf(tmp_path, ADDRESS).rows(wanted), expected)


def test_missing_keys_are_told_and_never_made_up(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, ADDRESS)
    shelf.add(keys(2), rows(2))
    assert shelf.missing(keys(4)) == keys(2, start=2)
    with pytest.raises(StoreError, match="2 of 4 embeddings are not in the store"):
        shelf.rows(keys(4))


def test_another_address_is_another_shelf(tmp_path: Path) -> None:
    Shelf(tmp_path, ADDRESS).add(keys(2), rows(2))
    for other in (
        Address(tower="abd", view="plain", precision="fp32"),
        Address(tower="abc", view="two-crops-1-seed0", precision="fp32"),
        Address(tower="abc", view="plain", precision="bf16"),
    ):
        assert Shelf(tmp_path, other).missing(keys(2)) == keys(2)


def test_nan_survives_the_store(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, ADDRESS)
    shelf.add(keys(1), np.full((1, 1, 3), np.nan, dtype=np.float32))
    assert np.isnan(Shelf(tmp_path, ADDRESS).rows(keys(1))).all()


@pytest.mark.parametrize("seed", range(40))
def test_any_flipped_bit_or_cut_is_noticed_and_the_chunk_set_aside(tmp_path: Path, seed: int) -> None:
    Shelf(tmp_path, ADDRESS).add(keys(5), rows(5))
    [path] = (tmp_path / ADDRESS.folder).glob("*.safetensors")
    data = bytearray(path.read_bytes())
    generator = np.random.default_rng(seed)
    if seed % 4 == 0:
        data = data[: generator.integers(0, len(data))]
    else:
        place = int(generator.integers(0, len(data)))
        data[place] ^= 1 << int(generator.integers(0, 8))
    path.write_bytes(bytes(data))
    shelf = Shelf(tmp_path, ADDRESS)
    if shelf.missing(keys(5)):  # noticed: it is made again
        assert path.with_suffix(".damaged").is_file()
        shelf.add(keys(5), rows(5))
    assert np.array_equal(shelf.rows(keys(5)), rows(5))


def test_leftovers_of_a_killed_writer_are_not_read(tmp_path: Path) -> None:
    folder = tmp_path / ADDRESS.folder
    folder.mkdir()
    (folder / f".{'0' * 32}.safetensors.99.tmp").write_bytes(b"half a chunk")
    assert Shelf(tmp_path, ADDRESS).missing(keys(1)) == keys(1)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be stored"):
        Shelf(tmp_path / "file", ADDRESS).add(keys(1), rows(1))


def test_lock_files_of_the_past_and_of_the_future_stop_nobody(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, ADDRESS)
    with shelf.claim(keys(3)):
        pass
    (left,) = shelf.folder.glob(".*.lock")
    for when in (0, 4_000_000_000):
        left.write_text("4194304")
        os.utime(left, (when, when))
        with shelf.claim(keys(3), wait=False):
            pass


def _die_with_a_claim(root: Path, held: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    with Shelf(root, ADDRESS).claim(keys(3)):
        held.put(True)
        held.close()
        held.join_thread()
        time.sleep(1000)


def test_a_claim_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    held = context.Queue()
    process = context.Process(target=_die_with_a_claim, args=(tmp_path, held))
    process.start()
    assert held.get(timeout=60)
    with pytest.raises(TakenError), Shelf(tmp_path, ADDRESS).claim(keys(3), wait=False):
        pass
    process.kill()
    process.join()
    with Shelf(tmp_path, ADDRESS).claim(keys(3), wait=False):
        pass


@given(st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_byte_that_changes_and_any_end_is_noticed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Shelf(Path(folder), ADDRESS).add(keys(5), rows(5))
        (path,) = (Path(folder) / ADDRESS.folder).glob("*.safetensors")
        whole = path.read_bytes()
        place = data.draw(st.integers(0, len(whole) - 1))
        cut = whole[:place]
        changed = cut + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
        path.write_bytes(data.draw(st.sampled_from([cut, changed])))
        shelf = Shelf(Path(folder), ADDRESS)
        assert shelf.missing(keys(5)) in ([], keys(5))
        if not shelf.missing(keys(5)):  # a byte that means nothing, such as a space of the header
            assert np.array_equal(shelf.rows(keys(5)), rows(5))


def _compute(root: Path, done: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    shelf = Shelf(root, ADDRESS)
    for start in range(0, 40, 10):
        wanted = keys(10, start)
        with shelf.claim(wanted):
            if shelf.missing(wanted):
                done.put(start)
                shelf.add(wanted, rows(10))


def test_eight_processes_on_one_store_compute_each_chunk_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy", "safetensors.numpy", "repbench.embeddings.store"])
    done = context.Queue()
    workers = [context.Process(target=_compute, args=(tmp_path, done)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(done.get(timeout=5) for _ in range(4)) == [0, 10, 20, 30]
    assert done.empty()


def test_a_large_table_is_a_map_of_a_file_that_nobody_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(tmp_path, ADDRESS)
    for start in range(0, 60, 20):
        shelf.add(keys(20, start), rows(60, dim=6)[start : start + 20])
    wanted = [keys(60)[place] for place in np.random.default_rng(0).permutation(60)]
    small, frames = shelf.rows(wanted), shelf.frames(wanted, np.arange(60) % 2, 2)
    assert not isinstance(small.base, np.memmap)
    there = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(assembled, "LARGE", 0)
    large = shelf.rows(wanted)
    assert isinstance(large.base, np.memmap)
    assert type(large) is np.ndarray
    assert sorted(tmp_path.rglob("*")) == there
    np.testing.assert_array_equal(large, small)
    np.testing.assert_array_equal(shelf.frames(wanted, np.arange(60) % 2, 2), frames)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_table_for_which_no_file_can_be_had_is_made_in_memory(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    shelf = Shelf(tmp_path, ADDRESS)
    shelf.add(keys(5), rows(5))
    monkeypatch.setattr(assembled, "LARGE", 0)
    monkeypatch.setattr(os, "posix_fallocate", refused)
    table = shelf.rows(keys(5))
    assert not isinstance(table.base, np.memmap)
    np.testing.assert_array_equal(table, rows(5))


ASSEMBLED = """
import resource, sys
from pathlib import Path
import numpy as np
from repbench.embeddings import assembled
from repbench.embeddings.store import Address, Shelf

assembled.LARGE = float(sys.argv[2])
shelf = Shelf(Path(sys.argv[1]), Address(tower="abc", view="plain", precision="fp32"))
keys = [f"{place:032x}" for place in range(60_000)]
shelf.rows(keys[:600])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
most = 1024 * int(status["VmData"].split()[0]) + 60 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
assert shelf.rows(keys).sum() > 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is the kernel's of Linux")
@pytest.mark.parametrize(("large", "fits"), [("0", True), ("inf", False)])
def test_rows_of_a_large_split_take_no_memory_of_their_own(large: str, fits: bool, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, ADDRESS)
    for start in range(0, 60_000, 6_000):
        shelf.add(keys(6_000, start), np.ones((6_000, 1, 512), dtype=np.float32))  # 12 MB of 120
    done = subprocess.run([sys.executable, "-c", ASSEMBLED, str(tmp_path), large], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == fits, done.stderr[-2000:]
