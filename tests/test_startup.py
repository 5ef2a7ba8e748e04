"""What only reads loads no model library: told by Python itself, `-X importtime`. Seconds are measured in versus/startup.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repbench.results.files import write_record
from tests.leaderboard.test_tables import RECORDS

HEAVY = {"torch", "torchvision", "timm", "open_clip", "transformers", "faiss", "sklearn", "matplotlib", "datasets"}
BESIDES = {"--help": {"pandas", "scipy", "numpy"}}


@pytest.mark.parametrize("line", ["--help", "list tasks", "leaderboard results --out board", "show results"])
def test_no_model_library_is_imported(line: str, tmp_path: Path) -> None:
    for record in RECORDS:
        write_record(tmp_path / "results", record, None)
    command = [sys.executable, "-X", "importtime", "-m", "repbench", *line.split()]
    source = str(Path(__file__).resolve().parents[1] / "bench")
    environment = {**os.environ, "PYTHONPATH": source, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    imported = {text.rpartition("|")[2].strip() for text in done.stderr.splitlines() if text.startswith("import time:")}
    assert "repbench.cli" in imported
    assert imported & (HEAVY | BESIDES.get(line, set())) == set()
