"""Files that users bring, damaged anywhere: datasets in each layout, plug-ins and encoders in Python."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repbench.datasets.declaration import Content, DatasetDeclaration
from repbench.datasets.open import open_dataset
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import RepbenchError
from repbench.tasks import load_catalogue
from tests.datasets.copies import WRITERS
from tests.fuzz.trying import damaged, fuzz, survives

PLUGIN = Path(__file__).parents[2] / "examples" / "my_protocol.py"
ENCODER = Path(__file__).parents[2] / "examples" / "my_encoder.py"


def declared(source: str) -> DatasetDeclaration:
    real = load_catalogue().datasets["pets"]
    sizes = dict.fromkeys(real.splits, 3)
    return replace(real, splits=sizes, sources={source: real.sources.get(source, {})}, validation=None, content=Content())


@cache
def whole(source: str) -> tuple[DatasetDeclaration, Path]:
    """A dataset in one of the layouts, whole, and its folder."""
    declaration, root = declared(source), Path(tempfile.mkdtemp()) / "data"
    WRITERS[source](root, declaration, dict(declaration.sources[source]))
    return declaration, root


def read_all(declaration: DatasetDeclaration, root: Path) -> None:
    """What a run reads of a dataset: labels, ids and every item."""
    opened = open_dataset(declaration, root)
    for split in opened.splits.values():
        for items in split.media.values():
            for place in range(len(split.ids)):
                survives(items.load, place)


@pytest.fixture(scope="module", autouse=True)
def _tidy() -> object:
    yield
    for source in ("parquet", "webdataset", "folder"):
        shutil.rmtree(whole(source)[1].parent, ignore_errors=True)


@pytest.mark.parametrize("source", ["parquet", "webdataset", "folder"])
@fuzz
@given(data=st.data())
def test_any_damage_to_a_file_of_a_dataset(source: str, data: st.DataObject) -> None:
    declaration, root = whole(source)
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    hurt = data.draw(st.sampled_from(files))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "data"
        shutil.copytree(root, copy)
        (copy / hurt).write_bytes(damaged(data, (root / hurt).read_bytes()))
        survives(read_all, declaration, copy)


statements = st.sampled_from(
    [
        *("raise SystemExit(0)", "raise KeyError", "exit(3)", "import nowhere", "1 / 0", "def f(): return f()", "f()"),
        *(
            "load = None",
            "load = 3",
            "def load(): return None",
            "def load(): return load()",
            "class load: pass",
            "\0",
            "é = '\\ud800'",
        ),
        *(
            "from repbench import Encoder",
            "def load(): return Encoder(name='x', towers={})",
            "def load(x): return 1",
            "  indented",
        ),
        *(
            "from dataclasses import dataclass",
            "@dataclass\nclass A:\n  def needs(self, d): return ()\n  def score(self, g, s): return 1",
        ),
        *(
            "raise RuntimeError('x' * 100000)",
            "def __getattr__(name): raise ValueError(name)",
            "__name__ = 3",
            "del __builtins__",
        ),
    ]
)


@fuzz
@given(st.one_of(st.lists(statements, max_size=4).map("\n".join).map(str.encode), st.binary(max_size=60)))
def test_any_file_as_plugin_or_encoder(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.py"
        path.write_bytes(content)
        survives(lambda: load_catalogue([path]).select(["mine/*"]))
        survives(load_encoder, f"{path}:load", LoadOptions())


@pytest.mark.parametrize("example", [PLUGIN, ENCODER], ids=["plug-in", "encoder"])
@fuzz
@given(data=st.data())
def test_any_damage_to_an_example_in_python_that_keeps_it_from_being_python(example: Path, data: st.DataObject) -> None:
    content = damaged(data, example.read_bytes())
    try:
        compile(content, "mine.py", "exec")
    except (SyntaxError, ValueError):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mine.py"
            path.write_bytes(content)
            with pytest.raises(RepbenchError):
                _use(example, path)


def _use(example: Path, path: Path) -> object:
    return load_encoder(f"{path}:load", LoadOptions()) if example is ENCODER else load_catalogue([path]).select(["mine/*"])
