"""Where a pack can go: a folder, a git repository, a dataset repository of the Hugging Face hub."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from repbench.errors import RepbenchError, UsageError
from repbench.leaderboard.pack import make_pack

FORMS = "a folder, git:REPOSITORY[#BRANCH], or hf-dataset:OWNER/NAME"
INSIDE = "repbench"  # the folder of a git repository that holds the pack; the rest of it is left alone


def send(results: Sequence[Path], to: str) -> str:
    """Pack the results and bring the pack there; returns what was done in words. Raises UsageError and RepbenchError."""
    if to.startswith("git:"):
        return _to_git(results, to.removeprefix("git:"))
    if to.startswith("hf-dataset:"):
        return _to_hub(results, to.removeprefix("hf-dataset:"))
    if to in ("git", "hf-dataset") or not to:
        raise UsageError(f"--to {to}: write {FORMS}.")
    files = make_pack(results, Path(to))
    return f"wrote {len(files)} files to {to}; `repbench verify {to}` checks them"


def _to_git(results: Sequence[Path], target: str) -> str:
    repository, _, branch = target.partition("#")
    if not repository:
        raise UsageError("--to git: names no repository; write git:PATH_OR_URL or git:PATH_OR_URL#BRANCH.")
    if Path(repository).exists():
        repository = str(Path(repository).resolve())  # git is called from another folder
    with tempfile.TemporaryDirectory() as temporary:
        clone = Path(temporary) / "clone"
        _git(
            Path(temporary), "clone", "--quiet", "--depth", "1", *(["--branch", branch] if branch else []), repository, "clone"
        )
        shutil.rmtree(clone / INSIDE, ignore_errors=True)
        files = make_pack(results, clone / INSIDE)
        _git(clone, "add", "--all", INSIDE)
        if not _git(clone, "status", "--porcelain"):
            return f"{repository} has this board already: nothing to commit"
        _git(clone, "commit", "--quiet", "-m", f"Leaderboard of repbench: {len(files)} files")
        _git(clone, "push", "--quiet", "origin", "HEAD")
        commit = _git(clone, "rev-parse", "--short", "HEAD").strip()
    return f"pushed {len(files)} files to {repository} as {commit}, in the folder {INSIDE}/"


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        raise RepbenchError("git is not installed; publish to a folder and commit it yourself.") from None
    if done.returncode:
        raise RepbenchError(f"git {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _to_hub(results: Sequence[Path], name: str) -> str:
    if name.count("/") != 1 or not all(name.split("/")):
        raise UsageError(f"--to hf-dataset:{name}: write hf-dataset:OWNER/NAME.")
    import huggingface_hub

    with tempfile.TemporaryDirectory() as temporary:
        files = make_pack(results, Path(temporary) / "pack")
        interface = huggingface_hub.HfApi()
        try:
            interface.create_repo(name, repo_type="dataset", exist_ok=True)
            interface.upload_folder(
                repo_id=name,
                repo_type="dataset",
                folder_path=Path(temporary) / "pack",
                commit_message="Leaderboard of repbench",
            )
        except Exception as error:  # the hub's client raises errors of several libraries
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise RepbenchError(f"hf-dataset:{name}: {reason}. Log in first: hf auth login") from error
    return f"uploaded {len(files)} files to the dataset {name}"
