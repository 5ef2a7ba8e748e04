"""Folds over objects: the partition against scikit-learn's, and what a pack gives with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import StratifiedGroupKFold

from repbench.datasets.folds import Folds, dealt
from repbench.datasets.open import open_dataset
from repbench.errors import DataError, DeclarationError
from repbench.tasks import load_catalogue

FURNITURE = Path(__file__).parents[2] / "examples" / "furniture-folds"


def of_fold(fold: int, count: int = 5) -> Folds:
    """A fold of objects."""
    return Folds(of="object", count=count, fold=fold)


def test_each_group_is_in_test_once_and_classes_are_as_even_as_those_of_scikit_learn() -> None:
    label = np.repeat(load_iris().target, 2)
    group = np.repeat([f"flower {place}" for place in range(150)], 2)
    split = np.where(np.arange(300) % 10 < 2, "test", "train")
    ours = [dealt(split, label, group, of_fold(fold)) for fold in range(5)]
    assert (np.sum([one == "test" for one in ours], axis=0) == 1).all()
    theirs = StratifiedGroupKFold(5).split(group, label, group)
    for one, (_, test) in zip(ours, theirs, strict=True):
        assert not set(group[one == "test"]) & set(group[one == "train"])
        assert np.bincount(label[one == "test"]).tolist() == np.bincount(label[test]).tolist() == [20, 20, 20]
    assert (ours[0] == split).all()


def test_what_no_part_needs_is_val_in_every_fold_and_other_rows_stay() -> None:
    group = np.array(list("fedcbaxx"))
    split = np.array(["test", "val", "train", "train", "train", "train", "", ""])
    label = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    found = [dealt(split, label, group, of_fold(fold)) for fold in range(5)]
    assert {tuple(one[[1, 6, 7]]) for one in found} == {("val", "", "")}
    assert [one.tolist().index("test") for one in found] == [0, 5, 4, 3, 2]


def test_what_cannot_be_dealt_is_told() -> None:
    split, label = np.array(["train"] * 4 + ["test"]), np.zeros(5, int)
    with pytest.raises(DataError, match=r"folds\.count=6: the class '0' has 5 values of 'object'"):
        dealt(split, label, np.array(list("abcde")), of_fold(0, 6))
    with pytest.raises(DataError, match="'a' lies in two splits"):
        dealt(split, label, np.array(list("abcda")), of_fold(0, 2))
    with pytest.raises(DataError, match="'a' lies in two splits or has two classes"):
        dealt(split, np.array([0, 0, 0, 1, 1]), np.array(list("abcda")), of_fold(0, 2))
    with pytest.raises(ValueError, match=r"folds\.fold is 5; expected 0 to 4"):
        of_fold(5)


def test_every_object_of_furniture_but_twenty_is_unknown_in_one_fold() -> None:
    catalogue = load_catalogue([FURNITURE])
    whole = open_dataset(catalogue.dataset("furniture"))
    objects = {split.name: set(split.columns["instance"]) for split in whole if split.name != "prompts"}
    tests = []
    for fold in range(5):
        assert f"pose-robustness/furniture-fold-{fold}" in catalogue.tasks
        opened = open_dataset(catalogue.dataset(f"furniture-fold-{fold}"))
        own = {split.name: set(split.columns["instance"]) for split in opened}
        assert sum(map(len, own.values())) == len(set.union(*own.values())) == 135
        assert own["val"] < objects["val"]
        assert np.bincount(opened.splits["test"].label).tolist() == [36] * 23
        tests.append(own["test"])
    assert len(set.union(*tests)) == 115
    assert tests[0] == objects["test"]


def test_a_fold_that_is_none_stops_at_its_declaration(tmp_path: Path) -> None:
    text = (FURNITURE / "furniture-fold-0.toml").read_text().replace("fold = 0", "fold = 7")
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(DeclarationError, match=r"folds\.fold is 7; expected 0 to 4"):
        open_dataset(load_catalogue([tmp_path / "wrong.toml"]).dataset("wrong"))
