"""The board as one self-contained page that opens from disk: its data as JSON, its style and its script inside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from repbench.leaderboard.blind import beside_blind
from repbench.leaderboard.curves import Curves, run_and_step
from repbench.leaderboard.judge import Verdict, Verdicts
from repbench.leaderboard.label_free import foretold
from repbench.leaderboard.limits import examples_words
from repbench.leaderboard.opening import Opening, opening_of
from repbench.leaderboard.redundancy import few_tasks_line, tasks_alike
from repbench.leaderboard.tables import (
    Board,
    common_line,
    common_tasks,
    failed_lines,
    has_gaps,
    limit_line,
    nothing_line,
    stale_lines,
    who_share,
    wide_table,
)
from repbench.leaderboard.wide_rows import with_reported
from repbench.results.record import Record

MANY = 20_000  # cells above which the page keeps numbers and intervals, and leaves diagnostics to the records
Pairs = Mapping[str, Mapping[tuple[str, str], float]]  # task -> two encoders -> standard error of their paired difference


SCRIPTS = ("core", "table", "sight", "summary", "dialogs", "chart", "scatter", "heat", "curves", "main")  # joined in this order


def render_page(
    board: Board, verdicts: Verdicts | None = None, pairs: Pairs | None = None, curves: Curves | None = None
) -> str:
    """The HTML text. Names reach it as JSON in which no tag can end, and the script writes them as text only."""
    return fill_template(
        "page.html.jinja",
        styles=("page",),
        scripts=SCRIPTS,
        data=_content(board, verdicts or {}, pairs or {}, curves or {"tasks": {}, "cells": {}}),
        nothing="" if board.done else nothing_line(board),
        failed=failed_lines(board),
        stale=stale_lines(board),
        limit=limit_line(board),
        common=common_line(board),
    )


def fill_template(name: str, *, styles: Sequence[str], scripts: Sequence[str], data: Any, **words: Any) -> str:
    """A page of `web/` with its styles, scripts and data inside; nothing of `data` can end the element that holds it."""
    import jinja2
    from markupsafe import Markup

    folder = files("repbench") / "leaderboard" / "web"
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text: str = environment.from_string((folder / name).read_text(encoding="utf-8")).render(
        style=Markup("\n".join((folder / f"{one}.css").read_text(encoding="utf-8") for one in styles)),
        script=Markup("\n".join((folder / f"{one}.js").read_text(encoding="utf-8") for one in scripts)),
        data=Markup(safe_json(data)),
        **words,
    )
    return text


def safe_json(content: Any) -> str:
    """JSON in which no tag can begin or end."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028")


def page_holds(page: str, board: Board, verdicts: Verdicts) -> bool:
    """Whether the text of a page says what these records give: all but its curves and the errors of its pairs.

    Raises ValueError, KeyError or TypeError where it is no page of this version.
    """
    _, _, rest = page.partition('<script type="application/json" id="data">')
    found = json.loads(rest.partition("</script>")[0])
    expected = json.loads(safe_json(_content(board, verdicts, {}, {"tasks": {}, "cells": {}})))
    for one in (found, expected):
        del one["pairs"]
        for task in one["tasks"]:
            del task["classes"]
    for shown, row in zip(found["rows"], expected["rows"], strict=True):
        for place, cell in enumerate(row["cells"]):
            if cell is not None and shown["cells"][place] is not None:
                shown["cells"][place] = {key: shown["cells"][place][key] for key in cell}
    return _same(found, expected)


def _same(found: Any, expected: Any, tolerance: float = 2e-6) -> bool:
    """Whether two contents are the same, but for the last digit of numbers; p of drawn swaps may differ by a few draws."""
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(_same(found[key], one, 1e-3 if key == "p" else tolerance) for key, one in expected.items())
        )
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(_same, found, expected))
    if isinstance(expected, float) and isinstance(found, (int, float)):
        return abs(found - expected) <= tolerance * max(1.0, abs(expected))
    return bool(found == expected)


def _content(board: Board, verdicts: Verdicts, pairs: Pairs, curves: Curves) -> dict[str, Any]:
    records: dict[str, dict[str, Record]] = {}
    for record in (*board.done, *board.published):
        records.setdefault(record.encoder, {})[record.task] = record
    wide, tasks = with_reported(wide_table(board), board), board.tasks
    asked = {record.task: record for record in board.done}
    brief = len(board.done) > MANY
    number = {name: place for place, name in enumerate(wide["encoder"])}
    common = common_tasks(board)
    return {
        "common": len(common),
        "sharing": who_share(board),
        "gaps": has_gaps(board),
        "opening": _opening(opening_of(board, verdicts), tasks),
        "foretold": _foretold(board),
        "alike": _alike(board),
        "few": few_tasks_line(board),
        "tasks": [
            _task(asked[task], board.limits) | {"common": task in common, "classes": curves["tasks"].get(task)}
            for task in tasks
        ],
        "rows": [
            _row(entry, place, tasks, records[str(entry["encoder"])], verdicts, curves, brief)
            for place, entry in enumerate(wide.to_dict("records"))
        ],
        "pairs": [
            {f"{number[a]},{number[b]}": round(error, 9) for (a, b), error in sorted(pairs.get(task, {}).items())}
            for task in tasks
        ],
    }


