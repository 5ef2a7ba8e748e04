"""Composed pictures, and the probes that are made of them: nothing but the picture tells which caption is true."""

from __future__ import annotations

import colorsys
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repbench.datasets.composing import ComposedItems, Part, Recipe, compose, painted, read_recipe
from repbench.datasets.dataset import Dataset, Split
from repbench.datasets.fetch.places import is_here, place_of
from repbench.datasets.items import EncodedItems
from repbench.datasets.open import open_dataset
from repbench.datasets.sources.pack import pack_about
from repbench.digests import digest_bytes
from repbench.errors import DataError
from repbench.measure import blind
from repbench.tasks import load_catalogue

SHARED = (  # words of both splits, beside the things
    "a an and above below to the left right of red yellow green blue purple large small one two three four "
    "with nothing else beside in its usual colours painted all chair chairs"  # armchair, deck chair
)
COMPOSED = {name: one for name, one in load_catalogue().datasets.items() if "composed" in one.sources and is_here(one)}
DATASETS = {name: one for name, one in COMPOSED.items() if one.probe is not None}
SCENES = "emoji-scenes"  # to train on


def png(tmp_path: Path, colour: str, side: int = 4) -> bytes:
    path = tmp_path / "one.png"
    Image.new("RGB", (side, side), colour).save(path)
    return path.read_bytes()


def test_pictures_lie_where_the_recipe_says(tmp_path: Path) -> None:
    parts = (Part(pack="p", id="a", left=0, top=2, side=4), Part(pack="p", id="b", left=6, top=0, side=2))
    recipe = Recipe(side=8, paper="#ffffff", parts=parts)
    assert read_recipe(recipe.text()) == recipe
    pictures = {("p", "a"): png(tmp_path, "#ff0000"), ("p", "b"): png(tmp_path, "#0000ff")}
    items = ComposedItems(["one"], [recipe.text()], pictures)
    pixels = np.asarray(items.load(0))
    assert (pixels[2:6, 0:4] == (255, 0, 0)).all()
    assert (pixels[0:2, 6:8] == (0, 0, 255)).all()
    assert (pixels == 255).all(axis=2).sum() == 64 - 16 - 4


def test_the_key_is_that_of_the_recipe_and_its_pictures(tmp_path: Path) -> None:
    recipe = Recipe(side=8, paper="#ffffff", parts=(Part(pack="p", id="a", left=0, top=0, side=4),)).text()
    red, blue = png(tmp_path, "red"), png(tmp_path, "blue")
    one, other = (ComposedItems(["one"], [recipe], {("p", "a"): picture}).keys[0] for picture in (red, blue))
    assert one == digest_bytes(b"image\0" + recipe.encode() + b"\0" + red) != other
    assert ComposedItems(["one"], [recipe.replace("4", "3")], {("p", "a"): red}).keys[0] != one


def test_painted_objects_take_the_colour_and_leave_the_paper() -> None:
    page = Image.new("RGB", (8, 8), "white")
    page.paste(Image.new("RGB", (4, 4), "black"), (0, 0))
    page.paste(Image.new("RGB", (4, 4), "#c0c0c0"), (4, 4))
    pixels = np.asarray(painted(page, (255, 0, 0), (255, 255, 255)))
    assert (pixels[:4, 4:] == 255).all()
    assert pixels[5, 5].tolist() == [255, 0, 0]  # the lightest takes the full shade
    assert 0 < pixels[1, 1, 0] < 255
    assert pixels[1, 1, 1] == 0
    blank = Image.new("RGB", (8, 8), "white")
    assert np.array_equal(np.asarray(painted(blank, (255, 0, 0), (255, 255, 255))), np.asarray(blank))


def test_a_picture_that_is_missing_and_a_recipe_that_is_none_are_named() -> None:
    recipe = Recipe(side=8, paper="#ffffff", parts=(Part(pack="p", id="lost", left=0, top=0, side=4),)).text()
    with pytest.raises(DataError, match=r"row 7: the pack p has no picture 'lost'"):
        ComposedItems(["row 7"], [recipe], {}).load(0)
    with pytest.raises(DataError, match="row 7: 'a frog' is no recipe"):
        ComposedItems(["row 7"], ["a frog"], {}).load(0)


@pytest.fixture(scope="module", params=DATASETS)
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return open_dataset(DATASETS[request.param])


def captions_of(dataset: Dataset, split: str) -> list[tuple[str, ...]]:
    """The captions of each example."""
    rows = dataset.splits[split]
    return [captions_of_row(rows, place) for place in range(len(rows))]


def captions_of_row(rows: Split, place: int) -> tuple[str, ...]:
    return tuple(items.load(place) for items in rows.media.values() if items.modality == "text")


