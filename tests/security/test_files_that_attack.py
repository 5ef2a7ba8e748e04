"""Files whose author would run code on the reader's machine: each kind that a user brings is read, and nothing of it runs."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import tarfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import transformers
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save_file

from repbench import evaluate
from repbench.datasets.declaration import read_declaration
from repbench.datasets.factored.arrays import array as read_array
from repbench.datasets.fetch.download import NPM, Package, unpacked
from repbench.datasets.layouts.cifar import read as read_cifar
from repbench.datasets.open import open_dataset
from repbench.datasets.probes.rows import Picture, Pictures
from repbench.digests import digest_bytes
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.errors import DataError, EncoderError, RecordError, RepbenchError, TrainingError
from repbench.leaderboard.pack import make_pack, verify_pack
from repbench.results.files import EXAMPLES, read_examples, read_records, write_record
from repbench.trainers.files import RunFiles
from tests.leaderboard.test_tables import record

ARCHITECTURE = "timm:test_resnet"


class Payload:
    """Makes a folder when it is unpickled by a loader that executes what it reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def zipped(path: Path, payload: Payload) -> None:
    torch.save({"state_dict": payload}, path)


def before_zip(path: Path, payload: Payload) -> None:
    torch.save({"state_dict": payload}, path, _use_new_zipfile_serialization=False)


def plain(path: Path, payload: Payload) -> None:
    path.write_bytes(pickle.dumps(payload))


