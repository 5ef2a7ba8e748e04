"""Tables that fit a width: as many columns beside each other as there is room, the others in blocks below; long names wrap."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import click

GAP = 2  # spaces between two columns
LINES = 6  # of a heading
BREAKS = re.compile(r"(?<=[:,/+_ -])")  # after these a name may go on in the next line


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading, which may wrap, and a cell for each row; a cell may be styled and have several lines."""

    title: str
    cells: Sequence[str]
    left: bool = False


def in_blocks(first: Column, columns: Sequence[Column], width: int, letters: int) -> str:
    """The table in blocks of at most `width` letters, each of which begins with the column `first`.

    A heading wraps at `letters`, or at what its cells need. A column that is wider than the room has a block of its own.
    """
    blocks: list[list[Column]] = [[]]
    room = width - width_of(first, width)
    used = 0
    for column in columns:
        needed = GAP + width_of(column, letters)
        if blocks[-1] and used + needed > room:
            blocks.append([])
            used = 0
        blocks[-1].append(column)
        used += needed
    return "\n\n".join(_block([first, *block], letters, width) for block in blocks)


def wrapped_name(name: str, letters: int) -> list[str]:
    """A name in lines of at most so many letters, broken where its parts end if that is possible."""
    lines = [""]
    for part in BREAKS.split(name):
        pieces = [part[at : at + letters] for at in range(0, len(part), letters)] or [""]
        for piece in pieces:
            if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > letters:
                lines.append("")
            lines[-1] += piece
    lines = [line.rstrip() for line in lines]
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], f"{lines[LINES - 1][: letters - 1]}…"]


def in_lines(text: str, width: int) -> str:
    """Text in lines of at most `width` letters."""
    return "\n".join(textwrap.wrap(text, max(10, width), break_on_hyphens=False)) or ""


def width_of(column: Column, letters: int) -> int:
    """Letters that a column takes whose heading wraps at `letters`."""
    cells = max((len(line) for cell in column.cells for line in click.unstyle(cell).split("\n")), default=0)
    return max([cells, *map(len, wrapped_name(column.title, max(letters, cells)))])


def _block(columns: Sequence[Column], letters: int, width: int) -> str:
    widths = [width_of(column, width if place == 0 else letters) for place, column in enumerate(columns)]
    heads = [wrapped_name(column.title, wide) for column, wide in zip(columns, widths, strict=True)]
    height = max(map(len, heads))
    lines = [[*[""] * (height - len(head)), *head] for head in heads]
    rows = [_line([head[at] for head in lines], columns, widths) for at in range(height)]
    rows.append(_line(["-" * wide for wide in widths], columns, widths))
    for cells in zip(*(column.cells for column in columns), strict=True):
        parts = [cell.split("\n") for cell in cells]
        for at in range(max(map(len, parts))):
            rows.append(_line([part[at] if at < len(part) else "" for part in parts], columns, widths))
    return "\n".join(rows)


def _line(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    padded = []
    for cell, column, wide in zip(cells, columns, widths, strict=True):
        space = " " * (wide - len(click.unstyle(cell)))
        padded.append(cell + space if column.left else space + cell)
    return (" " * GAP).join(padded).rstrip()
