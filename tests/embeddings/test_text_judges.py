"""Judges of text among the blind rules: what ships is what they say, of no other captions; they are asked once a probe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from repbench import grammar
from repbench.datasets.fetch.places import place_of
from repbench.datasets.probe import RULES
from repbench.embeddings import text_judges
from repbench.embeddings.needs import GRAMMAR, SENTENCES, TYPICAL
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.sources.packaged import MINILM, PACKAGES
from repbench.measure import blind
from repbench.rerun import rerun
from repbench.results.record import Record
from repbench.run.execute import execute
from repbench.run.plan import Datasets, Plan, make_plan
from repbench.run.report import Report
from repbench.run.settings import Settings
from repbench.tasks import load_catalogue
from tests.sugar_crepe import Rows, write_small

sys.path.insert(0, str(Path(__file__).parents[2]))
from packs import text_judges as made

PARSER = "link-grammar-5.12.0"  # which the committed scores were made with
installed = pytest.mark.skipif(not text_judges.is_installed(), reason="repbench[pretrained] is not installed")


def rows_of(name: str) -> tuple[list[str], list[tuple[str, ...]], np.ndarray]:
    """Ids, captions and clusters of the test split of an embedded probe."""
    declaration = load_catalogue().datasets[name]
    assert declaration.probe is not None
    rows = pq.read_table(place_of(name)).to_pandas().query("split == 'test'")
    captions = rows[list(declaration.probe.captions_of(declaration.columns))]
    return rows["id"].astype(str).tolist(), list(map(tuple, captions.to_numpy().tolist())), rows[declaration.cluster or "id"]


@pytest.mark.parametrize("seed", range(5))
def test_the_closed_form_is_the_mean_over_all_true_captions_of_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = 20, 3
    x = rng.normal(size=(n, k, 4))
    true, groups = rng.random((n, k)) < 0.6, rng.integers(6, size=n)
    found = blind.typicality_apart([x[:, one] for one in range(k)], true, groups)
    assert found is not None
    for i in range(n):
        others = [x[j, c] for j in range(n) for c in range(k) if true[j, c] and groups[j] != groups[i]]
        for c in range(k):
            cosines = [x[i, c] @ one / np.linalg.norm(x[i, c]) / np.linalg.norm(one) for one in others]
            assert found[i, c] == pytest.approx(np.mean(cosines))


def test_examples_that_all_share_an_image_have_no_others() -> None:
    assert blind.typicality_apart([np.ones((3, 2))], np.ones((3, 1), bool), np.zeros(3)) is None


@installed
@pytest.mark.parametrize("name", made.PROBES)
def test_what_ships_is_what_the_packaged_encoder_gives(name: str) -> None:
    assert made.differs(name, TYPICAL) <= 1


@pytest.mark.skipif(not grammar.is_here(), reason="link-parser is not installed")
@pytest.mark.parametrize("name", made.PROBES[1:2])
def test_what_ships_is_what_the_parser_says(name: str) -> None:
    told = subprocess.run(["link-parser", "--version"], capture_output=True, text=True, check=False)
    if PARSER not in told.stdout + told.stderr:
        pytest.skip("another version of link-parser")
    assert made.differs(name, GRAMMAR) <= 1


@pytest.mark.parametrize("name", made.PROBES)
def test_scores_are_of_these_captions_and_examples_alone(name: str) -> None:
    ids, captions, _ = rows_of(name)
    scores = text_judges.shipped_scores(name, ids, captions)
    some = [5, 2, 11]
    part = text_judges.shipped_scores(name, [ids[one] for one in some], [captions[one] for one in some])
    assert scores is not None
    assert part is not None
    assert set(scores) == set(part) == {TYPICAL, GRAMMAR}
    assert all(np.array_equal(part[rule], scores[rule][some]) for rule in part)
    other = [(f"{captions[0][0]}.", *captions[0][1:]), *captions[1:]]
    assert text_judges.shipped_scores(name, ids, other) is None
    assert text_judges.shipped_scores(name, ids[::-1], captions) is None
    assert text_judges.shipped_scores("sugarcrepe", ids, captions) is None


@pytest.mark.parametrize("name", made.PROBES)
def test_where_each_caption_is_true_once_judges_of_text_score_no_more_than_chance(name: str) -> None:
    ids, captions, clusters = rows_of(name)
    probe = load_catalogue().datasets[name].probe
    scores = text_judges.shipped_scores(name, ids, captions)
    assert scores is not None
    assert probe is not None
    images = RULES[probe.rule].images
    verdict = blind.verdict(scores, probe.rule, images, groups=clusters.to_numpy())
    if images == 1:
        assert list(verdict.score.values()) == pytest.approx([verdict.chance] * 2, abs=1e-12)
    else:  # one caption is the better, beside either picture, unless both are equally good
        assert verdict.score[TYPICAL] < verdict.chance / 10
        assert verdict.score[GRAMMAR] <= verdict.chance


def test_the_modules_that_are_looked_for_are_those_of_the_encoder() -> None:
    assert PACKAGES[MINILM].module in text_judges.MODULES
    assert SENTENCES.startswith(f"packaged:{MINILM},")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with `small.toml` and a copy of SugarCrepe's layout, in which the true captions are of one kind of thing."""
    animals = ("dog", "cat", "cow", "horse", "goat", "sheep")
    things = ("tax return", "theorem", "sonata", "verdict", "mortgage", "axiom")

    def rows(number: int, kind: str) -> Rows:
        both = zip(animals, things, strict=True)
        return [(animal, f"a {animal} on a farm", f"a {thing} by {kind}") for animal, thing in both]

    return write_small(tmp_path, {animal: 40 * k for k, animal in enumerate(animals)}, rows)