def _opening(opening: Opening, tasks: list[str]) -> dict[str, Any]:
    number = {task: place for place, task in enumerate(tasks)}
    cards = [vars(one) | {"tasks": [number[task] for task in one.tasks]} for one in opening.cards]
    return {"lead": opening.lead, "groups": opening.groups, "cards": cards}


def _alike(board: Board) -> dict[str, Any]:
    """The tasks that judge, by their places, and below the diagonal how alike they rank the encoders, in hundredths."""
    rho, places = tasks_alike(board).to_numpy(), [board.tasks.index(task) for task in board.judging]
    below = [[None if np.isnan(one) else round(100 * float(one)) for one in row[:k]] for k, row in enumerate(rho)]
    return {"places": places, "rho": below if any(one is not None for row in below for one in row) else []}


def _foretold(board: Board) -> dict[str, list[float | int | None]]:
    """ "free|probe|dataset" -> Spearman's correlation of the two primary metrics, its interval, and over how many encoders."""
    return {
        f"{one.protocol}|{one.probe}|{one.dataset}": [_number(one.rho), _number(one.low), _number(one.high), one.n]
        for one in foretold(board)
        if one.primary
    }


def _task(record: Record, limits: Mapping[str, int]) -> dict[str, Any]:
    return {
        "name": record.task,
        "protocol": record.protocol,
        "dataset": record.dataset,
        "metric": record.primary,
        "chance": record.chance,
        "lower": not record.higher_is_better,
        "judges": record.judges,
        "data": record.inputs.dataset_fingerprint,
        "digest": record.inputs.task_digest,
        "version": record.task_version,
        "options": dict(record.options),
        **({"of": examples_words(limits[record.task])} if record.task in limits else {}),
    }


def _row(
    entry: Mapping[Any, Any],
    place: int,
    tasks: list[str],
    records: Mapping[str, Record],
    verdicts: Verdicts,
    curves: Curves,
    brief: bool,
) -> dict[str, Any]:
    one = next(iter(records.values()))
    dims = [int(tower["dim"]) for tower in one.towers.values() if "dim" in tower]
    sizes = [int(tower["parameters"]) for tower in one.towers.values() if tower.get("parameters")]
    drawn = curves["cells"].get(str(entry["encoder"]), {})
    run = run_and_step(one)
    return {
        "id": place,
        "name": entry["encoder"],
        "kind": entry["kind"],
        "source": _source(one),
        "cmean": _number(entry["common_mean"]),
        "crank": _number(entry["common_rank"]),
        "mean": _number(entry["mean"]),
        "norm": _number(entry["normalised_mean"]),
        "rank": _number(entry["mean_rank"]),
        "borda": _number(entry["borda"]),
        "place": [_number(entry["place_low"]), _number(entry["place_high"])],
        "drop": [_number(entry["drop_low"]), _number(entry["drop_high"])],
        "tasks": entry["tasks"],
        "dim": max(dims, default=None),
        "parameters": sum(sizes) or None,
        "milliseconds": _milliseconds(records.values()),
        "run": None if run is None else run[0],
        "step": None if run is None else run[1],
        "fingerprint": one.inputs.encoder_fingerprint,
        "towers": one.towers,
        "load": one.load_report,
        "notes": dict(one.notes),
        "command": one.circumstances.get("command", ""),
        "versions": one.versions,
        "cells": [_cell(records.get(task), verdicts, drawn.get(task, {}), brief) for task in tasks],
    }


def _source(record: Record) -> str:
    """Where a row comes from: the place in its name, or that it was trained by repbench, or only a name."""
    place, colon, _ = record.encoder.partition(":")
    if record.encoder_kind == "published":
        return record.encoder_kind
    return place if colon else "trained" if "method" in record.notes else "named"


def _milliseconds(records: Iterable[Record]) -> float | None:
    """Embedding time of an item as it was measured where these records were made; None where all was stored before."""
    told = [one.circumstances for one in records if one.circumstances.get("embedded")]
    items = sum(int(one["embedded"]) for one in told)
    return round(1000 * sum(float(one["seconds"]["embedding"]) for one in told) / items, 3) if items else None


def _cell(record: Record | None, verdicts: Verdicts, drawn: Mapping[str, Any], brief: bool) -> dict[str, Any] | None:
    if record is None or record.value is None:
        return None
    verdict = verdicts.get((record.encoder, record.task)) or Verdict(low=record.value.low, high=record.value.high)
    more: dict[str, Any] = {} if brief else {"m": {name: round(one.value, 6) for name, one in record.metrics.items()}}
    if not brief:
        more |= {"d": record.diagnostics, "t": record.circumstances.get("seconds", {})}
    return {
        "v": round(record.value.value, 6),
        "lo": _number(verdict.low),
        "hi": _number(verdict.high),
        "n": record.n,
        "b": verdict.bold,
        "p": _number(verdict.p),
        "rl": verdict.rank_low,
        "rh": verdict.rank_high,
        "g": verdict.group,
        "tested": verdict.tested,
        "s": _shade(record),
        **({"x": blind} if (blind := beside_blind(record)) else {}),
        **more,
        **drawn,
    }


def _number(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else round(float(value), 6)


def _shade(record: Record) -> float | None:
    """How far from chance to perfect, in [0, 1]; None where the scale is open."""
    if record.chance is None or not record.higher_is_better or record.chance >= 1 or record.value is None:
        return None
    return round(float(min(max((record.value.value - record.chance) / (1 - record.chance), 0.0), 1.0)), 3)
