"""A user's own prompts for zero-shot, in place of the declared ones: `--prompts FILE`.

    prompts.txt    one template a line
    prompts.json   a list of templates, or an object of class -> list of descriptions (as CuPL publishes them)
    prompts.toml   templates = [...], and tables `names` and `descriptions`, as under [prompts] of a declaration

A template has the placeholder {c}, or {} as in OpenAI's lists.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from repbench.datasets.declaration import DatasetDeclaration, Prompts
from repbench.errors import UsageError, did_you_mean
from repbench.strict import build, read_toml


def read_prompts(path: Path) -> Prompts:
    """The prompts of a file. Raises UsageError or DeclarationError that names it."""
    if path.suffix == ".toml":
        table = read_toml(path)
        if isinstance(table.get("templates"), list):
            table["templates"] = [_template(str(one)) for one in table["templates"]]
        return build(Prompts, {"templates": [], **table}, str(path))
    try:
        text = path.read_text(encoding="utf-8")
        found: Any = (
            json.loads(text) if path.suffix == ".json" else [line.strip() for line in text.splitlines() if line.strip()]
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"--prompts {path}: cannot be read ({error}).") from error
    if isinstance(found, dict):
        return build(Prompts, {"templates": [], "descriptions": found}, str(path))
    if not isinstance(found, list):
        raise UsageError(f"--prompts {path}: expected a list of templates, or an object of class -> list of descriptions.")
    return build(Prompts, {"templates": [_template(str(one)) for one in found]}, str(path))


def with_prompts(declaration: DatasetDeclaration, own: Prompts) -> DatasetDeclaration:
    """A declaration with the user's prompts; how its classes are said stays, unless these say otherwise.

    Raises UsageError for descriptions or names of classes that it does not have.
    """
    if not isinstance(declaration.classes, int):
        for name in (*own.descriptions, *own.names):
            if name not in declaration.classes:
                nearest = did_you_mean(name, declaration.classes)
                raise UsageError(f"--prompts: {declaration.name} has no class {name!r}.{nearest}")
    declared = declaration.prompts.names if declaration.prompts is not None else {}
    return replace(declaration, prompts=replace(own, names={**declared, **own.names}))


def _template(text: str) -> str:
    return text if "{c}" in text else text.replace("{}", "{c}")
