"""What of the reference runs is committed: `python reference/commit.py RESULTS...` writes leaderboard/reference/.

With `--trained` it is leaderboard/trained/, the rows of docs/reference-results.md, every seed of every method.
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

from repbench.leaderboard.pack import RECORDS, Checked, make_pack, verify_pack

BOARDS = Path(__file__).resolve().parents[1] / "leaderboard"
REFERENCE = BOARDS / "reference"
TRAINED = BOARDS / "trained"
ARCHIVE = "records.tar.xz"
NOTE = "UNPACK.md"
HOW = """The records of this board and their examples are in records.tar.xz:
`python reference/commit.py --unpack FOLDER` (with `--trained` for the board of that name) leaves the whole pack in a new
folder, and `repbench verify FOLDER` recomputes its numbers. `make reference` makes all of it anew.
"""
MOST = 5_000_000  # bytes of all that is committed


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
        write(given.results, board)
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
        size = sum(path.stat().st_size for path in pack.iterdir())
        if size > MOST:
            raise SystemExit(f"{size:,} bytes are more than {MOST:,}: leave out results.")
        shutil.rmtree(reference, ignore_errors=True)
        shutil.copytree(pack, reference)
    print(f"{reference}: {size:,} bytes")


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
    with tarfile.open(reference / ARCHIVE) as packed:
        packed.extractall(folder, filter="data")


def check(reference: Path) -> Checked:
    """What `repbench verify` finds in the committed board."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(reference, Path(folder) / "pack")
        return verify_pack(Path(folder) / "pack")


if __name__ == "__main__":
    main()
