"""The table of controls and blind rules of docs/compositional.md, from the records of a folder of results.

    export REPBENCH_PACKS=... # where `repbench data fetch stamps` wrote, if it did
    repbench run control:constant control:random control:nan ENCODER... --tasks 'compositional/*' --out results/
    python versus/agreement/controls.py results/ --write docs/compositional.md

Without --write it is printed. In the page it stands between the lines <!-- controls --> and <!-- /controls -->.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tabulate import tabulate

from repbench.results.files import read_records
from repbench.results.record import DONE, UNFIT, Record

SCORER = {"compositional": "", "compositional-itm": ", matching head", "compositional-lm": ", log p(text given image)"}
CONTROLS = ("control:constant", "control:random", "control:nan", "control:pixels")
BEGIN, END = "<!-- controls -->", "<!-- /controls -->"


def main() -> None:
    """Print the table, or write it into a page."""
    parser = argparse.ArgumentParser(description="Table of controls and blind rules from records.")
    parser.add_argument("results", type=Path, help="folder of results")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="a page with the two marks")
    options = parser.parse_args()
    found = table([record for record in read_records(options.results) if record.protocol in SCORER])
    if options.write is None:
        print(found)
        return
    page = options.write.read_text(encoding="utf-8")
    if not re.search(f"{BEGIN}.*{END}", page, re.DOTALL):
        raise SystemExit(f"{options.write} has no lines {BEGIN} and {END} to write between.")
    options.write.write_text(
        re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{found}\n{END}", page, flags=re.DOTALL), encoding="utf-8"
    )
    print(f"wrote {options.write}")


def table(records: Sequence[Record]) -> str:
    """Chance, controls, blind rules, then encoders by each of their scorers: percent with 95 % interval, a column a probe."""
    names = sorted({record.dataset for record in records if record.status == DONE})
    rows = [["chance", *(_first(records, name, lambda one: _percent(one.chance)) for name in names)]]
    encoders = dict.fromkeys(sorted((one.encoder for one in records), key=_order))
    controls = [name for name in encoders if name in CONTROLS]
    for encoder in controls:
        rows += _encoder_rows(encoder, records, names, shuffled=False)
    rows += _blind_rows(records, names)
    for encoder in encoders:
        if encoder not in CONTROLS:
            rows += _encoder_rows(encoder, records, names, shuffled=True)
    return str(tabulate(rows, headers=["", *names], tablefmt="github", disable_numparse=True))


def _encoder_rows(encoder: str, records: Sequence[Record], names: Sequence[str], *, shuffled: bool) -> list[list[str]]:
    """A row a scorer that the encoder has; equal rows of a control are one. With `shuffled` its score on others' images too."""
    rows: list[list[str]] = []
    asked = 0
    for protocol, words in SCORER.items():
        own = {one.dataset: one for one in records if (one.encoder, one.protocol) == (encoder, protocol)}
        if not own or all(one.status != DONE and one.reason.startswith(UNFIT) for one in own.values()):
            continue
        asked += 1
        cells = [_cell(own.get(name)) for name in names]
        if not any(row[1:] == cells for row in rows):
            rows.append([f"`{encoder}`{words}", *cells])
        if shuffled and any("shuffled-images" in one.metrics for one in own.values()):
            rows.append(["the same, shuffled images", *(_cell(own.get(name), "shuffled-images") for name in names)])
    if len(rows) == 1 and asked == len(SCORER):
        rows[0][0] = f"`{encoder}`, every scorer"
    return rows


def _blind_rows(records: Sequence[Record], names: Sequence[str]) -> list[list[str]]:
    """A row a blind rule; rules that score the same everywhere share one."""
    told = {name: [dict(one.diagnostics["blind"]["rules"]) for one in _blind(records, name)] for name in names}
    rules = dict.fromkeys(rule for found in told.values() for one in found for rule in one if not rule.startswith(OWN))
    together: dict[tuple[str, ...], list[str]] = {}
    for rule in rules:
        cells = tuple(_percent(next((one[rule] for one in told[name] if rule in one), None)) for name in names)
        together.setdefault(cells, []).append(rule)
    return [["; ".join(words), *cells] for cells, words in together.items()]


OWN = ("typical for its own", "its own")  # what hangs on the encoder is no row of its own


def _blind(records: Iterable[Record], name: str) -> list[Record]:
    return [one for one in records if one.dataset == name and one.status == DONE and "blind" in one.diagnostics]


def _cell(record: Record | None, metric: str = "") -> str:
    if record is None:
        return "–"
    if record.status != DONE:
        return "–" if record.reason.startswith(UNFIT) else "fails"
    found = record.metrics.get(metric or record.primary or "")
    if found is None:
        return "–"
    if found.low is None or found.high is None or found.low == found.high:
        return _percent(found.value)
    return f"{_percent(found.value)} [{_percent(found.low)}, {_percent(found.high)}]"


def _first(records: Sequence[Record], name: str, cell: Callable[[Record], str]) -> str:
    return next((cell(one) for one in records if one.dataset == name and one.status == DONE), "–")


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _order(encoder: str) -> tuple[int, str]:
    return (CONTROLS.index(encoder) if encoder in CONTROLS else len(CONTROLS), encoder)


if __name__ == "__main__":
    main()
