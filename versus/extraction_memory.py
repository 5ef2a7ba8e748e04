"""Peak memory of `repbench run` over a short and a long split: `python versus/extraction_memory.py`.

JPEG files of 128 x 96 pixels, a small network with random weights, one task; the peak is that of the process of the command
(resident, as the kernel counts it). What is decoded for later encoders is kept up to 256 MB, which both lengths fill.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import figure, save
from PIL import Image

CLASSES, TEST = 10, 100
SHORT, LONG = 8_000, 24_000  # pictures; 37 kB each as PIL holds them
ENCODER, TASK = "random:small:resnet,size=32", "knn/many"
TOML = 'title = "Many"\nmetric = "accuracy"\nclasses = {}\n[splits]\ntrain = {}\ntest = {}\n[sources.folder]\npath = "many"\n'


def write_dataset(root: Path, count: int) -> None:
    """`root/many.toml` and `root/data/many/SPLIT/CLASS/NNNNNN.jpg`."""
    generator = np.random.default_rng(0)
    (root / "many.toml").write_text(TOML.format(CLASSES, count, TEST))
    for split, size in (("train", count), ("test", TEST)):
        for place in range(size):
            folder = root / "data" / "many" / split / f"thing{place % CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 255, (24, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((128, 96)).save(folder / f"{place:06d}.jpg", quality=60)


def peak(count: int) -> float:
    """GiB of a run over so many pictures."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_dataset(root, count)
        command = [str(Path(sys.executable).with_name("repbench")), "run", ENCODER, "--tasks", TASK, "--quiet"]
        command += ["--plugin", "many.toml", "--data", "data", "--out", "results", "--store", "store"]
        process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        return usage.ru_maxrss / 2**20


def main() -> None:
    """Both lengths, each in a process of its own."""
    peaks = {count: peak(count) for count in (SHORT, LONG)}
    what = f"peak memory of a run over {LONG} pictures less that over {SHORT}"
    finding = figure(what, [peaks[LONG] - peaks[SHORT]], 0.25, unit="GiB", higher_is_better=False)
    save(__file__, [finding], {"peak_gib": peaks})


if __name__ == "__main__":
    main()
