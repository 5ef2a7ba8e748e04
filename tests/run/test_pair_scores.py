"""Pair scores in a run: each distinct pair is judged once, stored, taken up again; an encoder without the scorer is unfit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from repbench.embeddings.needs import NULL_IMAGES
from repbench.embeddings.options import ExtractOptions
from repbench.encoder import Encoder, PairScorer, Tower
from repbench.encoders.load import load_encoder
from repbench.leaderboard.shares import shares_of
from repbench.protocols._blind import OWN_PRIOR
from repbench.protocols.compositional_lm import CompositionalLM, likelihoods
from repbench.results.files import read_examples
from repbench.results.record import DONE, FAILED, Record
from repbench.run.execute import execute
from repbench.run.plan import Datasets, make_plan
from repbench.run.preview import preview_lines
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue
from tests.sugar_crepe import KINDS, Rows, write_small

IMAGES, EACH = 5, 6


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with `small.toml` and a copy of SugarCrepe's layout: shade k is "shade k", foils are other shades."""
    reds = {str(k): 50 * k for k in range(IMAGES)}

    def rows(number: int, kind: str) -> Rows:
        places = [(k + number) % IMAGES for k in range(EACH)]
        return [(str(place), f"shade {place}", f"shade {(place + 1) % IMAGES} {kind}") for place in places]

    return write_small(tmp_path, reds, rows, probe="macro = true\nheld_out = 0.4")


class Counting(nn.Module):
    """Scores 0 where the image has the shade of the text and -1 where not, more for foils; and how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        self.asked += len(images)
        return texts[:, 1] - ((images[:, 0] - texts[:, 0]).abs() > 0.01).float()


def image_shade(image: Any) -> Tensor:
    return torch.tensor([float(np.asarray(image)[0, 0, 0]) / 50])


def text_shade(text: str) -> Tensor:
    return torch.tensor([float(text.split()[1]), 3.0 * (len(text.split()) > 2)])  # foils are likelier texts


def judging(module: nn.Module) -> Encoder:
    scorer = PairScorer(prepare={"image": image_shade, "text": text_shade}, module=module, fingerprint="counting")
    return Encoder(name="judge", towers={}, scorers={"lm": scorer, "itm": scorer})


class Around(nn.Module):
    """A shade as a place on a circle; in reduced precision, as a `sign` has it, that or the one opposite."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        self.one, self.sign = nn.Parameter(torch.ones(1), requires_grad=False), sign

    def forward(self, shades: Tensor) -> Tensor:
        angle = shades[:, 0] * self.one
        place = torch.stack([angle.cos(), angle.sin()], dim=1)
        return place if self.one.dtype == torch.float32 else place * self.sign


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_choices_among_captions_that_reduced_precision_flips_are_counted(small: Path, sign: float) -> None:
    image = Tower(prepare=image_shade, module=Around(sign).eval(), dim=2, fingerprint="image")
    text = Tower(prepare=text_shade, module=Around(1.0).eval(), dim=2, fingerprint="text")
    encoder = Encoder(name="around", towers={"image": image, "text": text})
    record = run(small, encoder, "compositional/small", extract=ExtractOptions(precision="bf16"))["compositional"]
    assert record.status == DONE
    assert record.value.value == (1.0 if sign > 0 else 0.0)  # type: ignore[union-attr]
    assert record.circumstances["prediction_flips"] == {"examples": record.n, "flips": 0 if sign > 0 else record.n}


def run(root: Path, encoder: Encoder | str, tasks: str = "compositional*/small", **changes: Any) -> dict[str, Record]:
    places = {"results": root / "results", "store": root / "store", "data": root / "data"}
    given = Settings(**places | changes)
    given = replace(given, extract=replace(given.extract, batch_size=4))
    chosen = load_catalogue([root / "small.toml"]).select([tasks])
    built = load_encoder(encoder) if isinstance(encoder, str) else encoder
    records = execute(make_plan(built, chosen, Datasets(given), given), given, Report(quiet=True))
    return {record.protocol: record for record in records}


