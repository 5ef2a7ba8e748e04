"""Secrets that a record must not hold: passwords in addresses, tokens by their form, and what the environment calls secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

HIDDEN = "***"
_NAMES = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY", re.I)
_SHORTEST = 8  # characters of a value of the environment that is looked for; shorter ones are words like "true"
_PARTS = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@'\"]+@", re.I), rf"\1{HIDDEN}@"),  # scheme://user:password@host
    (
        re.compile(r"\b([\w-]*(?:token|secret|password|passwd|signature|api[_-]?key|access[_-]?key))=([^\s&,;'\"]+)", re.I),
        rf"\1={HIDDEN}",
    ),
    (re.compile(r"\b(?:hf_|gh[opsu]_|github_pat_|glpat-|sk-|AKIA|ASIA)[A-Za-z0-9_-]{12,}"), HIDDEN),
    (re.compile(r"(\bBearer )\S+", re.I), rf"\1{HIDDEN}"),
)


def without_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The text with `***` for each secret: of the environment's variables those whose name says that they are one."""
    variables = os.environ if environment is None else environment
    secrets = {value for name, value in variables.items() if _NAMES.search(name) and len(value) >= _SHORTEST}
    for value in sorted(secrets, key=len, reverse=True):  # one may hold another
        text = text.replace(value, HIDDEN)
    for pattern, instead in _PARTS:
        text = pattern.sub(instead, text)
    return text
