"""The board as a LaTeX table for a paper (booktabs): tasks down, encoders across."""

from __future__ import annotations

import pandas as pd

from repbench.leaderboard.judge import Verdict, Verdicts
from repbench.leaderboard.tables import Board, common_tasks, limit_line, task_title, wide_table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def latex(board: Board, verdicts: Verdicts) -> str:
    """A tabular with rules of booktabs; bold as on the page; every name is escaped."""
    wide = wide_table(board).set_index("encoder")
    cells = {task: wide[task].to_dict() for task in board.tasks}
    titles = {task: escaped(task_title(board, task)) for task in board.tasks}
    which = f"{len(common_tasks(board))} common tasks"
    lines = [
        "% needs \\usepackage{booktabs}",
        *(f"% {line}" for line in filter(None, [limit_line(board)])),
        f"\\begin{{tabular}}{{l{'r' * len(wide)}}}",
        "\\toprule",
        _line(["task", *(escaped(str(name)) for name in wide.index)]),
        "\\midrule",
        *(
            _line([titles[task], *(_cell(cells[task][name], verdicts.get((name, task))) for name in wide.index)])
            for task in board.tasks
        ),
        "\\midrule",
        _line([f"mean ({which})", *(_shown(value, 3) for value in wide["common_mean"])]),
        _line([f"mean rank ({which})", *(_shown(value, 2) for value in wide["common_rank"])]),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(letter, letter) for letter in " ".join(text.split()))


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(value: float, verdict: Verdict | None) -> str:
    text = _shown(value, 3)
    return rf"\textbf{{{text}}}" if verdict is not None and verdict.bold else text


def _shown(value: float, digits: int) -> str:
    return "--" if pd.isna(value) else f"{value:.{digits}f}"
