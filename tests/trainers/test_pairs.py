"""Examples that come with another of the same thing: views of two renders of one object, scenes beside their hard negative."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from repbench.datasets.open import open_dataset
from repbench.errors import UsageError
from repbench.tasks import load_catalogue
from repbench.trainers.augment import pixels
from repbench.trainers.instances import Instances
from repbench.trainers.method import Method, Parts, find_method
from repbench.trainers.methods.mae import hidden_patches
from repbench.trainers.seeds import uniform_of
from repbench.trainers.settings import TrainSettings


def built(name: str, dataset: str, size: int, arch: str = "small:half-resnet", **options: object) -> tuple[Method, Parts]:
    """A method on the train split of a dataset, as the loop makes it."""
    declared = load_catalogue().datasets[dataset]
    method = find_method(name)
    defaults = {"epochs": 1, "batch_size": 4, "optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.0}
    settings = TrainSettings(arch=arch, size=size, **defaults)  # type: ignore[arg-type]
    split = open_dataset(declared).splits["train"]
    parts = Parts(split=split, medium=declared.medium, modality="image", settings=settings)
    return method.make(parts, method.options(**options)), parts


def test_another_of_the_same_thing_is_never_itself_and_any_of_the_others() -> None:
    split = open_dataset(load_catalogue().datasets["furniture"]).splits["train"]
    things = Instances(split, "instance", "pairs")
    torch.manual_seed(0)
    drawn = {things.other(7) for _ in range(1000)}
    same = np.flatnonzero(split.columns["instance"] == split.columns["instance"][7])
    assert drawn == set(same.tolist()) - {7}


def test_of_few_pictures_of_a_thing_pairs_are_drawn_of_those_alone() -> None:
    split = open_dataset(load_catalogue().datasets["furniture"]).splits["train"]
    things = Instances(split, "instance", "group", most=3)
    kept = np.flatnonzero(things.drawn)
    assert len(kept) == 3 * len(set(split.columns["instance"].tolist()))
    torch.manual_seed(0)
    instance = split.columns["instance"]
    for place in (7, int(kept[0])):
        drawn = {things.other(place) for _ in range(200)}
        assert drawn == {one for one in kept.tolist() if instance[one] == instance[place]} - {place}


@pytest.mark.parametrize("name", ["lie-simclr", "lie-mae"])
def test_lie_pairs_are_of_the_pictures_that_poses_leaves(name: str) -> None:
    arch = "small:vit" if name == "lie-mae" else "small:half-resnet"
    method, parts = built(name, "furniture", 32, arch=arch, poses=2)
    kept = [
        pixels(parts.split.media[parts.medium].load(one).resize((32, 32), Image.Resampling.BICUBIC))
        for one in np.flatnonzero(method.poses.instances.drawn)[:2]
    ]  # type: ignore[union-attr]
    found = method.example(0)
    assert all(any(torch.equal(found[side], one) for one in kept) for side in ("here", "there"))
    assert not torch.equal(found["here"], found["there"])
    with pytest.raises(UsageError, match="poses=1"):
        built(name, "furniture", 32, arch=arch, poses=1)


def test_hidden_patches_of_a_pair_change_nothing_and_without_a_map_the_group_acts_on_the_feature() -> None:
    method, _ = built("lie-mae", "furniture", 16, arch="small:vit", pair_mask=0.75, latent=0)
    assert method.poses.operator.basis.shape[1] == method.encoder.width  # type: ignore[union-attr, union-attr]
    pixels_, seed = torch.randint(0, 255, (2, 16, 16, 3), dtype=torch.uint8), torch.tensor([3])
    noise = torch.cat([uniform_of(seed, 16, side) for side in ("here", "there")])
    shown = hidden_patches(noise, 0.75)[0][0]
    changed = pixels_.clone()
    grid = torch.ones(16, dtype=torch.bool).scatter(0, shown, False).view(4, 4)
    changed[0][grid.repeat_interleave(4, 0).repeat_interleave(4, 1)] = 0
    torch.testing.assert_close(method._seen(changed, seed), method._seen(pixels_, seed))  # type: ignore[operator]
    changed[0] = 0
    assert not torch.allclose(method._seen(changed, seed)[0], method._seen(pixels_, seed)[0])  # type: ignore[operator]


@pytest.mark.parametrize("name", ["simclr", "dino"])
def test_the_second_view_is_of_another_picture_of_the_thing(name: str) -> None:
    plain = {"smallest": 1.0, "strength": 0.0, "grey": 0.0, "flip": 0.0}  # a view is the whole picture
    method, parts = built(name, "furniture", 64, pairs="instance", **plain)
    alone, _ = built(name, "furniture", 64, **plain)
    images, instance = parts.split.media[parts.medium], parts.split.columns["instance"]
    same = [pixels(images.load(place)) for place in np.flatnonzero(instance == instance[5])]
    torch.manual_seed(0)
    first, second = views_of(method.example(5))
    assert torch.equal(first, pixels(images.load(5)))
    assert not torch.equal(first, second)
    assert any(torch.equal(second, one) for one in same)
    assert torch.equal(*views_of(alone.example(5)))


def views_of(example: object) -> tuple[torch.Tensor, torch.Tensor]:
    """The two large views of an example."""
    assert isinstance(example, dict)
    return (example["first"], example["second"]) if "first" in example else (example["views"][0], example["views"][1])


def test_a_batch_of_scenes_holds_the_hard_negative_of_each() -> None:
    method, parts = built("blip", "emoji-scenes", 32, caption="caption", pairs="pair", smallest=0.8, flip=0.0, strength=0.0)
    numbers: dict[str, int] = {}
    captions = [parts.split.media["caption"].load(place) for place in range(len(parts.split))]
    for caption in captions:
        numbers.setdefault(caption, len(numbers))
    example = method.example(0)
    other = int(np.flatnonzero(parts.split.columns["pair"] == parts.split.columns["pair"][0])[1])
    assert example["caption"].tolist() == [numbers[captions[0]], numbers[captions[other]]]
    assert example["image"].shape == (2, 32, 32, 3)
    alone, _ = built("blip", "emoji-scenes", 32, caption="caption")
    assert alone.example(0)["image"].shape == (1, 32, 32, 3)


def test_a_thing_that_is_shown_once_is_told_by_the_name_of_the_option() -> None:
    split = open_dataset(load_catalogue().datasets["furniture"]).splits["train"]
    rows = np.unique(split.columns["instance"], return_index=True)[1]
    once = replace(split, columns={"instance": split.columns["instance"][rows]})
    with pytest.raises(UsageError, match=r"pairs=instance: an instance of 'train' has one picture only"):
        Instances(once, "instance", "pairs")
    with pytest.raises(UsageError, match="has no column 'pose'"):
        built("simclr", "furniture", 32, pairs="pose")


@pytest.mark.parametrize(
    ("name", "options"), [("mae", {"mask": 1.0}), ("lie-mae", {"pair_mask": 0.99}), ("mae", {"mask": -0.1})]
)
def test_a_mask_that_leaves_no_patch_is_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="of 16 patches: at least one must stay"):
        built(name, "furniture", 16, arch="small:vit", **options)
