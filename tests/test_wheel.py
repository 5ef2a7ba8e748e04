"""The wheel: everything that a user needs is in it, and the command works from another folder without the checkout."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the source distribution, and of the wheel that is built from it and not from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def test_the_source_distribution_holds_what_builds_tests_and_explains(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "Makefile", "constraints.txt", "pyproject.toml"):
        assert name in names
    for name in ("tests/torture.py", "docs/scale.md", "examples/my_encoder.py", "packs/build.py", "tasks/embedded/family.toml"):
        assert name in names
    assert not any(".venv" in name or name.startswith((".git/", "leaderboard/demo")) for name in names)


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
        "repbench/datasets/text_judges/emoji-captions.parquet",
        "repbench/py.typed",
    ):
        assert name in names
    assert not any(name.startswith(("tests", "packs/", "bench", "tasks", "leaderboard")) for name in names)
    packs = sum(item.file_size for item in zipfile.ZipFile(wheel).infolist() if item.filename.endswith(".parquet"))
    assert packs <= 25_000_000


_IMPORT_EVERYTHING = """
import importlib, pkgutil, repbench
extras = {"transformers", "onnxruntime", "ray", "s3fs", "gcsfs", "h5py", "matplotlib"}
for module in pkgutil.walk_packages(repbench.__path__, "repbench."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        assert error.name.partition(".")[0] in extras, f"{module.name} needs {error.name}, which the wheel does not declare"
"""


def _declared(wheel: Path) -> set[str]:
    """What the wheel's own metadata bring in on this machine: its requirements without extras, and theirs."""
    metadata = zipfile.ZipFile(wheel)
    (name,) = [name for name in metadata.namelist() if name.endswith(".dist-info/METADATA")]
    required = message_from_string(metadata.read(name).decode()).get_all("Requires-Dist") or []
    found: set[tuple[str, frozenset[str]]] = set()
    queue = [(text, frozenset({""})) for text in required]
    while queue:
        text, extras = queue.pop()
        wanted = Requirement(text)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        theirs = frozenset({"", *wanted.extras})
        if (one := (canonicalize_name(wanted.name), theirs)) not in found:
            found.add(one)
            queue += [(each, theirs) for each in importlib.metadata.requires(wanted.name) or []]
    return {name for name, _ in found}


def _link(names: set[str], packages: Path) -> None:
    """Put these distributions, as they are installed here, and no other into an empty environment."""
    for name in names:
        for file in importlib.metadata.files(name) or []:
            top = file.parts[0]
            target = packages / top
            if top != ".." and top != "__pycache__" and not target.exists():
                target.symlink_to(Path(str(importlib.metadata.distribution(name).locate_file(top))))


def test_the_installed_wheel_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    packages = next(home.glob("lib/python*/site-packages"))
    declared = _declared(wheel)
    assert {"torch", "open-clip-torch", "faiss-cpu"} <= declared
    assert not {"transformers", "onnxruntime", "pytest", "s3fs"} & declared
    _link(declared, packages)
    pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-index", str(wheel)]
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
    call("python", "-c", _IMPORT_EVERYTHING)
    assert "knn/digits" in call("repbench", "run", "control:pixels", "--tasks", "knn/digits", "--limit", "50", "--quiet")
    assert list((tmp_path / "results").rglob("digits.json"))
