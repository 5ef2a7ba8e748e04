"""Reading datasets: what is declared is what is there, or an error that says which file, where and what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import StratifiedShuffleSplit

from repbench.datasets.carve import carve_validation, first_by_class
from repbench.datasets.declaration import ELEVEN_POINT, DatasetDeclaration, Validation, read_declaration
from repbench.datasets.deviations import deviations
from repbench.datasets.items import EncodedItems, decode_image
from repbench.datasets.open import check_sources, checked, open_dataset
from repbench.datasets.table import RawDataset, RawSplit
from repbench.errors import DataError, DeclarationError


def declared(colours: Path) -> DatasetDeclaration:
    return read_declaration(colours / "colours.toml", "plugins")


def test_an_image_folder_gives_sorted_classes_and_all_splits(colours: Path) -> None:
    dataset = open_dataset(declared(colours), colours / "data")
    assert {name: len(split) for name, split in dataset.splits.items()} == {"train": 30, "val": 12, "test": 18, "prompts": 6}
    train = dataset.splits["train"]
    assert train.class_names == ("blue", "green", "red")
    picture = train.media["image"].load(int(np.flatnonzero(train.label == 2)[0]))
    red, green, blue = np.asarray(picture).reshape(-1, 3).mean(axis=0)
    assert red > max(green, blue)


def test_prompts_fill_every_template_with_every_class(colours: Path) -> None:
    prompts = open_dataset(declared(colours), colours / "data").splits["prompts"]
    assert list(prompts.columns["prompt"]) == ["a blue picture", "blue", "a green picture", "green", "a red picture", "red"]
    assert prompts.label.tolist() == [0, 0, 1, 1, 2, 2]
    assert prompts.media["text"].load(4) == "a red picture"


def test_a_missing_folder_says_where_it_was_looked_for(colours: Path) -> None:
    with pytest.raises(DataError, match=r"not on this machine. Looked for folder: .*elsewhere/colours"):
        open_dataset(declared(colours), colours / "elsewhere")


def test_a_missing_split_folder_is_named(colours: Path) -> None:
    (colours / "data/colours/val").rename(colours / "data/colours/held")
    with pytest.raises(DataError, match=r"only in part.*colours/val is missing.*Bring what is missing"):
        open_dataset(declared(colours), colours / "data")


def test_an_empty_split_is_an_error(colours: Path) -> None:
    for path in (colours / "data/colours/test").rglob("*.png"):
        path.unlink()
    with pytest.raises(DataError, match=r"colours/test: no image file in any class folder"):
        open_dataset(declared(colours), colours / "data")


def test_another_number_of_examples_than_declared_is_an_error(colours: Path) -> None:
    next((colours / "data/colours/train/red").iterdir()).unlink()
    with pytest.raises(DataError, match=r"the split 'train' .* has 29 examples; declared are 30"):
        open_dataset(declared(colours), colours / "data")


def test_another_number_of_classes_than_declared_is_an_error(colours: Path) -> None:
    with pytest.raises(DataError, match=r"has 3 classes \(blue, green, red\); declared are 4"):
        open_dataset(replace(declared(colours), classes=4), colours / "data")


def test_a_corrupt_image_is_named_when_it_is_decoded(colours: Path) -> None:
    victim = colours / "data/colours/test/green/03.png"
    victim.write_bytes(victim.read_bytes()[:60])
    test = open_dataset(declared(colours), colours / "data").splits["test"]
    place = [Path(name).name == "03.png" and "green" in name for name in test.media["image"].names].index(True)
    with pytest.raises(DataError, match=r"test/green/03.png: this image cannot be decoded"):
        test.media["image"].load(place)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "LA", "P", "1"])
def test_every_mode_of_image_becomes_rgb(colours: Path, mode: str) -> None:
    path = colours / "data/colours/test/green/03.png"
    ending = ".tif" if mode == "CMYK" else ".png"
    Image.new("RGB", (5, 4), "white").convert(mode).save(path.with_suffix(ending))
    if ending != ".png":
        path.unlink()
    test = open_dataset(declared(colours), colours / "data").splits["test"]
    place = next(place for place, name in enumerate(test.media["image"].names) if name.endswith(f"green/03{ending}"))
    assert test.media["image"].load(place).mode == "RGB"


def test_16_bit_grey_is_scaled_to_8_bits(colours: Path) -> None:
    path = colours / "data/colours/test/green/03.png"
    Image.fromarray(np.full((4, 5), 40000, dtype=np.uint16)).save(path)
    assert np.asarray(decode_image(path.read_bytes())).max() == 40000 >> 8


def test_transparent_pixels_are_laid_over_white(colours: Path) -> None:
    Image.new("RGBA", (5, 4), (255, 0, 0, 0)).save(colours / "data/colours/test/green/03.png")
    test = open_dataset(declared(colours), colours / "data").splits["test"]
    place = next(place for place, name in enumerate(test.media["image"].names) if name.endswith("green/03.png"))
    assert np.asarray(test.media["image"].load(place)).min() == 255


def test_a_validation_split_is_carved_out_where_none_is_declared(colours: Path) -> None:
    declaration = declared(colours)
    splits = {"train": 30, "test": 18}
    dataset = open_dataset(replace(declaration, splits=splits, validation=Validation(share=0.3)), colours / "data")
    train, val = dataset.splits["train"], dataset.splits["val"]
    assert (len(train), len(val)) == (21, 9)
    assert set(train.ids).isdisjoint(val.ids)
    assert np.bincount(val.label).tolist() == [3, 3, 3]


def test_the_carved_split_is_stratified_as_scikit_learn_would_size_it() -> None:
    label = np.random.default_rng(1).integers(0, 7, 500)
    train, val = carve_validation(label, 0.2, seed=3)
    _, theirs = next(StratifiedShuffleSplit(1, test_size=0.2, random_state=0).split(label, label))
    assert np.abs(np.bincount(label[val]) - np.bincount(label[theirs])).max() <= 1
    assert np.array_equal(np.sort(np.concatenate([train, val])), np.arange(500))
    assert np.array_equal(val, carve_validation(label, 0.2, seed=3)[1])
    assert not np.array_equal(val, carve_validation(label, 0.2, seed=4)[1])


def test_a_limit_takes_the_classes_in_turn(colours: Path) -> None:
    dataset = open_dataset(declared(colours), colours / "data", limit=4)
    assert np.bincount(dataset.splits["train"].label).tolist() == [2, 1, 1]
    assert first_by_class(np.array([0, 0, 0, 1, 2]), 3).tolist() == [0, 3, 4]


def test_equal_content_gives_equal_fingerprints_and_a_changed_pixel_another(colours: Path) -> None:
    before = open_dataset(declared(colours), colours / "data")
    again = open_dataset(declared(colours), colours / "data")
    assert before.fingerprint(("train", "test")) == again.fingerprint(("test", "train"))
    victim = colours / "data/colours/test/green/03.png"
    pixels = np.array(Image.open(victim))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(victim)
    changed = open_dataset(declared(colours), colours / "data")
    assert changed.fingerprint(("train", "test")) != before.fingerprint(("train", "test"))
    assert changed.fingerprint(("train",)) == before.fingerprint(("train",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title =", "titel =", r"colours.toml: unknown key 'titel'. Did you mean 'title'\?"),
        ('metric = "accuracy"', 'metric = "acuracy"', r"metric is 'acuracy'; expected one of accuracy, mean-per-class"),
        ('metric = "accuracy"', "", r"colours.toml: the key 'metric' is missing"),
        ("classes = 3", 'classes = "three"', r"classes is 'three'; expected a whole number or a list of text"),
        ("train = 30", 'train = "30"', r"splits.train is '30'; expected a whole number"),
        ('"a {c} picture"', '"a picture"', r"the prompt template 'a picture' lacks the placeholder \{c\}"),
        ("[splits]", "[splits", r"colours.toml: is no TOML"),
    ],
)
def test_a_wrong_declaration_is_refused_with_file_and_key(colours: Path, old: str, new: str, message: str) -> None:
    path = colours / "colours.toml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DeclarationError, match=message):
        declared(colours)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"foldr": {}}, r"sources.foldr: unknown source. Did you mean 'folder'\?"),
        ({"folder": {"pth": "x"}}, r"sources.folder: unknown key 'pth'. Did you mean 'path'\?"),
        ({"huggingface": {}}, r"give either 'repository' or 'files'"),
    ],
)
def test_a_wrong_source_is_refused(colours: Path, sources: dict[str, dict[str, str]], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        check_sources(replace(declared(colours), sources=sources))


def voc_like(**facts: object) -> DatasetDeclaration:
    given: dict[str, object] = {"name": "toy", "family": "f", "title": "T", "metric": ELEVEN_POINT, "classes": ("a", "b", "c")}
    return DatasetDeclaration(**{**given, "splits": {"test": 4}, "sources": {"folder": {}}, **facts})  # type: ignore[arg-type]


def raw(label: list[list[int]]) -> RawDataset:
    ids = np.array([f"test/{place}" for place in range(len(label))])
    media = {"image": EncodedItems("image", list(ids), [b"x"] * len(label))}
    split = RawSplit(ids=ids, label=np.array(label), columns={}, media=media)
    return RawDataset(splits={"test": split}, class_names=("a", "b", "c"), place="memory")


@pytest.mark.parametrize(("rule", "expected"), [("ignored", 0), ("negative", -1), ("positive", 1)])
def test_a_class_with_only_difficult_objects_counts_as_declared(rule: str, expected: int) -> None:
    found = checked(raw([[1, 0, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]]), voc_like(difficult=rule), None)
    assert found.splits["test"].label.tolist() == [[1, expected, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]]


def test_a_quick_look_at_several_classes_an_example_has_each_class() -> None:
    label = [[1, -1, -1]] * 5 + [[1, 1, -1]] + [[-1, -1, 1]]
    found = checked(raw(label), voc_like(splits={"test": 7}), 3)
    assert (found.splits["test"].label > 0).any(axis=0).all()
    assert found.splits["test"].ids.tolist() == ["test/0", "test/5", "test/6"]


def test_labels_of_several_classes_and_the_metric_must_agree() -> None:
    with pytest.raises(DataError, match="several classes an example; its metric would be 'mean-average-precision-11-point'"):
        checked(raw([[1, 1, -1]] * 4), voc_like(metric="accuracy"), None)
    with pytest.raises(DataError, match=r"have shape \(4, 2\); expected \(n, 3\) of 1, -1 and 0"):
        checked(raw([[1, 1]] * 4), voc_like(), None)
    with pytest.raises(ValueError, match="declare a split 'val'"):
        voc_like(validation=Validation(share=0.1))


def test_a_copy_of_another_size_with_a_number_beyond_its_classes_is_told_and_no_crash() -> None:
    split = RawSplit(ids=np.array(["0", "1"]), label=np.array([0, 7]), columns={}, media={})
    found = RawDataset(splits={"test": split}, class_names=("a", "b", "c"), place="memory")
    declared = replace(voc_like(), metric="accuracy", classes=("a", "b", "c"), splits={"test": 9})
    assert "has 2 examples; declared are 9 (no example of 'b', 'c')" in deviations(found, declared)[0]


def test_an_empty_folder_of_a_class_is_named_beside_the_count(colours: Path) -> None:
    for path in (colours / "data" / "colours" / "test" / "green").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"has 12 examples; declared are 18 \(no example of 'green'\)"):
        open_dataset(declared(colours), colours / "data")
    (colours / "data" / "colours" / "test" / "green").rmdir()
    for path in (colours / "data" / "colours" / "train" / "green").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"split 'train' .*\(no example of 'green'\)"):
        open_dataset(declared(colours), colours / "data")
