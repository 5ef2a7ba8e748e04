"""The wheel: everything that a user needs is in it, and the command works from another folder without the checkout."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_packs_tasks_licences_and_the_page(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in ("digits", "fashion", "emoji", "furniture", "voices"):
        assert f"repbench/datasets/packs/{name}.parquet" in names
    for name in (
        "repbench/_tasks/embedded/family.toml",
        "repbench/_tasks/audio/speakers.toml",
        "repbench/_published/simclr-8.csv",
        "repbench/_published/conventions.toml",
        "repbench/leaderboard/web/page.html.jinja",
        "repbench/datasets/packs/LICENCES.md",
        "repbench/py.typed",
    ):
        assert name in names
    assert not any(name.startswith(("tests", "packs/", "bench", "tasks", "leaderboard")) for name in names)
    packs = sum(item.file_size for item in zipfile.ZipFile(wheel).infolist() if item.filename.endswith(".parquet"))
    assert packs <= 25_000_000


def test_the_installed_wheel_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    packages = next(home.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))  # torch and the rest, not installed again
    pip = [
        home / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--force-reinstall",
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    where = "import repbench; print(repbench.__file__)"
    environment = {**os.environ, "REPBENCH_STORE": str(tmp_path / "store"), "PYTHONPATH": ""}

    def call(program: str, *arguments: str) -> str:
        command = [home / "bin" / program, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert call("python", "-c", where).strip().startswith(str(home))
    assert "zero-shot/digits" in call("repbench", "list", "tasks")
    assert "knn/digits" in call("repbench", "run", "control:pixels", "--tasks", "knn/digits", "--limit", "50", "--quiet")
    assert list((tmp_path / "results").rglob("digits.json"))