def oldest_tar(path: Path, payload: Payload) -> None:
    with tarfile.open(path, "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            data = pickle.dumps(payload)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def array(path: Path, payload: Payload) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.array([payload], dtype=object), allow_pickle=True)


def arrays(path: Path, payload: Payload) -> None:
    with path.open("wb") as stream:
        np.savez(stream, x=np.array([payload], dtype=object))


@pytest.mark.parametrize("ending", ["pt", "pth", "ckpt", "bin", "pth.tar", "safetensors", "pt2", "onnx"])
@pytest.mark.parametrize("write", [zipped, before_zip, plain, oldest_tar, array, arrays])
def test_no_file_of_weights_runs(tmp_path: Path, write: Callable[[Path, Payload], None], ending: str) -> None:
    path = tmp_path / f"weights.{ending}"
    write(path, Payload(tmp_path / "ran"))
    for words in (f",arch={ARCHITECTURE}" if ending not in ("pt2", "onnx") else "", ""):
        with pytest.raises(EncoderError):
            load_encoder(f"{path}{words}")
    assert not (tmp_path / "ran").exists()


def test_transformers_reads_tensors_only(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=16
    )
    model = transformers.ViTModel(config)
    model.config.save_pretrained(folder)
    torch.save({**model.state_dict(), "more": Payload(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_encoder(f"hf:{folder}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("place", ["config.json", "preprocessor_config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("kind", ["of a known model", "of its own"])
def test_python_beside_a_model_of_transformers_is_never_run(tmp_path: Path, place: str, kind: str) -> None:
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=16
    )
    transformers.ViTModel(config).save_pretrained(tmp_path)
    names = ("AutoConfig", "AutoModel", "AutoImageProcessor", "AutoProcessor", "AutoTokenizer")
    (tmp_path / "mine.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n" + "class Mine: pass\n")
    path = tmp_path / place
    table = json.loads(path.read_text()) if path.exists() else {"image_processor_type": "Mine", "tokenizer_class": "Mine"}
    if kind == "of its own" and place == "config.json":
        table["model_type"] = "mine"
    path.write_text(json.dumps({**table, "auto_map": dict.fromkeys(names, "mine.Mine")}))
    with pytest.raises(EncoderError):
        load_encoder(f"hf:{tmp_path}")
    assert not (tmp_path / "ran").exists()


CODE = """
import os
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from .mine_layers import FACTOR

os.makedirs({ran!r}, exist_ok=True)

class MineConfig(PretrainedConfig):
    model_type = "mine"

    def __init__(self, image_size=8, **rest):
        self.image_size = image_size
        super().__init__(**rest)

class MineModel(PreTrainedModel):
    config_class = MineConfig

    def __init__(self, config):
        super().__init__(config)
        self.layer = nn.Conv2d(3, 4, config.image_size)
        self.post_init()

    def forward(self, pixel_values, **rest):
        found = self.layer(pixel_values).flatten(1) * FACTOR
        return BaseModelOutputWithPooling(last_hidden_state=found[:, None], pooler_output=found)
"""


def write_model_with_code(folder: Path, ran: Path, factor: int) -> None:
    """A model of transformers as it lies on the hub with code of its own: weights, a config with `auto_map`, and Python."""
    folder.mkdir()
    (folder / "mine_layers.py").write_text(f"FACTOR = {factor}\n")
    (folder / "modeling_mine.py").write_text(CODE.format(ran=str(ran)))
    names = {"AutoConfig": "modeling_mine.MineConfig", "AutoModel": "modeling_mine.MineModel"}
    config = {"model_type": "mine", "architectures": ["MineModel"], "image_size": 8, "auto_map": names}
    (folder / "config.json").write_text(json.dumps(config))
    weights = {"layer.weight": torch.linspace(-1, 1, 768).reshape(4, 3, 8, 8), "layer.bias": torch.zeros(4)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    transformers.ViTImageProcessor(size={"height": 8, "width": 8}).save_pretrained(folder)


def test_python_of_a_repository_runs_where_it_is_asked_for_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, factor in (("one", 1), ("two", 2)):
        write_model_with_code(tmp_path / name, tmp_path / "ran", factor)
    with pytest.raises(EncoderError, match="add --trust-remote-code"):
        load_encoder(f"hf:{tmp_path / 'one'}", LoadOptions(trust_checkpoint=True))
    with pytest.raises(EncoderError, match="add --trust-remote-code"):
        evaluate(f"hf:{tmp_path / 'one'}", tasks="knn/digits", limit=5, quiet=True)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "modules").exists()
    out, asked = tmp_path / "out", {"tasks": "knn/digits", "limit": 5, "quiet": True}
    evaluate(f"hf:{tmp_path / 'one'}", out=out, trust_remote_code=True, **asked)
    assert (tmp_path / "ran").exists()
    (record,) = read_records(out)
    assert "mine_layers.py" in record.notes["trusted"]
    assert "(--trust-remote-code)" in record.notes["trusted"]
    towers = [
        load_encoder(f"hf:{tmp_path / name}", LoadOptions(trust_remote_code=True)).towers["image"] for name in ("one", "two")
    ]
    images = torch.ones(1, 3, 8, 8)
    assert torch.equal(towers[0].module(images) * 2, towers[1].module(images))
    assert towers[0].fingerprint != towers[1].fingerprint, "equal weights and other code are another encoder"


@pytest.mark.parametrize("size", [2**31, 2**40, 2**63])
def test_a_header_that_claims_gigabytes_is_refused_at_once(tmp_path: Path, size: int) -> None:
    (tmp_path / "w.safetensors").write_bytes(size.to_bytes(8, "little") + b"{" + b" " * 100)
    with pytest.raises(EncoderError):
        load_encoder(f"{tmp_path / 'w.safetensors'},arch={ARCHITECTURE}")


def graph(location: str) -> bytes:
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4, 3, 1, 1], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "48")):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    images = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, 1, 1])
    nodes = [helper.make_node("Conv", ["x", "w"], ["z"]), helper.make_node("GlobalAveragePool", ["z"], ["y"])]
    built = helper.make_graph(nodes, "g", [images], [out], [weights])
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return bytes(onnx.ModelProto.SerializeToString(model))


def test_a_graph_reads_no_weights_outside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (tmp_path / "secret", folder / "w"):
        path.write_bytes(b"\0" * 48)
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "m.onnx").write_bytes(graph("w"))
    assert load_encoder(str(folder / "m.onnx")).towers["image"].dim == 4
    for location in ("../secret", str(tmp_path / "secret"), "link"):
        (folder / "m.onnx").write_bytes(graph(location))
        with pytest.raises(EncoderError):
            load_encoder(str(folder / "m.onnx"))


