"""The README is true: its commands are known, what it names is there; tests/test_docs.py runs its code."""

from __future__ import annotations

import re
import shlex
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


def test_the_page_of_the_python_interface_has_all_its_names() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in repbench.__all__)


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
