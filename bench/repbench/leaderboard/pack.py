"""A board to hand on: records, examples and tables in one folder, with a manifest of hashes; and the check of such a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repbench import __version__
from repbench.errors import RepbenchError, UsageError
from repbench.leaderboard.curves import curves_of
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.judge import judge, paired_errors
from repbench.leaderboard.publish import publish
from repbench.leaderboard.recompute import recompute
from repbench.leaderboard.recompute_tables import unlike_tables
from repbench.results.files import write_atomically
from repbench.results.merge import merge

MANIFEST, RECORDS, FORMAT = "manifest.json", "records", 1
CARD = """---
pretty_name: repbench leaderboard
configs:
- config_name: leaderboard
  data_files: leaderboard.parquet
---

# A leaderboard of repbench

{encoders} encoders on {tasks} tasks. `leaderboard.html` opens from disk; `leaderboard.csv` has one row an encoder,
`leaderboard.parquet` one row a metric, with intervals; `records/` holds every record with its per-example outcomes.

`repbench verify FOLDER` recomputes the numbers from the examples and checks every file against `manifest.json`.
"""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found: problems in words; how many numbers were recomputed, how many no example can give."""

    problems: tuple[str, ...]
    files: int
    records: int
    recomputed: int
    not_recomputable: int


def make_pack(results: Sequence[Path], folder: Path) -> list[Path]:
    """Write the pack of all records below `results` into an empty or new folder; returns its files.

    Raises UsageError for a folder that holds something, and for results without any record.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty; a pack needs a folder of its own.")
    board, read = open_board(results)
    if not board.done:
        raise UsageError(f"no results below {', '.join(map(str, results))}: there is nothing to publish.")
    merge(results, folder / RECORDS)
    publish(board, folder, judge(board, read), paired_errors(board, read), curves_of(board, read))
    encoders = len({record.encoder for record in board.done})
    write_atomically(folder / "README.md", CARD.format(encoders=encoders, tasks=len(board.tasks)))
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    entries = {path.relative_to(folder).as_posix(): _entry(path) for path in paths}
    manifest = {"format": FORMAT, "repbench": __version__, "files": entries}
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    return [*paths, folder / MANIFEST]


def verify_pack(folder: Path) -> Checked:
    """Check every file against the manifest, every number against its examples, and the tables against the records.

    Raises UsageError for a folder that is no pack.
    """
    entries = _manifest(folder)
    problems = _changed_files(folder, entries)
    recomputed = impossible = count = 0
    try:
        board, read = open_board([folder / RECORDS])
    except RepbenchError as error:
        return Checked(problems=(*problems, str(error)), files=len(entries), records=0, recomputed=0, not_recomputable=0)
    for record in (*board.done, *board.stale):
        count += 1
        try:
            examples = read(record)
        except RepbenchError as error:
            problems.append(str(error))
            continue
        found = recompute(record, examples)
        problems += [f"{record.encoder} on {record.task}: {line}" for line in found.problems]
        recomputed += found.recomputed
        impossible += found.impossible
    problems += unlike_tables(folder, board, read)
    return Checked(
        problems=tuple(problems), files=len(entries), records=count, recomputed=recomputed, not_recomputable=impossible
    )


def _manifest(folder: Path) -> dict[str, dict[str, object]]:
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError(f"{folder} holds no {MANIFEST}, so it is no pack; `repbench publish {folder} --to PACK` makes one.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        entries = {str(name): dict(entry) for name, entry in manifest["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path} is no manifest of repbench ({error}).") from error
    if manifest.get("format") != FORMAT:
        raise UsageError(f"{path}: format {manifest.get('format')!r}; this version of repbench reads {FORMAT}.")
    return entries


def _changed_files(folder: Path, entries: dict[str, dict[str, object]]) -> list[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    problems = [f"{name} is missing" for name in sorted(set(entries) - found)]
    problems += [f"{name} is not in the manifest" for name in sorted(found - set(entries))]
    for name in sorted(found & set(entries)):
        if _entry(folder / name) != entries[name]:
            problems.append(f"{name} has changed since it was packed")
    return problems


def _entry(path: Path) -> dict[str, object]:
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
