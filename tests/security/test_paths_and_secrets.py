"""No name leads out of its folder, nothing is fetched unasked, and no secret reaches a record."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from repbench.datasets.card import check_card
from repbench.datasets.declaration import read_declaration
from repbench.datasets.factored.iebench import read as read_iebench
from repbench.datasets.inside import check_inside
from repbench.datasets.layouts.listing import listed
from repbench.datasets.open import open_dataset
from repbench.encoders.load import check_encoder
from repbench.errors import DataError, DeclarationError, RecordError, UsageError
from repbench.leaderboard.long import long_table
from repbench.leaderboard.pack import make_pack
from repbench.leaderboard.publish import csv_text
from repbench.leaderboard.tables import make_board
from repbench.results.files import read_examples, record_path, write_record
from repbench.results.merge import merge
from repbench.results.secrets import without_secrets
from tests.leaderboard.test_tables import INPUTS, record

OUT = ["../../../x", "/etc/x", "..", ".", "a/../../../x", "~/x", "\n../x", "..\\..\\x", "x" * 400, "=1+1", "-rf", "\u202ex"]


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize("field", ["encoder", "encoder_fingerprint", "precision", "seed", "told"])
def test_records_lie_below_their_folder_whatever_they_hold(tmp_path: Path, name: str, field: str) -> None:
    inputs, encoder = INPUTS, "e"
    if field == "encoder":
        encoder = name
    else:
        inputs = replace(INPUTS, **{field: (name,) if field == "told" else name})
    path = record_path(tmp_path / "results", encoder, "knn/x", inputs)
    assert Path(os.path.abspath(path)).is_relative_to(tmp_path / "results")
    assert len(Path(os.path.abspath(path)).relative_to(tmp_path / "results").parts) == 4
    assert ".." not in path.parts


@pytest.mark.parametrize("task", ["../x", "knn/..", "knn/../../x", "/x", "knn/", "knn", "knn/a\0b", "knn/a\\..\\b"])
def test_a_task_that_is_a_path_is_refused(tmp_path: Path, task: str) -> None:
    with pytest.raises(RecordError, match="is no task"):
        record_path(tmp_path, "e", task, INPUTS)
    with pytest.raises(RecordError, match="is no task"):
        read_examples(tmp_path, replace(record("e", "knn/x", 0.5), task=task))


def test_links_in_the_folder_of_another_are_neither_merged_nor_published(tmp_path: Path) -> None:
    theirs = write_record(tmp_path / "theirs", record("e", "knn/x", 0.5), None)
    (tmp_path / "secret").write_text("secret")
    theirs.with_suffix(".parquet").symlink_to(tmp_path / "secret")
    with pytest.raises(RecordError, match="is a link"):
        merge([tmp_path / "theirs"], tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("name", ["../secret.png", "a/../../secret.png", "/etc/hostname"])
def test_lists_of_a_dataset_name_only_its_own_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="lies outside"):
        listed(tmp_path / "images", ["fine.png", name], [0, 1])
    check_inside([tmp_path / "images" / "a" / ".." / "b.png", tmp_path / "images" / "c..png"], tmp_path / "images")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "list.json").write_text(
        json.dumps({"images": [{"filename": name, "split": "test", "sentences": [{"raw": "a"}]}]})
    )
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "x.toml").write_text(
        'title = "X"\nmetric = "accuracy"\nclasses = 1\n[splits]\ntest = 1\n[sources.karpathy]\nlists = ["list.json"]\n'
    )
    with pytest.raises((DataError, DeclarationError)):
        open_dataset(read_declaration(tmp_path / "x.toml", "plugins"), tmp_path)


PARQUET = """
title = "Paths"
metric = "accuracy"
classes = ["a"]
[splits]
test = 1
[sources.huggingface]
{options}
"""


def test_a_table_names_only_files_of_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (tmp_path / "x.toml").write_text(PARQUET.format(options='files = { test = "test-*.parquet" }'))
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for place in (folder, tmp_path):
        Image.new("RGB", (4, 4)).save(place / "a.png")
    found = []
    for path in (str(folder / "a.png"), str(tmp_path / "a.png"), "http://127.0.0.1:9/a.png", None):
        table = pa.table({"image": pa.array([{"bytes": None, "path": path}], kind), "label": pa.array([0])})
        pq.write_table(table, folder / "test-0.parquet")
        try:
            dataset = open_dataset(read_declaration(tmp_path / "x.toml", "plugins"), folder)
            found.append(dataset.splits["test"].media["image"].load(0).size)
        except DataError as error:
            found.append(str(error).partition(". ")[0].partition(": ")[2])
    assert found == [(4, 4), *[f"lies outside {folder}"] * 3]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "a/../../secret.png"])
def test_a_table_of_files_and_factors_names_only_files_of_its_folder(tmp_path: Path, name: str, ending: str) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    rows = pd.DataFrame({"image": ["fine.png", name], "label": ["a", "a"], "split": ["test", "test"]})
    rows.to_csv(folder / "x.csv", index=False) if ending == ".csv" else rows.to_parquet(folder / "x.parquet")
    text = PARQUET.format(options=f'path = "x/x{ending}"').replace("test = 1", "test = 2").replace("huggingface", "table")
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(DataError, match="lies outside"):
        open_dataset(read_declaration(tmp_path / "x.toml", "plugins"), tmp_path)


def test_objects_of_3diebench_are_folders_of_its_own(tmp_path: Path) -> None:
    np.save(tmp_path / "train_images.npy", np.array(["../../secret"]))
    with pytest.raises(DataError, match="lies outside"):
        read_iebench(tmp_path, {"train": 1})


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/x.parquet", "../x.parquet", "/etc/x", "zip://a::http://h/b.zip"])
@pytest.mark.parametrize("form", ["{0!r}", "[{0!r}]", "[{{split: train, path: {0!r}}}]"])
def test_the_card_of_a_dataset_folder_sends_nobody_elsewhere(tmp_path: Path, name: str, form: str) -> None:
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n- config_name: default\n  data_files: {form.format(name)}\n---\n# X\n")
    with pytest.raises(DataError, match="lies outside its folder"):
        check_card(tmp_path)
    (tmp_path / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: data/train-*\n---\n")
    check_card(tmp_path)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "\n="])
def test_no_cell_and_no_title_of_a_table_is_a_formula(tmp_path: Path, start: str) -> None:
    name = f"{start}cmd|' /C calc'!A0"
    table = long_table(make_board([record(name, "knn/x", 0.5)])).rename(columns={"task": name})
    cells = [cell for line in csv.reader(io.StringIO(csv_text(table), newline="")) for cell in line]
    assert cells.count(f"'{name}".replace("\r", " ")) > 1  # the title and the rows
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in cells)


RUN = """
import sys
def blocked(event, details):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        print("NETWORK", event, details, file=sys.stderr)
        raise OSError("no network")
