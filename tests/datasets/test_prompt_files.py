"""A user's own prompts: every form of file, and a run with them beside one with the declared ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import repbench
from repbench.datasets.declaration import Prompts
from repbench.datasets.prompt_files import read_prompts, with_prompts
from repbench.encoder import Encoder, Tower
from repbench.errors import DeclarationError, UsageError
from repbench.results.files import read_records
from repbench.tasks import load_catalogue

DIGITS = load_catalogue().dataset("digits")
CLASSES = tuple(DIGITS.classes)  # type: ignore[arg-type]


def test_every_form_of_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a photo of {}.\n\nthe number {c}\n")
    (tmp_path / "a.json").write_text('["a photo of {}.", "the number {c}"]')
    (tmp_path / "a.toml").write_text('templates = ["a photo of {}.", "the number {c}"]')
    expected = Prompts(templates=("a photo of {c}.", "the number {c}"))
    assert all(read_prompts(tmp_path / f"a.{ending}") == expected for ending in ("txt", "json", "toml"))
    (tmp_path / "cupl.json").write_text(json.dumps({CLASSES[0]: ["a round sign", "an egg"]}))
    own = with_prompts(DIGITS, read_prompts(tmp_path / "cupl.json"))
    assert own.prompts is not None
    assert own.prompts.of(CLASSES[0]) == ("a round sign", "an egg")
    assert own.digest != DIGITS.digest


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.txt", "no place for the class", "lacks the placeholder"),
        ("a.txt", "", "need templates or descriptions"),
        ("a.json", "{", "cannot be read"),
        ("a.json", "3", "expected a list of templates"),
        ("a.toml", "template = []", "Did you mean 'templates'"),
    ],
)
def test_what_is_no_file_of_prompts_is_told_by_name(tmp_path: Path, name: str, text: str, error: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises((UsageError, DeclarationError), match=error) as told:
        read_prompts(tmp_path / name)
    assert name in str(told.value)


def test_descriptions_of_a_class_that_is_not_there_get_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"no class '{CLASSES[0]}x'. Did you mean '{CLASSES[0]}'"):
        with_prompts(DIGITS, Prompts(templates=(), descriptions={f"{CLASSES[0]}x": ("a",)}))


def test_a_run_with_own_prompts_is_another_row_and_leaves_other_tasks_alone(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("{}")
    given = {"out": tmp_path / "results", "store": tmp_path / "store", "limit": 20, "quiet": True}
    tasks = ["zero-shot/digits", "zero-shot-calibration/digits", "knn/digits"]
    repbench.evaluate("control:random", tasks, **given)
    repbench.evaluate("control:random", tasks, **given, prompts=tmp_path / "own.txt")
    records = list(read_records(tmp_path / "results"))
    assert sorted(record.task for record in records) == sorted([*tasks, *tasks[:2]])
    for task in tasks[:2]:
        plain, own = sorted((one for one in records if one.task == task), key=lambda one: one.inputs.prompts)
        assert plain.inputs.prompts == ""
        assert own.inputs.unusual[-1] == f"prompts={own.inputs.prompts}"
        assert own.inputs.task_digest != plain.inputs.task_digest
    counted = [one.diagnostics["prompts"] for one in records if one.task == "zero-shot/digits"]
    assert min(counted) == len(CLASSES) < max(counted)


SAID = {"like blood": (1, 0, 0), "like a ripe tomato": (2, 1, 0), "like grass": (0, 1, 0), "like the sky": (0, 0, 3)}


def hears_colours() -> Encoder:
    """Images are their mean colour, texts the colour that is known of them: whoever says "like grass" means green."""

    def seen(image: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.asarray(image).mean((0, 1)) / 255).float()

    def heard(text: str) -> torch.Tensor:
        return torch.tensor(SAID[text], dtype=torch.float32)

    towers = {
        name: Tower(prepare=prepare, module=torch.nn.Identity(), dim=3, fingerprint=name)
        for name, prepare in (("image", seen), ("text", heard))
    }
    return Encoder(name="hears colours", towers=towers)


@pytest.mark.parametrize(
    ("descriptions", "score"),
    [
        ({"red": ["like blood", "like a ripe tomato"], "green": ["like grass"], "blue": ["like the sky"]}, 1.0),
        ({"red": ["like blood", "like a ripe tomato"], "green": ["like the sky"], "blue": ["like grass"]}, 1 / 3),
        ({one: ["like a ripe tomato"] for one in ("red", "green")} | {"blue": ["like the sky"]}, 2 / 3),  # two share the credit
    ],
)
def test_descriptions_of_a_file_are_what_the_score_is_made_of(
    colours: Path, descriptions: dict[str, list[str]], score: float
) -> None:
    (colours / "said.json").write_text(json.dumps(descriptions))
    given = {"plugins": [colours / "colours.toml"], "data": colours / "data", "store": colours / "store", "quiet": True}
    table = repbench.evaluate(hears_colours(), "zero-shot/colours", **given, prompts=colours / "said.json")
    assert table.set_index("metric")["value"]["accuracy"] == pytest.approx(score)


def test_a_class_without_description_is_named_in_the_failure(colours: Path) -> None:
    (colours / "said.json").write_text(json.dumps({"red": ["like blood"], "green": ["like grass"]}))
    given = {"plugins": [colours / "colours.toml"], "data": colours / "data", "store": colours / "store", "quiet": True}
    table = repbench.evaluate(hears_colours(), "zero-shot/colours", **given, prompts=colours / "said.json")
    assert table["metric"].tolist() == ["failed"]
    assert "'blue'" in table["reason"][0]
