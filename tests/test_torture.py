"""The short form of `make torture`: a few runs that are killed, interrupted, damaged, refused their disk, told a wrong time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_few_disturbed_runs_end_in_the_bytes_of_the_undisturbed_one() -> None:
    script = Path(__file__).with_name("torture.py")
    command = [sys.executable, str(script), "--times", "0.01", "--only", "kill,interrupt,damage,full,disk,refuse,skew"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("nothing was lost\n")
