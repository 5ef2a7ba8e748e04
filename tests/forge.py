"""Records that were edited by somebody who knows how: the digests fit what stands there now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from repbench.digests import digest_bytes
from repbench.results.files import EXAMPLES
from repbench.results.record import DIGEST, record_from_json


def table_of(path: Path) -> dict[str, Any]:
    """The record in a file as a table to change."""
    table: dict[str, Any] = json.loads(path.read_text())
    del table["circumstances"][DIGEST]
    return table | {"schema": 1}


def write_forged(path: Path, table: dict[str, Any]) -> None:
    """Write a changed table as a record that vouches for itself, and for the examples that lie beside it now."""
    examples = path.with_suffix(".parquet")
    if examples.exists():
        table["circumstances"][EXAMPLES] = digest_bytes(examples.read_bytes())
    path.write_text(record_from_json(json.dumps(table), str(path)).to_json())
