"""Captions: the derived split, quick looks, Karpathy's lists of COCO and Flickr30k, and CLIP_benchmark's shards of them."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repbench.datasets.declaration import PAIR, Captions, DatasetDeclaration
from repbench.datasets.fetch.places import is_here
from repbench.datasets.open import open_dataset
from repbench.errors import DataError
from repbench.tasks import load_catalogue
from tests.datasets.copies import add

CATALOGUE = load_catalogue()


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)).save(stream, "JPEG")
    path.write_bytes(stream.getvalue())


def small(name: str, images: int) -> DatasetDeclaration:
    return replace(CATALOGUE.dataset(name), splits={"test": images})


def coco(root: Path, captions: int = 6) -> DatasetDeclaration:
    entries = []
    for number, split in enumerate(("train", "test", "restval", "test", "val")):
        name = f"COCO_val2014_{number:012d}.jpg"
        picture(root / "coco" / "val2014" / name, number)
        said = [{"raw": f" caption {one} of {number}\n", "tokens": [], "sentid": one} for one in range(captions)]
        entries.append({"filepath": "val2014", "filename": name, "split": split, "cocoid": number, "sentences": said})
    (root / "coco" / "dataset_coco.json").write_text(json.dumps({"dataset": "coco", "images": entries}))
    return small("coco", 2)


def test_coco_is_read_from_karpathys_list_with_five_captions_an_image(tmp_path: Path) -> None:
    dataset = open_dataset(coco(tmp_path), tmp_path)
    test, captions = dataset.splits["test"], dataset.splits["captions"]
    assert test.ids.tolist() == ["val2014/COCO_val2014_000000000001.jpg", "val2014/COCO_val2014_000000000003.jpg"]
    assert test.media["image"].load(1).size == (7, 6)
    assert len(captions) == 10  # of six captions the first five
    assert captions.columns[PAIR].tolist() == np.repeat(test.columns[PAIR], 5).tolist()
    assert captions.media["text"].load(6) == "caption 1 of 3"
    assert captions.ids[6] == f"caption/{test.ids[1]}/1"


@pytest.mark.parametrize("name", ["coco", "flickr30k"])
@pytest.mark.parametrize("folder", ["karpathy", "caption_datasets"])
def test_a_list_in_a_folder_of_its_own_finds_the_images_beside_that(tmp_path: Path, name: str, folder: str) -> None:
    declared, root = coco(tmp_path), tmp_path / name
    (tmp_path / "coco").rename(root)
    if name == "flickr30k":
        entries = json.loads((root / "dataset_coco.json").read_text())["images"]
        listed = json.dumps({"images": [{**one, "filepath": ""} for one in entries]})
        (root / "dataset_coco.json").write_text(listed)
        (root / "val2014").rename(root / "flickr30k-images")
        declared = small(name, 2)
    plain = root / f"dataset_{name}.json"
    (root / "dataset_coco.json").rename(plain)
    beside = open_dataset(declared, tmp_path)
    (root / folder).mkdir()
    plain.rename(root / folder / plain.name)
    assert open_dataset(declared, tmp_path).splits["test"].fingerprint == beside.splits["test"].fingerprint


SAID = [[f'{number} says {one}, "quoted"' for one in range(5)] for number in range(3)]
SPLITS = ("train", "test", "test")


def flickr30k(root: Path) -> DatasetDeclaration:
    for number in range(3):
        picture(root / "flickr30k" / "flickr30k-images" / f"{number}.jpg", number)
    entries = [
        {"filename": f"{n}.jpg", "split": SPLITS[n], "imgid": n, "sentences": [{"raw": text} for text in SAID[n]]}
        for n in range(3)
    ]
    (root / "flickr30k" / "dataset_flickr30k.json").write_text(json.dumps({"images": entries}))
    return small("flickr30k", 2)


def test_flickr30k_is_read_from_the_list_and_from_the_hubs_csv(tmp_path: Path) -> None:
    by_json = open_dataset(flickr30k(tmp_path), tmp_path)
    (tmp_path / "flickr30k" / "dataset_flickr30k.json").unlink()
    path = tmp_path / "flickr30k" / "flickr_annotations_30k.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["raw", "sentids", "split", "filename", "img_id"])
        for number in range(3):
            writer.writerow([json.dumps(SAID[number]), "[0, 1]", SPLITS[number], f"{number}.jpg", number])
    by_csv = open_dataset(small("flickr30k", 2), tmp_path)
    assert by_csv.splits["captions"].fingerprint == by_json.splits["captions"].fingerprint
    assert by_csv.splits["test"].fingerprint == by_json.splits["test"].fingerprint
    assert len(by_json.splits["captions"]) == 10


def coco_shards(root: Path, says: Callable[[int], bytes | None]) -> DatasetDeclaration:
    """The same pictures as `coco` has in test, as CLIP_benchmark's `convert_retrieval_dataset` writes them: one a shard."""
    folder = root / "wds" / "mscoco_captions"
    (folder / "test").mkdir(parents=True)
    (folder / "dataset_type.txt").write_text("retrieval\n")
    (folder / "test" / "nshards.txt").write_text("2\n")
    for shard, number in enumerate((1, 3)):
        picture(root / "picture.jpg", number)
        with tarfile.open(folder / "test" / f"{shard}.tar", "w") as tar:
            if (texts := says(number)) is not None:
                add(tar, f"s{shard:07d}", ("txt", texts))
            add(tar, f"s{shard:07d}", ("jpg", (root / "picture.jpg").read_bytes()))
    return small("coco", 2)


