"""The README is true: its code runs, its commands are known, the files that it names are there."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import click
import pytest

import repbench
from repbench import cli
from repbench.encoders.spec import parse_spec
from repbench.tasks import load_catalogue

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_its_python_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("REPBENCH_STORE", str(tmp_path))
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {})
    assert "accuracy" in capsys.readouterr().out


def test_the_examples_of_the_python_interface_run_and_its_names_are_all_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for code in blocks("python", page):
        exec(compile(code, "docs/api.md", "exec"), names)
    assert "patches" in capsys.readouterr().out
    assert all(f"`{name}`" in page for name in repbench.__all__)


def test_its_first_commands_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPBENCH_STORE", str(tmp_path / "store"))
    lines = [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    commands = [line for line in lines if line.startswith(("repbench run random", "repbench leaderboard"))]
    assert len(commands) == 2
    for command in commands:
        quick = ["--limit", "20", "--quiet"] if " run " in command else []
        monkeypatch.setattr(sys, "argv", [*shlex.split(command), *quick])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        assert status == 0
    assert (tmp_path / "board" / "leaderboard.csv").is_file()


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    lines = [line.split("  #")[0] for block in blocks("sh", page.read_text(encoding="utf-8")) for line in block.splitlines()]
    for line in lines:
        if not line.startswith("repbench "):
            continue
        command: click.Command = cli.cli
        name, *rest = shlex.split(line)
        while isinstance(command, click.Group):
            name, *rest = rest
            command = command.commands[name]
        try:
            command.make_context(name, rest)
        except click.BadParameter as error:
            if "does not exist" not in error.format_message():  # the folders of an example are not here
                raise


def test_every_encoder_that_it_names_parses() -> None:
    table = README.split("| an encoder is named by")[1].split("\n\n")[0]
    specs = [spec for line in table.splitlines()[2:] for spec in re.findall(r"`([^`]+)`", line.split("|")[1])]
    assert len(specs) >= 12
    for spec in specs:
        assert parse_spec(spec).target


def test_every_dataset_and_protocol_is_in_it() -> None:
    catalogue = load_catalogue()
    for name in [*catalogue.protocols, *(name for name, one in catalogue.datasets.items() if one.family != "fetched")]:
        assert f"`{name}`" in README, f"README does not name {name}"


def test_every_file_that_it_links_is_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target
