"""Writes the tables of versus/README.md from results/PROCESSOR/*.json: `python versus/report.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from common import HERE, RESULTS, Finding
from tabulate import tabulate

START, END = "<!-- tables: written by versus/report.py -->\n", "<!-- end of tables -->\n"
LETTERS = "ABCDEFGH"

Contents = Mapping[str, dict[str, Any]]  # letter of a machine to what a script saved there


def main() -> None:
    """Put the machines and the tables between the two marks of the README."""
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(START)
    _, after = rest.split(END)
    machines = dict(zip(LETTERS, sorted(path.name for path in RESULTS.iterdir()), strict=False))
    scripts: dict[str, dict[str, dict[str, Any]]] = {}
    for letter, folder in machines.items():
        for path in sorted((RESULTS / folder).glob("*.json")):
            scripts.setdefault(path.stem, {})[letter] = json.loads(path.read_text())
    sections = [_machines(scripts), *(_section(name, scripts[name]) for name in sorted(scripts))]
    readme.write_text(before + START + "\n" + "\n".join(sections) + "\n" + END + after)


def _machines(scripts: Mapping[str, Contents]) -> str:
    """Each machine, as its scripts found it, with the versions of the packages."""
    told: dict[str, str] = {}
    for contents in scripts.values():
        for letter, content in contents.items():
            here = content["machine"]
            versions = ", ".join(f"{name} {number}" for name, number in here["versions"].items())
            said = f", OPENBLAS_CORETYPE={kernels}" if (kernels := here["openblas_coretype"]) else ""
            told[letter] = f"- **{letter}**: {here['cores']} cores of {here['processor']}{said}; {versions}."
    return "\n".join(told[letter] for letter in sorted(told)) + "\n"


def _section(name: str, contents: Contents) -> str:
    found = {letter: {row["what"]: Finding(**row) for row in content["findings"]} for letter, content in contents.items()}
    whats = dict.fromkeys(what for letter in reversed(found) for what in found[letter])
    rows = [[what, *_row([found[letter].get(what) for letter in found])] for what in whats]
    table = tabulate(rows, headers=["what", "aim", *found], tablefmt="github")
    reasons = "".join(_reasons(letter, list(findings.values())) for letter, findings in found.items())
    return f"### {name}\n\n`python {next(iter(contents.values()))['script']}`\n\n{table}\n{reasons}\n"


def _row(findings: list[Finding | None]) -> list[str]:
    one = next(one for one in findings if one is not None)
    aim = f"{'≥' if one.higher_is_better else '≤'} {one.aim:g} {one.unit}"
    return [aim, *("" if one is None else _range(one) for one in findings)]


def _reasons(letter: str, findings: list[Finding]) -> str:
    """What stopped the figures that were not reached; a reason that several share is told once."""
    stopped: dict[str, list[str]] = {}
    for one in findings:
        if one.why:
            stopped.setdefault(one.why, []).append(one.what)
    return "".join(f"\n- {letter}: {'; '.join(whats)}: {why}" for why, whats in stopped.items())


def _range(one: Finding) -> str:
    """The median, bold where the aim was not reached, and the least and greatest round, where there are several."""
    median = f"{one.measured:.3g}" if one.reached else f"**{one.measured:.3g}**"
    return median if one.low == one.high else f"{median} ({one.low:.3g}, {one.high:.3g})"


if __name__ == "__main__":
    main()