def settings_of(root: Path, limit: int | None = None) -> Settings:
    return Settings(results=root / "results", store=root / "store", data=root / "data", limit=limit)


def planned(root: Path, encoder: str = "control:random", limit: int | None = None, task: str = "compositional/small") -> Plan:
    settings = settings_of(root, limit)
    tasks = load_catalogue([root / "small.toml"]).select([task])
    return make_plan(load_encoder(encoder), tasks, Datasets(settings), settings)


def run(root: Path, encoder: str, limit: int | None = None, task: str = "compositional/small") -> Record:
    plan = planned(root, encoder, limit, task)
    (record,) = execute(plan, settings_of(root, limit), Report(quiet=True))
    return record


def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_judges, "is_installed", lambda: False)
    monkeypatch.setattr(grammar, "is_here", lambda: False)


@installed
def test_it_is_asked_once_for_all_encoders(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "is_here", lambda: False)
    record = run(small, "control:random")
    assert record.diagnostics["blind"]["rules"][TYPICAL] == 1  # captions of a farm are typical for captions of a farm
    assert TYPICAL not in record.diagnostics["blind"]["not_asked"]
    monkeypatch.setattr(text_judges, "extract", None)  # whoever embeds now fails
    assert run(small, "control:constant").diagnostics["blind"]["rules"][TYPICAL] == 1
    assert run(small, "control:constant", task="compositional-itm/small").diagnostics["blind"]["rules"][TYPICAL] == 1
    assert run(small, "control:constant", limit=14).diagnostics["blind"]["rules"][TYPICAL] == 1


def test_a_record_says_that_it_was_not_asked_and_what_to_install(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    record = run(small, "control:random")
    assert TYPICAL not in record.diagnostics["blind"]["rules"]
    assert "pip install 'repbench[pretrained]'" in record.diagnostics["blind"]["not_asked"][TYPICAL]
    assert "link-parser is not installed" in record.diagnostics["blind"]["not_asked"][GRAMMAR]
    assert any(TYPICAL in words and "pip install" in words for words in record.warnings)


def a_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that finds captions of a farm well formed."""
    monkeypatch.setattr(grammar, "is_here", lambda: True)
    monkeypatch.setattr(grammar, "grammar_scores", lambda texts: {text: float("farm" in text) for text in texts})


def test_the_grammar_checker_is_asked_once_a_probe_where_it_is_installed(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    assert GRAMMAR not in run(small, "control:random").diagnostics["blind"]["rules"]
    a_parser(monkeypatch)
    assert run(small, "control:random").diagnostics["blind"]["rules"][GRAMMAR] == 1
    monkeypatch.setattr(grammar, "grammar_scores", None)  # whoever parses now fails
    assert run(small, "control:constant").diagnostics["blind"]["rules"][GRAMMAR] == 1
    assert run(small, "control:constant", limit=14).diagnostics["blind"]["rules"][GRAMMAR] == 1


def test_a_result_is_not_called_wrong_for_a_judge_that_is_not_here(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    with monkeypatch.context() as patched:
        a_parser(patched)
        run(small, "control:random")
    (again,) = rerun(small / "results", 1, 0, small / "data", [small / "small.toml"], LoadOptions())
    assert again.problems == (f"the blind rule {GRAMMAR!r} cannot be asked here: {grammar.MISSING}",)


def test_a_grammar_checker_that_fails_or_has_too_much_to_read_stops_no_task(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(texts: list[str]) -> dict[str, float]:
        raise subprocess.TimeoutExpired("link-parser", 600)

    without(monkeypatch)
    monkeypatch.setattr(grammar, "is_here", lambda: True)
    monkeypatch.setattr(grammar, "grammar_scores", broken)
    assert "timed out" in run(small, "control:random").diagnostics["blind"]["not_asked"][GRAMMAR]
    monkeypatch.setattr(text_judges, "MOST", 3)
    assert "more than the 3" in run(small, "control:constant").diagnostics["blind"]["not_asked"][GRAMMAR]


@installed
def test_a_record_without_the_rule_is_made_again_once_it_can_be_asked_and_never_the_other_way(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        without(patched)
        run(small, "control:random")
        (job,) = planned(small).jobs
        assert job.is_done  # nothing could be asked anew
    (job,) = planned(small).jobs
    assert not job.is_done
    assert TYPICAL in run(small, "control:random").diagnostics["blind"]["rules"]
    without(monkeypatch)
    assert TYPICAL in run(small, "control:random").diagnostics["blind"]["rules"]


def test_an_embedded_probe_has_the_rule_whatever_is_installed(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    for task in ("compositional/emoji-captions", "compositional-itm/emoji-captions", "compositional-lm/emoji-captions"):
        record = run(small, "control:random", limit=14, task=task)
        assert record.diagnostics["blind"]["rules"][TYPICAL] == pytest.approx(0.5)
        assert record.diagnostics["blind"]["rules"][GRAMMAR] == pytest.approx(0.5)
        assert not record.warnings
