"""What of the reference runs is committed: `python reference/commit.py RESULTS...` writes leaderboard/reference/.

With `--trained` it is leaderboard/trained/, the rows of docs/reference-results.md, every seed of every method. Of those as they
are committed, the board of the reference shows one seed of each method beside RESULTS, wherever it was asked the same question
on the same data. So commit the trained ones first.
The tables and the page lie there as `repbench publish` makes them; records and examples, many small files that compress well
together, lie beside them in records.tar.xz. `--check` unpacks it all into a temporary folder and verifies it as
`repbench verify` does; `--unpack FOLDER` leaves the whole pack in a folder. The same results give the same bytes.
"""

from __future__ import annotations

import argparse
import shutil
import tarfile
import tempfile
from pathlib import Path

from repbench.leaderboard.gather import open_board
from repbench.leaderboard.pack import RECORDS, Checked, make_pack, verify_pack
from repbench.results.files import read_examples, read_records, write_record
from repbench.results.record import DONE

BOARDS = Path(__file__).resolve().parents[1] / "leaderboard"
REFERENCE = BOARDS / "reference"
TRAINED = BOARDS / "trained"
ARCHIVE = "records.tar.xz"
NOTE = "UNPACK.md"
README = "README.md"
HOW = """The records of this board and their examples are in records.tar.xz:
`python reference/commit.py --unpack FOLDER` (with `--trained` for the board of that name) leaves the whole pack in a new
folder, and `repbench verify FOLDER` recomputes its numbers. `make reference` makes all of it anew.
"""
PACKED = "\nHere `records/` lies packed in records.tar.xz: UNPACK.md says how the pack is made whole.\n"  # in the README
SEED = "1"  # of each method; lengths were set by looks at seed 0 on the test splits, which favours it
MOST = 8_000_000  # bytes of all that is committed of a board; what each view adds to nine factors is a third of it


def main() -> None:
    """Write, check or unpack the committed board."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", type=Path, help="folders of results")
    parser.add_argument("--trained", action="store_true", help="the board of the reference trainers")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--unpack", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    board = TRAINED if given.trained else REFERENCE
    if given.results:
        with tempfile.TemporaryDirectory() as folder:
            beside = [] if given.trained else with_trained(given.results, Path(folder))
            write([*given.results, *beside], board)
    if given.unpack:
        unpack(board, given.unpack)
    if given.check:
        found = check(board)
        print("\n".join([*found.problems, f"{found.records} records, {found.recomputed} metrics recomputed"]))
        raise SystemExit(1 if found.problems else 0)


def write(results: list[Path], reference: Path) -> None:
    """Replace the committed board by that of these results. Raises SystemExit where it is too large to commit."""
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / "pack"
        make_pack(results, pack)
        archive(pack / RECORDS, pack / ARCHIVE)
        shutil.rmtree(pack / RECORDS)
        (pack / NOTE).write_text(HOW, encoding="utf-8")
        (pack / README).write_text((pack / README).read_text(encoding="utf-8") + PACKED, encoding="utf-8")
        size = sum(path.stat().st_size for path in pack.iterdir())
        if size > MOST:
            raise SystemExit(f"{size:,} bytes are more than {MOST:,}: leave out results.")
        shutil.rmtree(reference, ignore_errors=True)
        shutil.copytree(pack, reference)
    print(f"{reference}: {size:,} bytes")


def with_trained(results: list[Path], folder: Path, trained: Path = TRAINED) -> list[Path]:
    """A folder with the records of the committed board `trained`, one seed of each method, that answer a question of these
    results on the same data; [] where none is committed or none does."""
    if not (trained / ARCHIVE).is_file():
        return []
    asked = {(one.task, one.inputs.task_digest, one.inputs.dataset_fingerprint) for one in open_board(results)[0].done}
    unpack(trained, folder / "trained")
    found = folder / "beside"
    for record in read_records(folder / "trained" / RECORDS):
        question = record.task, record.inputs.task_digest, record.inputs.dataset_fingerprint
        if record.status == DONE and record.inputs.limit is None and record.notes.get("seed") == SEED and question in asked:
            write_record(found, record, read_examples(folder / "trained" / RECORDS, record))
    return [found] if found.is_dir() else []


def archive(folder: Path, path: Path) -> None:
    """All files of a folder in one archive, whose bytes depend on nothing but theirs and their names."""
    with tarfile.open(path, "w:xz", preset=9) as packed:
        for one in sorted(folder.rglob("*")):
            if one.is_file():
                entry = tarfile.TarInfo(one.relative_to(folder.parent).as_posix())
                entry.size = one.stat().st_size
                with open(one, "rb") as stream:
                    packed.addfile(entry, stream)


def unpack(reference: Path, folder: Path) -> None:
    """The pack as `repbench publish` made it, in a new folder. Raises FileNotFoundError where none is committed."""
    shutil.copytree(reference, folder, ignore=shutil.ignore_patterns(ARCHIVE, NOTE))
    (folder / README).write_text((folder / README).read_text(encoding="utf-8").removesuffix(PACKED), encoding="utf-8")
    with tarfile.open(reference / ARCHIVE) as packed:
        packed.extractall(folder, filter="data")


def check(reference: Path) -> Checked:
    """What `repbench verify` finds in the committed board."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(reference, Path(folder) / "pack")
        return verify_pack(Path(folder) / "pack")


if __name__ == "__main__":
    main()
