"""Score while training: tasks on the live encoder every few epochs, and a watch over the checkpoints of any run."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from repbench.api import evaluate
from repbench.errors import RepbenchError, UsageError
from repbench.leaderboard.curves import curves_of
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.judge import judge, paired_errors
from repbench.leaderboard.publish import publish
from repbench.quality import add_quality, read_quality
from repbench.tasks import load_catalogue, patterns
from repbench.trainers.files import RunFiles
from repbench.trainers.loop import Reached

ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt", ".tar", ".bin")
Log = Callable[[str], None]
QualityRow = tuple[str, int, str, str, float]


def evaluator(files: RunFiles, tasks: str, every: int, log: Log, **options: Any) -> Callable[[Reached], None]:
    """What is called after each epoch: every `every` epochs and at the end it scores the live encoder, draws FILE.quality.png.

    The scores are of the test split: to choose an epoch by them would be to choose on the test. A run that begins anew begins
    its table anew. `options` are those of `repbench.evaluate`: where the data lie, plug-ins.
    """
    path = files.weights.with_suffix(".quality.csv")
    done = set(read_quality(path).step) if files.state.exists() else None

    def after(reached: Reached) -> None:
        nonlocal done
        if done is None:
            path.unlink(missing_ok=True)
            done = set()
        if (reached.epoch % every and not reached.is_last) or reached.step in done:
            return
        with tempfile.TemporaryDirectory() as folder:
            snapshot = RunFiles(Path(folder) / files.weights.name)
            snapshot.export(reached.method.towers(), {**reached.identity, "versions": {}})
            given = {"store": Path(folder), "log": log, **options}
            rows = scores(f"trained:{snapshot.weights}", files.weights.name, reached.step, tasks, **given)
        if not rows:  # every task failed, and said why
            return
        add_quality(path, rows)
        log(f"epoch {reached.epoch:g}  " + "  ".join(f"{task} {value:.3f}" for _, _, task, _, value in rows))

    return after


def scores(spec: str, run: str, step: int, tasks: str, *, log: Log, **options: Any) -> list[QualityRow]:
    """The primary metric of each task, as rows of the quality table; a task that fails gives none, and `log` is told why."""
    table = evaluate(spec, tasks, quiet=True, **options)
    for failed in table[table.metric == "failed"].itertuples():
        log(f"{failed.task} failed: {failed.reason}")
    primary = table[table.metric != "failed"].drop_duplicates("task")
    return [(run, step, *row) for row in zip(primary.task, primary.metric, map(float, primary.value), strict=True)]


def watch(
    folder: Path,
    tasks: str,
    *,
    out: Path,
    arch: str | None,
    interval: float,
    once: bool,
    log: Log,
    plugins: Sequence[Path] = (),
    data: Path | None = None,
) -> None:
    """Evaluate each checkpoint in `folder`, now and (unless `once`) as they come; keep board and quality plot in `out` true.

    A checkpoint's step is what its description says, else the last number of its name, else its place in time.
    Raises UsageError for a folder without any.
    """
    load_catalogue(plugins).select(patterns(tasks))  # a wrong name is told before anything is waited for
    if not once:
        log(f"watching {folder} for {', '.join(ENDINGS)}; Ctrl-C ends it")
    seen: dict[Path, float] = {}
    while True:
        found = [path for path in checkpoints(folder) if seen.get(path) != path.stat().st_mtime]
        if once and not found:
            raise UsageError(f"{folder} holds no checkpoint ({', '.join(ENDINGS)}).")
        for path in found:
            seen[path] = path.stat().st_mtime
            if _watch_one(path, folder, tasks, out, arch, log, plugins=plugins, data=data):
                _publish(out, log)
        if once:
            return
        time.sleep(interval)


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints below a folder, oldest first; states of unfinished runs and files under way are none."""
    found = [path for path in folder.rglob("*") if path.suffix in ENDINGS and path.is_file()]
    kept = [path for path in found if not path.name.startswith(".") and not path.name.endswith(".state.pt")]
    return sorted(kept, key=lambda path: (path.stat().st_mtime, path.name))


def step_of(path: Path, place: int) -> int:
    """The steps that our description tells, else the last number of the name, 40 of "simclr-epoch-40.pt", else `place`."""
    numbers = re.findall(r"\d+", path.stem)
    told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8")).get("steps") if _is_ours(path) else None
    return int(told if told is not None else numbers[-1] if numbers else place)


def run_of(path: Path) -> str:
    """The run of a checkpoint: its name without a step. A bare number is a step in others' names, in ours maybe a seed."""
    word = "(epoch|step|checkpoint)" if _is_ours(path) else "(epoch|step|checkpoint)?"
    return re.sub(rf"[-_.]?{word}[-_=]?\d+$", "", path.stem) or path.parent.name


def _is_ours(path: Path) -> bool:
    return path.suffix == ".safetensors" and path.with_suffix(".json").is_file()


def spec_of(path: Path, arch: str | None) -> str:
    """How the checkpoint is named as an encoder: ours by its description, others by their architecture."""
    if _is_ours(path):
        return f"trained:{path}"
    return f"{path},arch={arch}" if arch else str(path)


def _watch_one(path: Path, folder: Path, tasks: str, out: Path, arch: str | None, log: Log, **options: Any) -> bool:
    """Whether it could be evaluated."""
    step = step_of(path, checkpoints(folder).index(path))
    places = {"out": out / "results", "store": out / "store"}
    try:
        rows = scores(spec_of(path, arch), run_of(path), step, tasks, log=log, **places, **options)
    except UsageError:
        raise
    except RepbenchError as error:
        log(f"{path.name}: {error}")
        return False
    add_quality(out / "quality.csv", rows)
    log(f"{path.name}  " + "  ".join(f"{task} {value:.3f}" for _, _, task, _, value in rows))
    return True


def _publish(out: Path, log: Log) -> None:
    board, read = open_board([out / "results"])
    if board.done:
        publish(board, out, judge(board, read), paired_errors(board, read), curves_of(board, read))
        log(f"board and quality.png in {out}")