def test_each_distinct_pair_is_judged_once_and_never_again(small: Path) -> None:
    module = Counting()
    run(small, judging(module), "compositional-itm/small")
    distinct = IMAGES * (1 + len(KINDS))  # of each image its caption, and one foil a kind
    padded = -(-distinct // 4) * 4  # passes of one shape
    assert module.asked == padded
    run(small, judging(module), "compositional-itm/small")
    assert module.asked == padded
    run(small, judging(module), "compositional-lm/small")
    texts = IMAGES * (1 + len(KINDS))
    assert module.asked - padded <= len(NULL_IMAGES) * texts + 2 * 4  # only captions beside noise are new


class Hungry(Counting):
    """It has memory for two pairs at once."""

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().forward(images, texts)


def test_memory_that_runs_out_in_a_scorer_changes_no_score_and_is_told_in_the_record(small: Path) -> None:
    plain = run(small, judging(Counting()), "compositional-itm/small")["compositional-itm"]
    others = {"results": small / "others", "store": small / "other-store"}
    hungry = run(small, judging(Hungry()), "compositional-itm/small", **others)["compositional-itm"]
    assert plain.circumstances["passes"] == {"itm scorer": 4}
    assert "notes" not in plain.circumstances
    assert hungry.circumstances["passes"] == {"itm scorer": 2}
    assert hungry.circumstances["notes"] == {"itm scorer": {"batch": "out of memory on cpu: passes of 2 items instead of 4"}}
    assert hungry.metrics == plain.metrics


def test_the_prior_of_likelier_foils_is_taken_out_by_an_alpha_that_was_chosen_on_held_out_images(small: Path) -> None:
    record = run(small, judging(Counting()))["compositional-lm"]
    assert record.status == DONE
    assert record.diagnostics["alpha"] > 0
    assert record.metrics["mean-of-subsets"].value == 1.0
    assert record.metrics["mean-of-subsets at alpha 0"].value < 0.5
    assert record.n == 42 - int(record.diagnostics["alpha_chosen_on"].split()[0])
    assert record.towers["lm scorer"]["fingerprint"] == "counting"


@pytest.mark.parametrize(("control", "status"), [("constant", DONE), ("random", DONE), ("nan", FAILED)])
def test_controls_score_chance_and_nan_fails_by_every_scorer(small: Path, control: str, status: str) -> None:
    records = run(small, f"control:{control}")
    assert set(records) == {"compositional", "compositional-itm", "compositional-lm"}
    for record in records.values():
        assert record.status == status
        if control == "nan":
            assert "NaN" in record.reason
        else:
            primary = record.metrics[record.primary or ""]
            assert record.chance == pytest.approx(0.5)
            assert (primary.low or 0.0) - 1e-12 <= 0.5 <= (primary.high or 0.0) + 1e-12
        if control == "constant":
            assert primary.value == pytest.approx(0.5, abs=1e-12)
            assert record.diagnostics["tie_rate"] == 1.0


def test_an_encoder_without_the_scorer_is_unfit_like_one_without_a_tower(small: Path) -> None:
    records = run(small, "control:pixels")
    assert records["compositional-itm"].reason == "missing scorer: it needs the pair scorer itm; control:pixels has none."
    assert records["compositional"].reason.startswith("missing modality")


def test_the_plan_counts_pairs(small: Path) -> None:
    given = Settings(results=small / "results", store=small / "store", data=small / "data")
    plan = make_plan(
        judging(Counting()), load_catalogue([small / "small.toml"]).select(["*-itm/small"]), Datasets(given), given
    )
    assert any("40 distinct pairs of an image and a text: 0 stored, 40 to judge" in line for line in preview_lines(plan, given))


def test_an_image_that_cannot_be_read_is_left_out_of_all_columns(small: Path) -> None:
    (small / "data/val2017/0.png").write_bytes(b"no image")
    failed = run(small, judging(Counting()), "compositional-itm/small")["compositional-itm"]
    assert "cannot be decoded" in failed.reason
    given = Settings(results=small / "results", store=small / "store", data=small / "data")
    given = replace(given, extract=replace(given.extract, on_bad_item="skip"))
    chosen = load_catalogue([small / "small.toml"]).select(["compositional*/small"])
    for encoder in (judging(Counting()), load_encoder("control:random")):
        for record in execute(make_plan(encoder, chosen, Datasets(given), given), given, Report(quiet=True)):
            if record.status == DONE and record.protocol != "compositional-lm":
                assert record.n + len(record.skipped) == 42
                assert len(record.skipped) > 0


def test_alpha_moves_no_choice_of_images() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4 + 2 * len(NULL_IMAGES)))  # two images, two captions, captions beside noise
    given, prior = likelihoods(x, "winoground")
    assert given[:, 1, 0] == pytest.approx(x[:, 2])
    assert prior[:, 1] == pytest.approx(np.log(np.exp(x[:, 5::2]).mean(axis=1)))
    assert CompositionalLM().alphas[0] == 0.0
    one, other = (given - alpha * prior[:, None] for alpha in (0.0, 0.7))
    assert np.array_equal(one[:, 0] > one[:, 1], other[:, 0] > other[:, 1])


def test_what_examples_add_to_the_mean_of_subsets_can_be_compared_pair_by_pair(small: Path) -> None:
    record = run(small, "control:random", "compositional/small")["compositional"]
    shares = shares_of(record, read_examples(small / "results", record))
    assert shares is not None
    assert record.value is not None
    assert shares.added.sum() == pytest.approx(record.value.value)
    assert shares.clusters is not None
    assert len(set(shares.clusters)) == IMAGES


def test_blind_rules_stand_beside_scores_of_pairs_and_the_captioners_own_prior_is_one_of_them(small: Path) -> None:
    records = run(small, judging(Counting()))
    for protocol in ("compositional-itm", "compositional-lm"):
        metrics, told = records[protocol].metrics, records[protocol].diagnostics["blind"]
        assert told["rules"]["fewest words"] == metrics["blind-best"].value == metrics["blind-solved"].value == 1.0
        assert told["rules"]["most words"] == 0.0
        assert "shuffled-images" not in metrics  # it would take pairs of their own
    rules = records["compositional-lm"].diagnostics["blind"]["rules"]
    assert rules[OWN_PRIOR] == 0.0  # foils are likelier texts
    assert OWN_PRIOR not in records["compositional-itm"].diagnostics["blind"]["rules"]
