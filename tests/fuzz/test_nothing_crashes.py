"""Whatever stands in a file or a name: it is read, or it is an error in words. REPBENCH_FUZZ_EXAMPLES says how often to try."""

from __future__ import annotations

import io
import json
import os
import string
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from repbench.datasets.items import EncodedItems
from repbench.datasets.open import check_sources, open_dataset
from repbench.embeddings.store import Address, Shelf
from repbench.encoders.load import LoadOptions, check_encoder
from repbench.encoders.spec import PREFIXES, parse_spec
from repbench.encoders.weights import read_weights
from repbench.errors import DataError, RepbenchError
from repbench.leaderboard.long import long_table
from repbench.leaderboard.publish import csv_text, markdown
from repbench.leaderboard.tables import make_board, wide_table
from repbench.results.files import record_path
from repbench.results.record import record_from_json
from repbench.tasks import load_catalogue
from tests.fuzz.trying import damaged, fuzz, survives
from tests.leaderboard.test_tables import INPUTS, record

CHEAP = [name for name in PREFIXES if name not in ("python", "hf", "joined", "open_clip", "packaged", "timm", "torchvision")]
options = st.lists(st.tuples(st.text(string.ascii_letters + "_", max_size=6), st.text(max_size=8)), max_size=3)
specs = st.one_of(
    st.text(max_size=40),
    st.builds(
        lambda prefix, target, given: f"{prefix}:{target}" + "".join(f",{key}={value}" for key, value in given),
        st.sampled_from(CHEAP),
        st.text(max_size=12),
        options,
    ),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@fuzz
@given(specs)
@example("checkpoint:\0")
@example("trained:/")
def test_any_text_as_encoder(text: str) -> None:
    spec = survives(parse_spec, text)
    if spec is not None and spec.source in CHEAP:
        survives(check_encoder, text, LoadOptions())


@fuzz
@given(st.text(), st.text(max_size=20), st.text(max_size=20))
def test_any_name_of_a_row_has_a_place_and_a_line(encoder: str, protocol: str, dataset: str) -> None:
    path = survives(record_path, Path("results"), encoder, f"{protocol}/{dataset}", INPUTS)
    if path is not None:
        assert Path(os.path.abspath(path)).is_relative_to(Path("results").absolute())
    board = make_board([record(encoder, "knn/x", 0.5)])
    assert csv_text(wide_table(board)).startswith("encoder")
    assert markdown(board)


@fuzz
@given(st.data())
def test_any_change_to_a_record(data: st.DataObject) -> None:
    table = {
        **json.loads(record("e", "knn/x", 0.5).to_json()),
        "schema": 1,
        "circumstances": {},
    }  # 1: without a digest of itself
    for _ in range(data.draw(st.integers(1, 3))):
        place = (
            data.draw(st.sampled_from([table, table["inputs"], table["metrics"]]))
            if isinstance(table["inputs"], dict)
            else table
        )
        if not isinstance(place, dict):
            break
        place[data.draw(st.sampled_from([*place, "more"]))] = data.draw(values)
        if not all(isinstance(table.get(name), dict) for name in ("inputs", "metrics")):
            break
    read = survives(record_from_json, json.dumps(table), "file")
    if read is not None:
        board = make_board([read, record("f", "knn/x", 0.5)])
        assert len(csv_text(long_table(board)))
        assert markdown(board)
        assert survives(record_path, Path("results"), read.encoder, read.task, read.inputs)


@fuzz
@given(st.one_of(st.text(), st.sampled_from(["[" * 100_000, '{"a":' * 100_000, "9" * 5000, '"\\ud800"', "1e999", "NaN"])))
def test_any_text_as_record(text: str) -> None:
    survives(record_from_json, text, "file")


KINDS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
PICTURES = {kind: io.BytesIO() for kind in KINDS}
for _kind, _stream in PICTURES.items():
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(_stream, _kind)


@fuzz
@given(st.data(), st.sampled_from(KINDS))
def test_any_bytes_as_image(data: st.DataObject, kind: str) -> None:
    content = damaged(data, PICTURES[kind].getvalue())
    image = survives(EncodedItems("image", ["it"], [content]).load, 0)
    assert image is None or image.mode == "RGB"


@fuzz
@given(st.binary(max_size=200), st.sampled_from(["audio", "text", "image"]))
def test_any_bytes_as_item(content: bytes, modality: str) -> None:
    survives(EncodedItems(modality, ["it"], [content]).load, 0)


@fuzz
@given(st.data())
def test_any_damage_to_a_chunk_is_a_missing_chunk(data: st.DataObject) -> None:
    address = Address(tower="t", view="plain", precision="fp32")
    keys, rows = ["0" * 32, "f" * 32], np.arange(8, dtype=np.float32).reshape(2, 1, 4)
    with tempfile.TemporaryDirectory() as folder:
        Shelf(Path(folder), address).add(keys, rows)
        (path,) = Path(folder).rglob("*.safetensors")
        whole = path.read_bytes()
        path.write_bytes(content := damaged(data, whole))
        shelf = Shelf(Path(folder), address)
        if shelf.missing(keys):
            assert content != whole
            shelf.add(keys, rows)
        assert np.array_equal(shelf.rows(keys), rows)


@fuzz
@given(
    st.one_of(
        st.binary(max_size=100),
        st.builds(
            lambda size, rest: size.to_bytes(8, "little") + b"{" + rest, st.integers(0, 2**64 - 1), st.binary(max_size=60)
        ),
    )
)
def test_any_bytes_as_checkpoint(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.pt"
        path.write_bytes(content)
        with suppress(RepbenchError):
            read_weights(path, trust=False)


TOML = Path(__file__).parents[2] / "examples" / "my_dataset.toml"
KEYS = (
    "title",
    "metric",
    "classes",
    "splits",
    "sources",
    "prompts",
    "about",
    "columns",
    "label",
    "factors",
    "validation",
    "content",
    "captions",
    "frames",
    "probe",
    "cluster",
)


def in_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {in_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(in_toml, value)) + "]"
    return "0" if value is None else str(value) if isinstance(value, float) else json.dumps(value)


@fuzz
@given(st.data())
def test_any_task_file(data: st.DataObject) -> None:
    keys = data.draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
    lines = [f"{key} = {in_toml(value)}" for key, value in keys.items()]
    kept = [line for line in TOML.read_text().splitlines() if not line.startswith(tuple(f"{key} " for key in keys))]
    text = data.draw(
        st.sampled_from(["\n".join([*lines, *kept]), "\n".join(lines), data.draw(st.text(max_size=60)), "a = " + "[" * 20_000])
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
        catalogue = survives(load_catalogue, [path])
        if catalogue is not None:
            survives(lambda: (catalogue.tasks, check_sources(catalogue.datasets["mine"])))
            survives(open_dataset, catalogue.datasets["mine"], Path(folder))


FOLDER = 'title = "X"\nmetric = "accuracy"\nclasses = 2\n[splits]\ntrain = 2\nval = 2\ntest = 2\n[sources.folder]\n'


@fuzz
@given(
    st.dictionaries(
        st.tuples(
            st.sampled_from(["train", "val", "test", "x"]),
            st.text("ab. =<\u202eé", min_size=1, max_size=5),
            st.sampled_from(["1.png", "2.txt", ".png", "=.jpg"]),
        ),
        st.binary(max_size=10),
        max_size=8,
    )
)
def test_any_dataset_folder(found: dict[tuple[str, str, str], bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for (split, name, file), content in found.items():
            if name.strip("."):
                place = Path(folder) / "mine" / split / name
                place.mkdir(parents=True, exist_ok=True)
                (place / file).write_bytes(content)
        (Path(folder) / "mine.toml").write_text(FOLDER)
        survives(open_dataset, load_catalogue([Path(folder) / "mine.toml"]).datasets["mine"], Path(folder))


@pytest.mark.parametrize("source", ["webdataset", "parquet", "huggingface", "karpathy", "torchvision"])
def test_files_of_noise_are_errors_in_words(tmp_path: Path, source: str) -> None:
    noise = np.random.default_rng(0).bytes(300)
    given = {"huggingface": 'repository = "mine"', "karpathy": 'lists = ["list.json"]', "torchvision": 'class = "DTD"'}
    for name in ("wds/mine/train/0.tar", "mine/train-0.parquet", "mine/list.json", "mine/x.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(noise)
    text = FOLDER.replace("[sources.folder]", f"[sources.{source}]\n{given.get(source, '')}")
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises((DataError, RepbenchError)):
        open_dataset(load_catalogue([tmp_path / "mine.toml"]).datasets["mine"], tmp_path)