@pytest.mark.parametrize("split", ["test", "val"])
def test_no_text_tells_which_caption_is_true(dataset: Dataset, split: str) -> None:
    captions = captions_of(dataset, split)
    assert all(len(set(example)) == len(example) for example in captions)
    probe = dataset.declaration.probe
    assert probe is not None
    images = sum(items.modality == "image" for items in dataset.splits[split].media.values())
    scores = {**blind.length_scores(captions), **blind.likelihood_scores(captions, [one[0] for one in captions])}
    verdict = blind.verdict(scores, probe.rule, images)
    assert max(verdict.score.values()) <= verdict.chance + 1e-9
    if probe.rule == blind.CHOICE:  # each set of captions is there once for each of them
        assert set(Counter(map(frozenset, captions)).values()) == {len(captions[0])}
        assert list(verdict.score.values()) == pytest.approx([verdict.chance] * len(verdict.score))


def test_the_splits_share_no_thing_and_every_picture_is_another(dataset: Dataset) -> None:
    words = {}
    for split in ("test", "val"):
        texts = " ".join(caption for example in captions_of(dataset, split) for caption in example)
        words[split] = set(re.findall(r"\w+", texts))
        images = [name for name, items in dataset.splits[split].media.items() if items.modality == "image"]
        keys = [key for name in images for key in dataset.splits[split].media[name].keys]
        assert len(set(keys)) == len(keys)
    common = words["test"] & words["val"]
    assert common <= set(SHARED.split())


HUE = {"red": 0, "yellow": 51, "green": 128, "blue": 228, "purple": 280}  # degrees


@pytest.mark.parametrize("split", ["test", "val"])
def test_what_is_said_to_be_painted_has_not_that_colour_by_nature(dataset: Dataset, split: str) -> None:
    rows = dataset.splits[split]
    kinds = rows.columns["kind"].tolist()
    if "add-attribute" not in kinds:
        pytest.skip("no kind add-attribute")
    for place in (place for place, kind in enumerate(kinds) if kind == "add-attribute"):
        true, false = captions_of_row(rows, place)
        if true.endswith("in its usual colours"):
            assert false.startswith(true.removesuffix("in its usual colours"))
            pixels = np.asarray(rows.media["image_0"].load(place))[40:104:3, 72:136:3].reshape(-1, 3)
            thing = [colorsys.rgb_to_hsv(*pixel) for pixel in pixels / 255 if pixel.min() < 0.95]
            wanted = HUE[false.split()[-1]]
            own = [abs((360 * h - wanted + 180) % 360 - 180) < 30 and s > 0.3 and v > 0.3 for h, s, v in thing]
            assert np.mean(own) < 0.3, (true, false)


def test_no_caption_names_two_things_that_are_one_in_other_words(dataset: Dataset) -> None:
    for split in ("test", "val"):
        for example in captions_of(dataset, split):
            words = set(re.findall(r"\w+", " ".join(example)))
            for one, other in (("hamburger", "sandwich"), ("orca", "dolphin"), ("monkey", "gorilla")):
                assert not {one, other} <= words


def test_first_and_last_pictures_decode_and_show_something(dataset: Dataset) -> None:
    for items in dataset.splits["test"].media.values():
        if items.modality == "image":
            for place in (0, len(items) - 1):
                assert np.asarray(items.load(place)).std() > 5


@pytest.mark.parametrize("name", COMPOSED)
def test_what_is_composed_carries_the_licences_of_its_pictures(name: str) -> None:
    options = COMPOSED[name].sources["composed"]
    about = pack_about(str(options["name"]))
    assert about["sources"] == pack_about(options["pictures"][0])["sources"]
    assert f"## {options['name']}" in (place_of("emoji").parent / "LICENCES.md").read_text()
    assert json.dumps(about)


def test_recipes_are_small_beside_the_pictures_that_they_compose() -> None:
    sizes = {name: place_of(str(one.sources["composed"]["name"])).stat().st_size for name, one in COMPOSED.items()}
    assert sizes.pop(SCENES) < 100_000
    assert sum(sizes.values()) < 200_000


def test_no_scene_to_train_on_is_in_a_probe_of_the_same_things() -> None:
    scenes = open_dataset(COMPOSED[SCENES]).splits["train"]
    captions = {captions_of_row(scenes, place)[0] for place in range(len(scenes))}
    pages = set(scenes.media["image"].keys)
    assert len(captions) == len(pages) == len(scenes)
    for probe in ("emoji-captions", "emoji-pairs"):
        opened = open_dataset(COMPOSED[probe])
        for split in ("test", "val"):
            asked = {caption for example in captions_of(opened, split) for caption in example}
            shown = {key for items in opened.splits[split].media.values() if items.modality == "image" for key in items.keys}
            assert asked.isdisjoint(captions)
            assert shown.isdisjoint(pages)
            words = set(re.findall(r"\w+", " ".join(asked)))
            assert words - set(re.findall(r"\w+", " ".join(captions))) <= {"large", "small"}  # sizes are never trained


def test_texts_stay_texts(dataset: Dataset) -> None:
    assert all(isinstance(items, EncodedItems | ComposedItems) for items in dataset.splits["test"].media.values())
    assert compose(Recipe(side=2, paper="#000000", parts=()), []).size == (2, 2)