def as_clip_benchmark_says(number: int) -> bytes:
    """Its `"\\n".join(caption.replace("\\n", r"\\n") for caption in captions)`, of the captions that `coco` has."""
    return "\n".join(rf" caption {one} of {number}\n" for one in range(6)).encode()


def test_clip_benchmarks_shards_say_what_karpathys_list_says(tmp_path: Path) -> None:
    (tmp_path / "listed").mkdir()
    listed = open_dataset(coco(tmp_path / "listed"), tmp_path / "listed")
    shards = open_dataset(coco_shards(tmp_path, as_clip_benchmark_says), tmp_path)
    for split, column in (("test", "image"), ("captions", "text")):
        theirs, ours = listed.splits[split].media[column], shards.splits[split].media[column]
        assert ours.keys == theirs.keys
    assert shards.splits["captions"].media["text"].load(6) == "caption 1 of 3"
    assert shards.splits["captions"].columns[PAIR].tolist() == np.repeat(shards.splits["test"].ids, 5).tolist()


@pytest.mark.parametrize(
    ("texts", "told"),
    [(None, "expected its captions too"), (b"\xff", "not UTF-8"), (b" \n\n", "2 images of test have no caption")],
)
def test_shards_without_captions_are_told(tmp_path: Path, texts: bytes | None, told: str) -> None:
    with pytest.raises(DataError, match=told):
        open_dataset(coco_shards(tmp_path, lambda number: texts), tmp_path)


def test_what_is_missing_or_no_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not on this machine. Looked for .*caption_datasets.zip"):
        open_dataset(small("coco", 2), tmp_path)
    assert not is_here(small("coco", 2), tmp_path)
    declared = coco(tmp_path)
    assert is_here(declared, tmp_path)
    (tmp_path / "coco" / "val2014" / "COCO_val2014_000000000001.jpg").unlink()
    with pytest.raises(DataError, match="the images of the list are missing"):
        open_dataset(declared, tmp_path)
    (tmp_path / "coco" / "dataset_coco.json").write_text("[]")
    with pytest.raises(DataError, match="is no list of Karpathy's"):
        open_dataset(declared, tmp_path)


def test_a_copy_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 examples; declared are 3"):
        open_dataset(replace(coco(tmp_path), splits={"test": 3}), tmp_path)


def test_images_that_share_their_words_share_one_caption() -> None:
    dataset = open_dataset(CATALOGUE.dataset("emoji"))
    test, captions = dataset.splits["test"], dataset.splits["captions"]
    assert len(captions) == len(set(test.columns["codepoint"])) == 200
    assert test.columns[PAIR].tolist() == test.columns["codepoint"].tolist()
    first = captions.columns[PAIR].tolist().index(test.columns[PAIR][0])
    assert captions.media["text"].load(first) == f"an emoji of {test.columns['name'][0]}."


def test_a_quick_look_has_the_captions_of_its_images_and_no_others() -> None:
    dataset = open_dataset(CATALOGUE.dataset("emoji"), limit=50)
    assert len(dataset.splits["test"]) == 50
    assert set(dataset.splits["captions"].columns[PAIR]) == set(dataset.splits["test"].columns[PAIR])


def test_an_image_without_a_caption_and_a_column_that_is_not_there_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 images of test have no caption"):
        open_dataset(coco(tmp_path, captions=0), tmp_path)
    with pytest.raises(DataError, match="no column 'titel'; it has"):
        open_dataset(replace(CATALOGUE.dataset("emoji"), captions=Captions(column="titel")))
    with pytest.raises(ValueError, match="lacks the placeholder"):
        Captions(column="a", template="an emoji")
