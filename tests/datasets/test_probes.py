"""Compositional probes in the layouts in which their authors publish them, written small and read by the real declarations."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from repbench.datasets.check import Checked, check
from repbench.datasets.dataset import Dataset
from repbench.datasets.open import open_dataset
from repbench.datasets.probes import shuffles
from repbench.datasets.probes.shuffles import perturbations, plain
from repbench.errors import DataError
from repbench.listing import show_lines
from repbench.tasks import load_catalogue

DECLARED = {name: one for name, one in load_catalogue().datasets.items() if one.family == "compositional"}
SUGARCREPE = Path(__file__).parents[3] / "shared" / "data" / "sugar-crepe"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def picture(path: Path, shade: int = 0, size: tuple[int, int] = (20, 16)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = shade, np.arange(size[0])
    Image.fromarray(pixels).save(path.with_suffix(".png") if path.suffix not in (".png", ".jpg", ".jpeg") else path)


def dump(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def sugarcrepe(data: Path) -> None:
    picture(data / "val2017/000000000001.jpg", 1)
    picture(data / "val2017/000000000002.jpg", 2)
    for kind in ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"):
        entry = {"filename": "000000000001.jpg", "caption": f"a dog {kind}", "negative_caption": f"a cat {kind}"}
        other = {"filename": "000000000002.jpg", "caption": f"a hat {kind}", "negative_caption": f"a cap {kind}"}
        dump(data / f"sugar-crepe/{kind}.json", {"0": entry, "7": other})  # the published numbers have gaps


def sugarcrepe_pp(data: Path) -> None:
    picture(data / "val2017/000000000001.jpg", 1)
    for kind in ("replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"):
        entry = {"id": 0, "filename": "000000000001.jpg", "caption": "a", "caption2": "b", "negative_caption": "c"}
        dump(data / f"sugar-crepe-pp/{kind}.json", [entry, {**entry, "id": 1, "caption": f"d {kind}"}])


def aro(data: Path, name: str, **further: Any) -> None:
    picture(data / "aro/images/1.jpg", 1)
    box = {"bbox_x": 3, "bbox_y": 2, "bbox_w": 10, "bbox_h": 8}
    entry = {
        "image_id": 1,
        "image_path": "1.jpg",
        **box,
        "true_caption": "the dog on the mat",
        "false_caption": "the mat on the dog",
    }
    dump(data / "aro" / name, [{**entry, **further}, {**entry, **further, "bbox_x": 0}])


def karpathy(data: Path, name: str, image: str) -> None:
    picture(data / image, 1)
    captions = ["A brown dog runs quickly after the small red ball.", "Two dogs."]
    dump(data / name, [{"image": image.split("/", 1)[1], "caption": captions}])


def valse(data: Path) -> None:
    kinds = "actant-swap action-replacement coreference-hard coreference-standard counting-adversarial counting-hard"
    for kind in f"{kinds} counting-small-quant existence foil-it plurals relations".split():
        picture(data / f"valse/images/{kind}.jpg", 1)
        entry = {
            "dataset": "x",
            "caption": f"There is a dog {kind}.",
            "foil": f"There is no dog {kind}.",
            "image_file": f"{kind}.jpg",
        }
        votes = ({"caption": 3, "foil": 0, "other": 0}, {"caption": 1, "foil": 2, "other": 0})
        dump(data / f"valse/data/{kind}.json", {f"{kind}_{k}": {**entry, "mturk": vote} for k, vote in enumerate(votes)})


def controlled(data: Path, name: str, folder: str, prepositions: tuple[str, ...]) -> None:
    entries = []
    for shade, preposition in enumerate(prepositions):
        file = f"mug_{preposition}_chair.jpeg"
        picture(data / "whatsup" / folder / file, shade)
        captions = [f"A mug {one.replace('_', ' ')} a chair" for one in prepositions]
        captions.insert(0, captions.pop(shade))
        entries.append({"image_path": f"data/{folder}/{file}", "caption_options": captions})
    dump(data / "whatsup" / name, entries)


def spatial(data: Path, name: str, image: str, number: Any) -> None:
    picture(data / image, 1)
    dump(data / "whatsup" / name, [[number, "A photo of a dog on the left", "A photo of a dog on the right"]])


def crepe(data: Path) -> None:
    picture(data / "visual-genome/VG_100K/1.jpg", 1)
    picture(data / "visual-genome/VG_100K_2/2.jpg", 2)
    for kind in ("atom", "swap", "negate"):
        for complexity in range(4, 13):
            path = data / f"crepe/prod_hard_negatives/{kind}/prod_vg_hard_negs_{kind}_complexity_{complexity}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(["image_id", "x", "y", "width", "height", "caption", "hard_negs"])
                for image in (1, 2):
                    writer.writerow([image, 0, 0, 8, 8, f"a dog, {complexity}", str([f"a cat's {kind} {k}" for k in range(5)])])


def systematicity(data: Path, training: str) -> None:
    picture(data / "visual-genome/VG_100K/1.jpg", 1)
    negatives = {"atom": ["a red hat", "a dog"], "comp": [], "combined": ["a red hat", "a dog", "a wet cat"]}
    for seen in ("seen", "unseen"):
        path = data / f"crepe/syst_hard_negatives/syst_vg_hard_negs_{seen}_compounds_in_{training}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(
                ["image_id", "x", "y", "width", "height", "caption", *(f"valid_hard_negs_{one}" for one in negatives)]
            )
            writer.writerow([1, 0, 0, 8, 8, "a wet dog", *map(str, negatives.values())])


def eqben(data: Path, name: str = "eqben_subset_10percent_final.json", images: str = "image_subset") -> None:
    picture(data / f"eqben/{images}/eqbenag/0.png", 1)
    (data / f"eqben/{images}/eqbenyoucook2").mkdir(parents=True)
    np.save(data / f"eqben/{images}/eqbenyoucook2/1.npy", np.full((6, 8, 3), (9, 5, 2), np.uint8))  # blue, green, red
    names = {"image0": "eqbenyoucook2/1.npy", "image1": "eqbenag/0.png"}
    dump(data / "eqben" / name, [{**names, "caption0": "he cuts", "caption1": "he stirs"}])


def spar(data: Path) -> None:
    columns = [
        "filename",
        "world_name",
        "character_name",
        "character2_name",
        "character_texture",
        "character2_texture",
        "character1_pos",
    ]
    rows = [
        ["a.png", "Desert", "blank", "blank", "Default", "Default", "left"],
        ["b.png", "Desert", "Bear", "blank", "Default", "Default", "left"],
        ["c.png", "Desert", "blank", "Cat", "Default", "Default", "bottom"],
        ["d.png", "Desert", "Bear", "Cat", "Default", "Default", "left"],
        ["e.png", "Desert", "Bear", "Cat", "Blue", "Red", "left"],
        ["f.png", "Desert", "Bear", "Bear", "Blue", "Red", "left"],
    ]
    for row in rows:
        picture(data / "pug-spar" / row[0], 1)
    with (data / "pug-spar/labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])


def blob(shade: int) -> dict[str, Any]:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 10, 20)).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}


def hub(path: Path, images: tuple[str, ...], split: str = "test", rows: int = 2, **columns: Any) -> None:
    path.mkdir(parents=True, exist_ok=True)
    values = {name: [blob(10 * place + row) for row in range(rows)] for place, name in enumerate(images)}
    features = {name: datasets.Image() for name in images} | {name: datasets.Value("string") for name in columns}
    texts = {
        name: [f"{text} {row}" for row in range(rows)] if isinstance(text, str) else text for name, text in columns.items()
    }
    table = datasets.Dataset.from_dict(values | texts, features=datasets.Features(features))
    table.to_parquet(str(path / f"{split}-00000-of-00001.parquet"))


def colorswap(data: Path) -> None:
    for split, rows in (("train", 3), ("test", 2)):
        hub(data / "colorswap", ("image_1", "image_2"), split, rows, caption_1="a red hat", caption_2="a blue hat")


def naturalbench(data: Path) -> None:
    answers = {f"Image_{i}_Question_{q}": ["Yes", "A"] if i == q else ["No", "B"] for i in range(2) for q in range(2)}
    questions = {"Question_0": "Is it so?", "Question_1": "Is it not?", "Question_Type": ["yes_no", "multiple_choice"]}
    hub(data / "naturalbench", ("Image_0", "Image_1"), "train", 2, **questions, **answers)


ORDER = {"correct_caption": "a dog runs", **{f"hard_text_{k}": f"runs dog a {k}" for k in range(1, 5)}}
WRITERS: dict[str, tuple[int, Callable[[Path], None]]] = {  # declaration -> examples of the small copy, and what writes it
    "sugarcrepe": (14, sugarcrepe),
    "sugarcrepe-pp": (10, sugarcrepe_pp),
    "aro-relations": (2, lambda data: aro(data, "visual_genome_relation.json", relation_name="on")),
    "aro-attributes": (2, lambda data: aro(data, "visual_genome_attribution.json", attributes=["red", "big"])),
    "coco-order": (2, lambda data: hub(data / "aro-coco-order", ("images",), **ORDER)),
    "flickr30k-order": (2, lambda data: hub(data / "aro-flickr-order", ("images",), **ORDER)),
    "valse": (11, valse),
    "whatsup-a": (4, lambda data: controlled(data, "controlled_images_dataset.json", "controlled_images", A)),
    "whatsup-b": (4, lambda data: controlled(data, "controlled_clevr_dataset.json", "controlled_clevr", B)),
    "whatsup-coco-one": (1, lambda data: spatial(data, "coco_qa_one_obj.json", "val2017/000000000042.jpg", 42)),
    "whatsup-coco-two": (1, lambda data: spatial(data, "coco_qa_two_obj.json", "val2017/000000000042.jpg", 42)),
    "whatsup-gqa-one": (1, lambda data: spatial(data, "vg_qa_one_obj.json", "whatsup/vg_images/42.jpg", "42")),
    "whatsup-gqa-two": (1, lambda data: spatial(data, "vg_qa_two_obj.json", "whatsup/vg_images/42.jpg", "42")),
    "winoground": (2, lambda data: hub(data / "winoground", ("image_0", "image_1"), caption_0="a b", caption_1="b a", tag="x")),
    "colorswap": (2, colorswap),
    "bivlc": (
        2,
        lambda data: hub(
            data / "bivlc", ("image", "negative_image"), caption="a", negative_caption="b", type="swap", subtype="o"
        ),
    ),
    "naturalbench": (2, naturalbench),
    "crepe-productivity": (54, crepe),
    "crepe-cc12m": (4, lambda data: systematicity(data, "cc12m")),
    "crepe-yfcc": (4, lambda data: systematicity(data, "yfcc")),
    "crepe-laion": (4, lambda data: systematicity(data, "laion")),
    "eqben": (1, eqben),
    "eqben-whole": (1, lambda data: eqben(data, "all_select.json", "images")),
    "pug-spar": (4, spar),
}
A, B = ("on", "under", "left_of", "right_of"), ("in-front_of", "behind", "left_of", "right_of")
EXTERNAL = [name for name, one in DECLARED.items() if not {"pack", "composed"} & set(one.sources)]


def opened(name: str, data: Path, size: int | None = None) -> Dataset:
    declared = DECLARED[name]
    sizes = {split: size or WRITERS[name][0] if split == "test" else 3 for split in declared.splits}
    return open_dataset(replace(declared, splits=sizes), data, deviating=True)


@pytest.mark.parametrize("name", EXTERNAL)
def test_it_is_read_in_the_layout_in_which_it_is_published(name: str, tmp_path: Path) -> None:
    WRITERS[name][1](tmp_path)
    dataset = opened(name, tmp_path)
    test = dataset.splits["test"]
    assert len(set(test.ids)) == WRITERS[name][0]
    for column, modality in DECLARED[name].columns.items():
        items = test.media[column]
        assert items.modality == modality
        first = items.load(0)
        assert first.mode == "RGB" if modality == "image" else isinstance(first, str)
    assert set(DECLARED[name].factors) <= set(test.columns)
    assert not dataset.deviations


@pytest.mark.parametrize("name", EXTERNAL)
def test_where_it_is_missing_the_error_names_what_was_looked_for_and_where(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(DECLARED[name], tmp_path)
    assert f"{name!r} is not on this machine" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", [name for name in EXTERNAL if DECLARED[name].splits["test"]])
def test_a_copy_of_another_size_is_refused(name: str, tmp_path: Path) -> None:
    WRITERS[name][1](tmp_path)
    with pytest.raises(DataError, match="declared are"):
        open_dataset(DECLARED[name], tmp_path)


def test_missing_images_are_named(tmp_path: Path) -> None:
    sugarcrepe(tmp_path)
    (tmp_path / "val2017/000000000002.jpg").unlink()
    with pytest.raises(DataError, match=r"val2017/000000000002\.jpg: cannot be read"):
        _ = opened("sugarcrepe", tmp_path).splits["test"].media["image_0"].keys


def test_an_image_of_many_examples_has_one_key(tmp_path: Path) -> None:
    sugarcrepe(tmp_path)
    test = opened("sugarcrepe", tmp_path).splits["test"]
    assert len(set(test.media["image_0"].keys)) == 2
    assert test.columns["kind"].tolist()[:3] == ["add_att", "add_att", "add_obj"]


def test_parts_of_an_image_are_cut_out_and_have_keys_of_their_own(tmp_path: Path) -> None:
    aro(tmp_path, "visual_genome_relation.json", relation_name="on")
    images = opened("aro-relations", tmp_path).splits["test"].media["image_0"]
    assert images.load(0).size == (10, 8)
    assert abs(int(np.asarray(images.load(0))[0, 0, 1]) - 3) <= 2  # the left edge of the box; JPEG blurs
    assert len(set(images.keys)) == 2


def test_arrays_of_video_frames_are_turned_to_rgb(tmp_path: Path) -> None:
    eqben(tmp_path)
    image = opened("eqben", tmp_path).splits["test"].media["image_0"].load(0)
    assert np.asarray(image)[0, 0].tolist() == [2, 5, 9]


def test_the_negatives_of_systematicity_are_as_many_as_there_are(tmp_path: Path) -> None:
    systematicity(tmp_path, "laion")
    test = opened("crepe-laion", tmp_path).splits["test"]
    assert test.columns["kind"].tolist() == ["seen atom", "seen combined", "unseen atom", "unseen combined"]
    assert test.columns["candidates"].tolist() == [3, 4, 3, 4]
    assert [test.media[f"caption_{k}"].load(1) for k in range(5)] == ["a wet dog", "a red hat", "a dog", "a wet cat", ""]


def test_sets_of_whatsup_are_told_by_their_objects(tmp_path: Path) -> None:
    WRITERS["whatsup-b"][1](tmp_path)
    columns = opened("whatsup-b", tmp_path).splits["test"].columns
    assert set(columns["set"]) == {"mug chair"}
    assert columns["kind"].tolist() == ["in-front", "behind", "left", "right"]
    assert columns["pair"].tolist() == ["mug chair other", "mug chair other", "mug chair sides", "mug chair sides"]


def test_the_captions_of_spar_are_the_exchanged_ones(tmp_path: Path) -> None:
    spar(tmp_path)
    test = opened("pug-spar", tmp_path).splits["test"]
    words = [(test.media["caption_0"].load(k), test.media["caption_1"].load(k)) for k in range(len(test))]
    start = "This is a photo of a"
    assert words[0] == (f"{start} Bear on the left of the picture", f"{start} Bear on the right of the picture")
    assert words[1] == (f"{start} Cat on the top of the picture", f"{start} Cat on the bottom of the picture")
    assert words[2][1] == f"{start} Cat on the left and a Bear on the right of the picture"
    assert words[3][1] == f"{start} Cat textured with Blue and a Bear textured with Red"


def test_each_answer_of_naturalbench_belongs_to_its_image(tmp_path: Path) -> None:
    naturalbench(tmp_path)
    media = opened("naturalbench", tmp_path).splits["test"].media
    assert [media[f"caption_{k}"].load(0) for k in range(4)] == [
        "Is it so? 0 Yes",
        "Is it so? 0 No",
        "Is it not? 0 No",
        "Is it not? 0 Yes",
    ]


def test_whole_clusters_are_held_out_and_the_rest_is_the_rest(tmp_path: Path) -> None:
    sugarcrepe(tmp_path)
    splits = opened("sugarcrepe", tmp_path).splits
    held, rest = (set(splits[name].columns["filename"]) for name in ("held-out", "rest"))
    assert held.isdisjoint(rest)
    assert set(splits["held-out"].ids) | set(splits["rest"].ids) == set(splits["test"].ids)


@pytest.mark.parametrize("files", [False, True])
def test_captions_of_one_image_are_one_cluster_and_held_out_together(files: bool, tmp_path: Path) -> None:
    captions = [f"A dog runs after ball number {k} on the grass." for k in range(3)]
    if files:
        for image in (1, 2):
            picture(tmp_path / f"coco/val2014/{image}.jpg", image)
        entries = [{"image": f"val2014/{image}.jpg", "caption": captions} for image in (1, 2)]
        dump(tmp_path / "coco/coco_karpathy_test.json", entries)
    else:
        hub(tmp_path / "aro-coco-order", ("images",), rows=6, **ORDER)
        path = tmp_path / "aro-coco-order/test-00000-of-00001.parquet"
        table = datasets.Dataset.from_parquet(str(path))
        datasets.concatenate_datasets([table.select([k, k, k]) for k in (0, 3)]).to_parquet(str(path))
    splits = opened("coco-order", tmp_path, 6).splits
    assert splits["test"].columns["image_0"].tolist() == [0, 0, 0, 1, 1, 1]
    assert (len(splits["held-out"]), len(splits["rest"])) == (3, 3)


def test_perturbed_captions_are_made_here_where_only_the_captions_are(tmp_path: Path) -> None:
    karpathy(tmp_path, "coco/coco_karpathy_test.json", "coco/val2014/COCO_val2014_1.jpg")
    dataset = opened("coco-order", tmp_path)
    assert "word classes and seeds of our own" in dataset.deviations[0]
    with pytest.raises(DataError, match="--deviating"):
        open_dataset(replace(DECLARED["coco-order"], splits={"test": 2}), tmp_path)


def test_perturbations_keep_the_words_and_what_they_say_they_keep() -> None:
    caption = "A brown dog runs quickly after the small red ball, near two old houses."
    words = plain(caption).split()
    named, others, inside, trigrams = (text.split() for text in perturbations(caption))
    assert all(sorted(text) == sorted(words) for text in (named, others, inside, trigrams))
    fixed = {"a", "runs", "quickly", "after", "the", "near", "two"}
    assert [word in fixed for word in named] == [word in fixed for word in words]
    assert [word for word in named if word in fixed] == [word for word in words if word in fixed]
    assert [word for word in others if word not in fixed] == [word for word in words if word not in fixed]
    assert all(sorted(inside[k : k + 3]) == sorted(words[k : k + 3]) for k in range(0, len(words), 3))
    assert sorted(" ".join(trigrams).count(" ".join(words[k : k + 3])) for k in range(0, 12, 3)) == [1, 1, 1, 1]
    assert len({tuple(text) for text in (named, others, inside, trigrams, words)}) == 5


def test_perturbations_are_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shuffles.check_frozen()
    assert shuffles.FROZEN == "fccd58443a50982c55c59c8be602de88"  # as it was when the first results were made
    assert perturbations(shuffles.SAMPLE[0], seed=1) != perturbations(shuffles.SAMPLE[0])
    monkeypatch.setattr(shuffles, "LONGEST", 5)
    karpathy(tmp_path, "coco/coco_karpathy_test.json", "coco/val2014/COCO_val2014_1.jpg")
    with pytest.raises(DataError, match="frozen"):
        opened("coco-order", tmp_path)


@pytest.mark.skipif(not SUGARCREPE.is_dir(), reason="SugarCrepe's captions are not here")
def test_the_real_captions_of_sugarcrepe_have_the_published_counts(tmp_path: Path) -> None:
    (tmp_path / "sugar-crepe").symlink_to(SUGARCREPE)
    (tmp_path / "val2017").mkdir()
    test = open_dataset(DECLARED["sugarcrepe"], tmp_path).splits["test"]
    kinds, counts = np.unique(test.columns["kind"], return_counts=True)
    assert counts.tolist() == [692, 2062, 788, 1652, 1406, 666, 245]  # in the order of their names
    assert len(kinds) == 7
    assert len(test) == 7511
    assert len(set(test.columns["filename"])) == 1560
    pairs = zip(*(map(test.media[f"caption_{k}"].load, range(len(test))) for k in range(2)), strict=True)
    assert (
        sum(sorted(true.lower().strip(".").split()) == sorted(false.lower().strip(".").split()) for true, false in pairs) > 400
    )


def looked_over(name: str, data: Path, *, decode: bool = False) -> Checked:
    sizes = {split: WRITERS[name][0] if split == "test" else 3 for split in DECLARED[name].splits}
    return check(replace(DECLARED[name], splits=sizes), data, decode=decode)


@pytest.mark.parametrize("name", [name for name in EXTERNAL if name != "colorswap"])
def test_a_sound_copy_is_found_sound(name: str, tmp_path: Path) -> None:
    WRITERS[name][1](tmp_path)
    found = looked_over(name, tmp_path, decode=True)
    assert (found.known, found.problems) == ((), ())
    assert any(line.startswith(f"  test      {WRITERS[name][0]} examples of ") for line in found.lines)


@pytest.mark.parametrize("name", ["eqben", "crepe-laion"])
def test_a_size_that_no_source_states_is_said_to_be_unknown(name: str, tmp_path: Path) -> None:
    WRITERS[name][1](tmp_path)
    lines = check(DECLARED[name], tmp_path).lines
    assert "  size      of test not declared: that no example is missing cannot be checked" in lines
    assert any("(of a size that is not declared: a copy of any size is read)" in line for line in show_lines(name))
    assert not any("not declared: that" in line for line in looked_over(name, tmp_path).lines)


def test_the_check_counts_images_captions_and_subsets(tmp_path: Path) -> None:
    sugarcrepe(tmp_path)
    lines = looked_over("sugarcrepe", tmp_path).lines
    assert "  test      14 examples of 2 images and 28 captions, content " in "\n".join(lines)
    assert (
        "            kind: add_att 2, add_obj 2, replace_att 2, replace_obj 2, replace_rel 2, swap_att 2, swap_obj 2" in lines
    )
    assert not any("class" in line for line in lines)


def test_the_content_hash_of_a_probe_is_of_every_column(tmp_path: Path) -> None:
    for folder, negative in (("one", "a blue hat"), ("same", "a blue hat"), ("other", "a green hat")):
        hub(tmp_path / folder / "winoground", ("image_0", "image_1"), caption_0="a red hat", caption_1=negative, tag="x")
    one, same, other = (looked_over("winoground", tmp_path / folder).lines[3] for folder in ("one", "same", "other"))
    assert one == same != other


def test_a_second_image_that_is_damaged_is_named(tmp_path: Path) -> None:
    WRITERS["eqben"][1](tmp_path)
    victim = tmp_path / "eqben/image_subset/eqbenag/0.png"
    victim.write_bytes(victim.read_bytes()[:-50])
    assert looked_over("eqben", tmp_path).problems == ()
    assert "cannot be decoded" in looked_over("eqben", tmp_path, decode=True).problems[0]


def test_an_image_of_train_that_is_an_image_of_test_is_named(tmp_path: Path) -> None:
    colorswap(tmp_path)  # the small copy draws both splits from the same shades
    assert any(problem.startswith("test and train share 4 items") for problem in looked_over("colorswap", tmp_path).problems)