PARQUET = """
title = "Bytes"
metric = "accuracy"
classes = ["a", "b"]
[splits]
train = 2
val = 2
test = 2
[sources.{source}]
{options}
"""


def test_pickles_in_the_metadata_of_parquet_stay_bytes(tmp_path: Path) -> None:
    field = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Payload(tmp_path / "ran")),
    }
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    image = pa.array([{"bytes": b"", "path": None}] * 2, kind)
    schema = pa.schema(
        [pa.field("image", kind), pa.field("label", pa.int64(), metadata=field)],
        metadata={b"pandas": field[b"ARROW:extension:metadata"].hex().encode()},
    )
    (tmp_path / "x").mkdir()
    for split in ("train", "val", "test"):
        pq.write_table(pa.table([image, pa.array([0, 1])], schema=schema), tmp_path / "x" / f"{split}-0.parquet")
    (tmp_path / "x.toml").write_text(PARQUET.format(source="parquet", options=""))
    with suppress(RepbenchError):
        open_dataset(read_declaration(tmp_path / "x.toml", "plugins"), tmp_path)
    assert not (tmp_path / "ran").exists()


def hostile_table(path: Path, payload: Payload, columns: dict[str, list[Any]]) -> None:
    """A Parquet file whose every place for metadata holds a pickle: of Arrow's extension types, and of pandas."""
    pickled = pickle.dumps(payload)
    extension = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickled}
    arrays = [pa.array(values) for values in columns.values()]
    fields = [pa.field(name, array.type, metadata=extension) for name, array in zip(columns, arrays, strict=True)]
    more = {
        b"pandas": json.dumps({"index_columns": [], "columns": [], "attributes": {"x": pickled.hex()}}).encode(),
        b"x": pickled,
    }
    pq.write_table(pa.table(arrays, schema=pa.schema(fields, metadata=more)), path)


@pytest.mark.filterwarnings("ignore:pickle-based deserialization")  # an old pyarrow says that it does not
@pytest.mark.filterwarnings("ignore:pyarrow.PyExtensionType is deprecated")  # a still older one
def test_pickles_in_a_table_of_files_and_factors_stay_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    columns = {"image": ["a.png"] * 6, "label": ["a", "b"] * 3, "split": ["train"] * 2 + ["val"] * 2 + ["test"] * 2}
    hostile_table(folder / "x.parquet", Payload(tmp_path / "ran"), columns)
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    (tmp_path / "x.toml").write_text(PARQUET.format(source="table", options='path = "x/x.parquet"'))
    dataset = open_dataset(read_declaration(tmp_path / "x.toml", "plugins"), tmp_path)
    assert dataset.splits["test"].media["image"].load(0).size == (4, 4)
    assert not (tmp_path / "ran").exists()


@pytest.mark.filterwarnings("ignore:pickle-based deserialization")  # an old pyarrow says that it does not
@pytest.mark.filterwarnings("ignore:pyarrow.PyExtensionType is deprecated")  # a still older one
def test_pickles_beside_a_record_stay_bytes(tmp_path: Path) -> None:
    hostile_table(tmp_path / "hostile.parquet", Payload(tmp_path / "ran"), {"id": ["a"], "correct": [True]})
    content = (tmp_path / "hostile.parquet").read_bytes()
    vouching = replace(record("e", "knn/x", 0.5), circumstances={EXAMPLES: digest_bytes(content)})
    write_record(tmp_path / "results", vouching, None).with_suffix(".parquet").write_bytes(content)
    examples = read_examples(tmp_path / "results", vouching)
    assert examples is not None
    assert examples["id"].tolist() == ["a"]
    make_pack([tmp_path / "results"], tmp_path / "pack")
    assert verify_pack(tmp_path / "pack").records == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("write", [zipped, before_zip, plain])
def test_the_state_of_a_training_run_is_tensors_only(tmp_path: Path, write: Callable[[Path, Payload], None]) -> None:
    files = RunFiles(tmp_path / "w.safetensors")
    write(files.state, Payload(tmp_path / "ran"))
    with pytest.raises(TrainingError, match="is damaged"):
        files.load_state()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("write", [array, plain])
