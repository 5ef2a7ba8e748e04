"""No network unless asked: the suite runs with sockets blocked (conftest.py), and a run, a board and a plan ask for none."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from repbench import cli


def call(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["repbench", *arguments])
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


def test_the_block_holds() -> None:
    with pytest.raises(OSError, match="may not reach"), socket.socket() as one:
        one.connect(("192.0.2.1", 80))
    with pytest.raises(socket.gaierror, match="may not look up"):
        socket.getaddrinfo("example.org", 443)


def test_runs_plans_and_boards_ask_for_no_network_even_when_nothing_forbids_it(
    colours: Path, asked_for: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.endswith("_OFFLINE")]:
        monkeypatch.delenv(name)
    before = len(asked_for)
    places = ["--plugin", "colours.toml", "--data", "data", "--out", "results", "--store", "store", "--quiet"]
    with monkeypatch.context() as patch:
        patch.chdir(colours)
        run = ("run", "random:resnet18,size=32", "control:pixels", "--tasks", "*/colours,knn/digits", "--limit", "8", *places)
        assert call(*run) == 0
        assert call(*run, "--dry-run") == 0
        assert call("leaderboard", "results", "--out", "board") == 0
        assert call("list", "tasks") == 0
        assert call("data", "list") == 0
    assert asked_for[before:] == []
