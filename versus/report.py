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
    why = "".join(f"\n- {one.what}: {one.why}" for one in findings if one.why)
    name = Path(content["script"]).stem
    command = f"`python {content['script']}`"
    return f"### {name}\n\n{command} on {machine['cores']} cores of {machine['processor']}; {versions}.\n\n{table}\n{why}\n"


def _range(one: Finding) -> str:
    return f"{one.measured:.3g} ({one.low:.3g}, {one.high:.3g}) {one.unit}"


if __name__ == "__main__":
    main()