sys.addaudithook(blocked)
from repbench.cli import main
for sys.argv[1:] in {commands}:
    try:
        main()
    except SystemExit as stop:
        assert not stop.code
"""


def test_a_run_and_its_board_ask_for_no_network_and_keep_no_secret(tmp_path: Path) -> None:
    secrets = {"HF_TOKEN": "hf_" + "a" * 30, "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG", "MY_API_KEY": "s3cr3t-value"}
    environment = {key: value for key, value in os.environ.items() if "OFFLINE" not in key} | secrets
    out = str(tmp_path / "results")
    store = str(tmp_path / "store" / secrets["HF_TOKEN"])
    run = ["run", "random:test_resnet,size=32", "control:pixels", "--tasks", "knn/digits", "--limit", "20", "--quiet"]
    commands = [[*run, "--out", out, "--store", store], ["leaderboard", out, "--out", str(tmp_path / "board")]]
    code = RUN.replace("{commands}", repr(commands))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr
    written = [path for folder in ("results", "board") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert len(written) > 6
    for path in written:
        data = path.read_bytes()
        assert not any(secret.encode() in data for secret in secrets.values()), path


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("repbench run a --store s3://KEY:SECRET@host/bucket", "repbench run a --store s3://***@host/bucket"),
        ("https://x/y?X-Amz-Signature=abcdef&n=1", "https://x/y?X-Amz-Signature=***&n=1"),
        ("git:https://oauth2:glpat-abc@host/r.git", "git:https://***@host/r.git"),
        ("token=abc123,size=64", "token=***,size=64"),
        ("hf_ABCDEFGHIJKLMNOPQRST and AKIAIOSFODNN7EXAMPLE", "*** and ***"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("repbench run timm:resnet50,size=64 --tasks 'knn/*'", "repbench run timm:resnet50,size=64 --tasks 'knn/*'"),
        ("hf:facebook/dinov2-small,pool=cls", "hf:facebook/dinov2-small,pool=cls"),
    ],
)
def test_secrets_are_known_by_their_form(text: str, clean: str) -> None:
    assert without_secrets(text, {}) == clean
    assert without_secrets("a value-of-it b", {"SOME_PASSWORD": "value-of-it", "HOME": "a"}) == "a *** b"


@pytest.mark.parametrize(
    "spec", ["mine.py:load,token=abc123", "control:pixels,name=hf_ABCDEFGHIJKLMNOPQRST", "control:pixels,name=the-long-value"]
)
def test_a_secret_is_no_name_of_a_row(tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "the-long-value")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def load(token): pass\n")
    with pytest.raises(UsageError, match="would hold a secret") as error:
        check_encoder(spec)
    assert not any(secret in str(error.value) for secret in ("abc123", "ABCDEF", "the-long-value"))
    assert check_encoder("control:pixels,name=mine")


def test_a_pack_is_written_nowhere_but_in_a_folder_of_its_own(tmp_path: Path) -> None:
    write_record(tmp_path / "results", record("../../x", "knn/x", 0.5), None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        make_pack([tmp_path / "results"], tmp_path / "full")
    before = sorted(path.name for path in tmp_path.iterdir())
    files = make_pack([tmp_path / "results"], tmp_path / "pack")
    assert all(path.resolve().is_relative_to((tmp_path / "pack").resolve()) for path in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "pack"])
