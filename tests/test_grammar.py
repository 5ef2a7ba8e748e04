"""Grammar as a blind rule: what Link Grammar prints is read rightly, and where it is installed it tells order from disorder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from repbench import grammar
from repbench.cli import cli

PRINTED = """echo set to 1
A dog on the mat.
No complete linkages found.
Found 5 linkages (5 had no P.P. violations) at null count 2
\tLinkage 1, cost vector = (UNUSED=2 DIS= 0.00 LEN=8)
This is a dog on the mat.
Found 12 linkages (12 had no P.P. violations)
\tLinkage 1, cost vector = (UNUSED=0 DIS=-0.61 LEN=12)
\tLinkage 2, cost vector = (UNUSED=0 DIS= 0.10 LEN=12)
Bye.
"""


def test_words_left_over_cost_most_and_the_first_linkage_counts() -> None:
    lines = {"A dog on the mat.", "This is a dog on the mat.", "Nothing was said of this."}
    assert grammar.costs(PRINTED, lines) == {"A dog on the mat.": 20.0, "This is a dog on the mat.": -0.61}


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, prints: str) -> Path:
    """A link-parser that repeats what it is told, with a cost each."""
    path = folder / "link-parser"
    path.write_text(f'#!/bin/sh\ntee {folder}/told | while read -r line; do echo "$line"; {prints}; done\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "told"


def test_no_caption_reaches_the_program_as_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = program(tmp_path, monkeypatch, "echo 'cost vector = (UNUSED=1 DIS= 0.50 LEN=2)'")
    scores = grammar.grammar_scores(["!file /etc/passwd", "a dog\n!exit", "", "%"])
    assert set(scores.values()) == {-10.5}
    assert all(line[0].isalnum() for line in told.read_text().splitlines())


def test_an_audit_says_that_grammar_was_not_asked_where_it_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar, "is_here", lambda: False)
    file = tmp_path / "probe.json"
    file.write_text(json.dumps([{"caption": f"a dog {k}", "negative_caption": f"dog a {k}"} for k in range(20)]))
    assert "link-parser is not installed" in CliRunner().invoke(cli, ["audit-probe", str(file), "--encoder", ""]).output


@pytest.mark.skipif(not grammar.is_here(), reason="link-parser (Debian: link-grammar) is not installed")
def test_captions_in_their_order_are_more_grammatical_than_shuffled_ones() -> None:
    pairs = [
        ("a dog on the mat", "mat the on dog a"),
        ("A man rides a horse near a fence.", "man a horse rides fence near a"),
        ("two cups beside a red book", "cups red two book beside a"),
    ]
    scores = grammar.grammar_scores([text for pair in pairs for text in pair])
    assert all(scores[true] > scores[shuffled] for true, shuffled in pairs)
