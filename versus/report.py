"""Writes the tables of versus/README.md from results/PROCESSOR/*.json: `python versus/report.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from common import HERE, RESULTS, Finding
from tabulate import tabulate

START, END = "<!-- tables: written by versus/report.py -->\n", "<!-- end of tables -->\n"

Contents = Mapping[str, dict[str, Any]]  # folder of a processor to what a script saved there


def main() -> None:
    """Put the machines and the tables between the two marks of the README."""
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(START)
    _, after = rest.split(END)
    scripts: dict[str, dict[str, dict[str, Any]]] = {}
    for folder in sorted(RESULTS.iterdir()):
        for path in sorted(folder.glob("*.json")):
            scripts.setdefault(path.stem, {})[folder.name] = json.loads(path.read_text())
    sections = [_machines(scripts), *(_section(name, scripts[name]) for name in sorted(scripts))]
    readme.write_text(before + START + "\n" + "\n".join(sections) + "\n" + END + after)


def _machines(scripts: Mapping[str, Contents]) -> str:
    """Each machine, as its scripts found it, with the versions of the packages."""
    told: dict[str, str] = {}
    for contents in scripts.values():
        for folder, content in contents.items():
            here = content["machine"]
            versions = ", ".join(f"{name} {number}" for name, number in here["versions"].items())
            said = f", OPENBLAS_CORETYPE={kernels}" if (kernels := here["openblas_coretype"]) else ""
            told[folder] = f"- **{folder}**: {here['cores']} cores of {here['processor']}{said}; {versions}."
    return "\n".join(told[folder] for folder in sorted(told)) + "\n"


def _section(name: str, contents: Contents) -> str:
    found = {folder: {row["what"]: Finding(**row) for row in content["findings"]} for folder, content in contents.items()}
    whats = dict.fromkeys(what for folder in reversed(found) for what in found[folder])
    rows = [[what, *_row([findings.get(what) for findings in found.values()])] for what in whats]
    table = tabulate(rows, headers=["what", "aim", *found], tablefmt="github")
    reasons = "".join(_reasons(folder, list(findings.values())) for folder, findings in found.items())
    return f"### {name}\n\n`python {next(iter(contents.values()))['script']}`\n\n{table}\n{reasons}\n"


def _row(findings: list[Finding | None]) -> list[str]:
    one = next(one for one in findings if one is not None)
    aim = f"{'≥' if one.higher_is_better else '≤'} {one.aim:g} {one.unit}"
    return [aim, *("" if one is None else _range(one) for one in findings)]


def _reasons(folder: str, findings: list[Finding]) -> str:
    """What stopped the figures that were not reached; a reason that several share is told once."""
    stopped: dict[str, list[str]] = {}
    for one in findings:
        if one.why:
            stopped.setdefault(one.why, []).append(one.what)
    return "".join(f"\n- {folder}: {'; '.join(whats)}: {why}" for why, whats in stopped.items())


def _range(one: Finding) -> str:
    """The median, bold where the aim was not reached, and the least and greatest round, where there are several."""
    median = f"{one.measured:.3g}" if one.reached else f"**{one.measured:.3g}**"
    return median if one.low == one.high else f"{median} ({one.low:.3g}, {one.high:.3g})"


if __name__ == "__main__":
    main()
