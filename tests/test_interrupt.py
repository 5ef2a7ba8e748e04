"""Ctrl-C ends a command wherever it is, with words that say how to go on; `make torture` measures how soon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

STUBBORN = """
import sys, time

def load():
    print("ready", flush=True)
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            pass
"""
HANGING = """
import os, time
from repbench.encoders.load import load_encoder
from dataclasses import replace

def hang(image):
    os.write(1, b"ready\\n")  # whole: two processes say it at once
    time.sleep(600)

def load():
    encoder = load_encoder("control:pixels")
    return replace(encoder, towers={"image": replace(encoder.towers["image"], prepare=hang)})
"""


def _hears() -> None:
    """A test that runs in the background of a shell ignores SIGINT, and what it starts would too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize(
    ("code", "more"), [(STUBBORN, ()), (HANGING, ("--workers", "2"))], ids=["swallowed by a library", "a loader process hangs"]
)
def test_what_does_not_hear_of_it_is_ended_too(tmp_path: Path, code: str, more: tuple[str, ...]) -> None:
    (tmp_path / "mine.py").write_text(code)
    run = (
        "run",
        "mine.py:load",
        "--tasks",
        "knn/digits",
        "--limit",
        "20",
        "--out",
        "out",
        "--store",
        "store",
        "--quiet",
        *more,
    )
    command = subprocess.Popen(
        [sys.executable, "-m", "repbench", *run],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_hears,
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "ready\n"
    os.killpg(command.pid, signal.SIGINT)  # as a terminal does
    _, said = command.communicate(timeout=300)
    assert command.returncode == 130
    assert said.strip() == "interrupted; give the same command again to go on where it stopped."
    with pytest.raises(ProcessLookupError):
        os.killpg(command.pid, 0)  # no process of it is left
