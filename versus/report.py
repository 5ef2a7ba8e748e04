"""Writes the tables of versus/README.md from results/*.json: `python versus/report.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common import HERE, RESULTS, Finding
from tabulate import tabulate

START, END = "<!-- tables: written by versus/report.py -->\n", "<!-- end of tables -->\n"


def main() -> None:
    """Put the tables between the two marks of the README."""
    readme = HERE / "README.md"
    before, rest = readme.read_text().split(START)
    _, after = rest.split(END)
    sections = [_section(json.loads(path.read_text())) for path in sorted(RESULTS.glob("*.json"))]
    readme.write_text(before + START + "\n" + "\n".join(sections) + "\n" + END + after)


def _section(content: dict[str, Any]) -> str:
    findings = [Finding(**one) for one in content["findings"]]
    rows = [
        [one.what, _range(one), f"{'≥' if one.higher_is_better else '≤'} {one.aim:g}", "yes" if one.reached else "**no**"]
        for one in findings
    ]
    table = tabulate(rows, headers=["what", "measured (least, greatest round)", "aim", "reached"], tablefmt="github")
    machine = content["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    said = f", OPENBLAS_CORETYPE={kernels}" if (kernels := machine["openblas_coretype"]) else ""
    name = Path(content["script"]).stem
    command = f"`python {content['script']}`"
    where = f"{command} on {machine['cores']} cores of {machine['processor']}{said}; {versions}."
    return f"### {name}\n\n{where}\n\n{table}\n{_reasons(findings)}\n"


def _reasons(findings: list[Finding]) -> str:
    """What stopped the figures that were not reached; a reason that several share is told once."""
    stopped: dict[str, list[str]] = {}
    for one in findings:
        if one.why:
            stopped.setdefault(one.why, []).append(one.what)
    return "".join(f"\n- {'; '.join(whats)}: {why}" for why, whats in stopped.items())


def _range(one: Finding) -> str:
    return f"{one.measured:.3g} ({one.low:.3g}, {one.high:.3g}) {one.unit}"


if __name__ == "__main__":
    main()
