"""The oldest versions that pyproject.toml lets in, as constraints of pip: `make test-minimum` tests with them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


def minimum() -> list[str]:
    """A line `name==version` for each requirement that has a lower bound, extras too."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    found = {}
    for one in wanted:
        if match := re.match(r"([A-Za-z0-9_-]+)(?:\[[^]]*\])?>=([0-9.]+)", one):
            found[match[1].lower()] = match[2]
    return [f"{name}=={version}" for name, version in sorted(found.items())]


if __name__ == "__main__":
    print("\n".join(minimum()))