def test_arrays_of_a_probe_and_of_factors_hold_no_objects(tmp_path: Path, write: Callable[[Path, Payload], None]) -> None:
    write(tmp_path / "a.npy", Payload(tmp_path / "ran"))
    with pytest.raises(DataError, match="cannot be decoded"):
        Pictures([Picture(path=tmp_path / "a.npy")]).load(0)
    with pytest.raises(DataError, match="cannot be read"):
        read_array(tmp_path / "a.npy")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("ending", ["npy", "cls", "pyd", "pickle", "pth"])
def test_pickles_in_shards_are_not_read(tmp_path: Path, ending: str) -> None:
    data = io.BytesIO()
    np.save(data, np.array([Payload(tmp_path / "ran")], dtype=object), allow_pickle=True)
    content = data.getvalue() if ending == "npy" else pickle.dumps(Payload(tmp_path / "ran"))
    for split in ("train", "val", "test"):
        (tmp_path / "wds" / "x" / split).mkdir(parents=True)
        with tarfile.open(tmp_path / "wds" / "x" / split / "0.tar", "w") as tar:
            for name in ("1.png", f"1.{ending}"):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    (tmp_path / "x.toml").write_text(PARQUET.format(source="webdataset", options=""))
    (tmp_path / "y.toml").write_text(PARQUET.format(source="huggingface", options='repository = "wds/x"'))
    for name in ("x.toml", "y.toml"):
        with pytest.raises(DataError):
            open_dataset(read_declaration(tmp_path / name, "plugins"), tmp_path)
    assert not (tmp_path / "ran").exists()


def test_batches_of_cifar_name_nothing_but_arrays(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(pickle.dumps({"data": Payload(tmp_path / "ran"), "labels": [0]}))
    with pytest.raises(DataError, match="mkdir"):
        read_cifar(folder, "test", None)
    assert not (tmp_path / "ran").exists()


def test_a_record_that_is_a_pickle_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "e" / "n" / "knn" / "x.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(Payload(tmp_path / "ran"), protocol=0))
    with pytest.raises(RecordError, match="no record"):
        list(read_records(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_folder_with_a_loading_script_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x.py").write_text(f"import os\nos.mkdir({str(tmp_path / 'ran')!r})\n")
    (tmp_path / "x.toml").write_text(PARQUET.format(source="huggingface", options='repository = "x"'))
    with pytest.raises(DataError):
        open_dataset(read_declaration(tmp_path / "x.toml", "plugins"), tmp_path)
    assert not (tmp_path / "ran").exists()
    assert int(datasets.__version__.split(".")[0]) >= 4  # earlier ones ran such scripts where told to


def member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, to
    return entry


@pytest.mark.parametrize(
    "entries",
    [
        [member("../outside")],
        [member("/{root}/outside")],
        [member("link", tarfile.SYMTYPE, "../.."), member("link/outside")],
        [member("link", tarfile.SYMTYPE, "/{root}")],
        [member("hard", tarfile.LNKTYPE, "../../secret")],
        [member("device", tarfile.CHRTYPE)],
    ],
    ids=["dots", "absolute", "through a link", "absolute link", "hard link", "device"],
)
def test_an_archive_writes_and_links_nothing_outside(tmp_path: Path, entries: list[tarfile.TarInfo]) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (tmp_path / "secret").write_text("secret")
    with tarfile.open(downloads / "evil-1.0.tgz", "w:gz") as tar:
        for entry in entries:
            entry.name, entry.linkname = (text.replace("{root}", str(tmp_path)) for text in (entry.name, entry.linkname))
            tar.addfile(entry)
    package = Package(name="evil", registry=NPM, megabytes=1, version="1.0")
    found: list[Path] = []
    with suppress(DataError), unpacked(package, downloads, lambda command, folder: None) as source:
        found = [path for path in source.folder.rglob("*") if not path.resolve().is_relative_to(source.folder.resolve())]
    assert not found
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads", "secret"]
