"""Peak memory of a probe as large as Food-101's, features read from a memory map: `python versus/probe_memory.py`.

75,750 x 2,048 float32 (620 MB), 101 classes: 60,600 rows to fit the 45 strengths, 15,150 to choose, all to refit. The peak is
the whole process's (resident, pages of the map included), as the kernel counts it since the process began (VmHWM; the maximum
of getrusage begins with that of the process that called it, which made the data).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import figure, save
from probe import data, probe

from repbench.measure import logistic

ROWS, WIDTH, CLASSES, SEPARATION = 75_750, 2_048, 101, 0.16


def measure(folder: Path) -> None:
    """In a process of its own: the probe, from the map; prints its seconds, peak in GiB and what it found."""
    x = np.load(folder / "x.npy", mmap_mode="r")
    y = np.load(folder / "y.npy")
    cut = int(0.8 * ROWS)
    began = time.perf_counter()
    path, final, score = probe(x[:cut], y[:cut], x[cut:], y[cut:], logistic.CERTIFIED)
    seconds = time.perf_counter() - began
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmHWM"].split()[0]) / 2**20
    proven = sum(one.converged for one in path)
    print(json.dumps({"seconds": seconds, "peak": peak, "proven": proven, "refit": final.converged, "validation": score}))


def main() -> None:
    """Write the features, measure in a new process, save what it says."""
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        x, y = data(ROWS, WIDTH, CLASSES, SEPARATION)
        np.save(Path(folder) / "x.npy", x)
        np.save(Path(folder) / "y.npy", y)
        del x
        done = subprocess.run([sys.executable, __file__, folder], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    what = f"probe of {ROWS} x {WIDTH} x {CLASSES} from a memory map"
    findings = [
        figure(f"{what}: peak memory of the process", [found["peak"]], 4, unit="GiB", higher_is_better=False),
        figure(f"{what}: strengths proven", [found["proven"]], len(logistic.STRENGTHS), unit=""),
    ]
    save(__file__, findings, found)


if __name__ == "__main__":
    main()
