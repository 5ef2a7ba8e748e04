"""The page in a real browser: a script drives it from inside, as a user would, and writes what it saw where we can read it."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from repbench import protocols
from repbench.leaderboard.curves import curves_of, packed, run_and_step
from repbench.leaderboard.judge import Verdict
from repbench.leaderboard.page import render_page
from repbench.leaderboard.publish import markdown
from repbench.leaderboard.questions import QUESTIONS
from repbench.leaderboard.tables import make_board
from repbench.measure import calibration
from repbench.results.record import Record
from tests.leaderboard.test_tables import record

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
HOSTILE = ['<img src=x onerror="window.hurt=1">', "</script><script>window.hurt=1</script>", "'\"><svg onload=hurt=1>&amp;"]

EARS = "<script>window.seen = []; addEventListener('error', e => seen.push(String(e.message)));</script>"
FIRST_ROWS = "[...document.querySelectorAll('tbody th')].map(one => one.title)"


def drive(page: str, script: str, tmp_path: Path) -> dict[str, object]:
    """What `script`, which fills `out`, saw in the page; with any error that the page raised, and whether a name acted."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: the page is not driven (Debian: apt install chromium)")
    last = (
        f"<script>const out = {{}}; try {{ {script} }} catch (error) {{ seen.push(String(error)); }}\n"
        "setTimeout(() => { out.errors = seen; out.hurt = Boolean(window.hurt);"
        "document.body.replaceChildren(Object.assign(document.createElement('pre'),"
        "{id: 'out', textContent: JSON.stringify(out)})); }, 300);</script>"
    )
    path = tmp_path / "page.html"
    path.write_text(page.replace("<head>", f"<head>{EARS}").replace("</body>", f"{last}</body>"), encoding="utf-8")
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=1600,1000",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    command = [CHROMIUM, *flags, "--virtual-time-budget=3000", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr
    seen: dict[str, object] = json.loads(html.unescape(found.group(1)))
    assert seen.pop("errors") == []
    assert seen.pop("hurt") is False
    return seen


def board_of(values: dict[str, float]) -> str:
    records = [record(name, f"knn/{task}", value) for name, value in values.items() for task in ("x", "y")]
    pairs = {"knn/x": {(a, b): 0.01 for a in values for b in values if a < b}}
    verdicts = {("b", "knn/x"): Verdict(low=0.7, high=0.9, tested=True, bold=True, rank_low=1, rank_high=1, group=1)}
    return render_page(make_board(records), verdicts, pairs)


def test_it_sorts_filters_hides_and_tells_where_a_cell_comes_from(tmp_path: Path) -> None:
    script = f"""
    const press = text => [...document.querySelectorAll('thead button')].find(one => one.textContent.startsWith(text)).click();
    out.first = {FIRST_ROWS};
    press('x'); out.down = {FIRST_ROWS};
    press('x'); out.up = {FIRST_ROWS};
    out.sort = document.querySelectorAll('th[aria-sort=ascending]').length;
    out.bold = [...document.querySelectorAll('td.bold')].map(one => one.textContent);
    document.querySelector('#controls').click(); out.hidden = {FIRST_ROWS};
    document.querySelector('#filter').value = 'A'; document.querySelector('#filter').dispatchEvent(new Event('input'));
    out.filtered = {FIRST_ROWS};
    document.querySelector('td.cell').dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true}}));
    out.detail = document.querySelector('#detail').textContent;
    """
    seen = drive(board_of({"a": 0.5, "b": 0.8, "control:c": 0.1}), script, tmp_path)
    assert seen["first"] == ["b", "a", "control:c"]
    assert seen["down"] == ["b", "a", "control:c"]
    assert seen["up"] == ["control:c", "a", "b"]
    assert seen["sort"] == 1
    assert seen["bold"] == ["0.800 1"]
    assert seen["hidden"] == ["a", "b"]
    assert seen["filtered"] == ["a"]
    assert "a on knn/x" in str(seen["detail"])
    assert "dataset fingerprint" in str(seen["detail"])


def test_two_encoders_are_compared_with_their_paired_interval(tmp_path: Path) -> None:
    script = """
    for (const name of ['a', 'b']) document.querySelector(`th[title=${name}] input`).click();
    document.querySelector('#compare').click();
    out.lines = [...document.querySelectorAll('#detail tr')].map(line => [...line.cells].map(cell => cell.textContent));
    """
    seen = drive(board_of({"a": 0.5, "b": 0.8}), script, tmp_path)
    assert seen["lines"][1] == ["knn/x", "0.500", "0.800", "-0.300", "-0.320 to -0.280"]  # type: ignore[index]
    assert seen["lines"][2][-1] == "not tested"  # type: ignore[index]


def test_a_cell_tells_convergence_openly_and_folds_what_is_long(tmp_path: Path) -> None:
    told = {"converged": True, "validation": [{"strength": place, "score": 0.5} for place in range(40)]}
    notes = {"method": "simclr", "seed": "1"}
    page = render_page(
        make_board([record("timm:a", "knn/x", 0.5, diagnostics=told), record("mine-1", "knn/x", 0.4, notes=notes)])
    )
    script = """
    document.querySelector('td.cell').click();
    const fact = name => [...document.querySelectorAll('dt')].find(one => one.textContent === name)?.nextSibling;
    out.plain = JSON.parse(fact('convergence').textContent);
    out.folded = [fact('and more').querySelector('details').open, fact('and more').querySelector('summary').textContent];
    out.whole = JSON.parse(fact('and more').querySelector('div').textContent);
    out.absent = [fact('load report') === undefined, fact('options') === undefined];
    out.sources = [...document.querySelectorAll('#source option')].map(one => one.value);
    """
    seen = drive(page, script, tmp_path)
    assert seen["plain"] == {"converged": True}
    assert seen["folded"][0] is False  # type: ignore[index]
    assert seen["whole"] == {"validation": told["validation"]}
    assert seen["absent"] == [True, True]
    assert seen["sources"] == ["", "timm", "trained"]


def test_names_of_users_never_act(tmp_path: Path) -> None:
    broken = replace(record(HOSTILE[0], "knn/y", 0.0), status="failed", reason=HOSTILE[1], metrics={})
    page = render_page(make_board([*(record(name, "knn/x", 0.5) for name in HOSTILE), broken]))
    seen = drive(page, f"out.names = {FIRST_ROWS}; document.querySelector('td.cell').click();", tmp_path)
    assert sorted(seen["names"]) == sorted(HOSTILE)  # type: ignore[call-overload]


def thousand() -> str:
    values = np.random.default_rng(0).random(1000)
    return render_page(
        make_board([record(f"e{place:03}", f"knn/t{task}", value) for place, value in enumerate(values) for task in range(30)])
    )


def test_a_thousand_encoders_keep_few_rows_in_the_document(tmp_path: Path) -> None:
    script = """
    const how = {bubbles: true, ctrlKey: true};
    const key = name => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: name, ...how}));
    const cells = () => document.querySelectorAll('#board th, #board td').length;
    out.cells = [cells()];
    out.count = document.querySelector('#count').textContent;
    out.filled = 34 * document.querySelectorAll('#board tbody th').length >= document.querySelector('#scroll').clientHeight;
    document.querySelector('#board tbody th').focus();
    key('ArrowDown'); key('ArrowRight'); out.moved = document.activeElement.dataset.at;
    key('End'); out.end = document.activeElement.dataset.at; out.cells.push(cells());
    out.stops = document.querySelectorAll('[data-at][tabindex="0"]').length;
    """
    seen = drive(thousand(), script, tmp_path)
    assert seen["count"] == "1000 of 1000 encoders"
    assert seen["filled"] is True
    assert all(count < 1500 for count in seen["cells"])  # type: ignore[attr-defined]
    assert (seen["moved"], seen["end"], seen["stops"]) == ("1,1", "999,35", 1)


def test_rows_that_scroll_into_sight_are_those_of_the_order_and_no_cell_is_made_twice(tmp_path: Path) -> None:
    script = """
    const box = document.querySelector('#scroll'), rows = () => [...document.querySelectorAll('#board tbody tr:not(.pad)')];
    const look = (top, left) => {
      const before = new Set(rows());
      box.scrollTop = top; box.scrollLeft = left; paint(false);
      const now = rows(), cells = now.flatMap(row => [...row.querySelectorAll('td[data-at]')]);
      const wrong = cells.filter(cell => {
        const [line, place] = cell.dataset.at.split(',').map(Number), { of, task, digits } = columns[place];
        return !cell.textContent.startsWith(show(of(state.rows[line]), task ? 3 : digits));
      });
      const pads = [...document.querySelectorAll('#board tr.pad td')];
      const heights = pads.reduce((sum, pad) => sum + parseFloat(pad.style.height), 0);
      const lines = now.map(row => Number(row.getAttribute('aria-rowindex')) - 2);
      return { kept: now.filter(row => before.has(row)).length, wrong: wrong.length, total: heights / 34 + now.length,
        holes: lines.filter((line, k) => k && line !== lines[k - 1] + 1).length,
        covers: lines[0] * 34 <= box.scrollTop && (lines.at(-1) + 1) * 34 >= Math.min(34000, box.scrollTop + box.clientHeight),
        wide: document.querySelector('#board').offsetWidth };
    };
    const steps = [[0, 0], [250, 0], [600, 0], [350, 0], [20000, 0], [20300, 900], [0, 3500], [33000, 0]];
    out.looks = steps.map(([y, x]) => look(y, x));
    """
    looks: Any = drive(thousand(), script, tmp_path)["looks"]
    assert [(one["wrong"], one["total"], one["holes"], one["covers"]) for one in looks] == [(0, 1000, 0, True)] * 8
    assert all(one["kept"] > 15 for one in looks[1:4])
    assert len({one["wide"] for one in looks}) == 1


def frames_of_a_run() -> tuple[list[Record], dict[str, pd.DataFrame]]:
    """Three steps of a training run: outcomes on two classes, at four angles, with confidences."""
    frames, records = {}, []
    for place, right in enumerate((3, 5, 8)):
        score = (np.arange(8) < right).astype(float)
        frame = pd.DataFrame({"id": [f"i{k}" for k in range(8)], "truth": list("aabbaabb"), "score": score})
        frame = frame.assign(angle=[0, 90, 180, 270] * 2, credit=score, confidence=np.linspace(0.3, 0.9, 8))
        records.append(
            record(f"simclr-epoch-{place}", "knn/x", float(score.mean()), towers={"image": {"parameters": 10**place}})
        )
        records.append(record(f"simclr-epoch-{place}", "spectrum/x", 1.0 + place, judges=False))
        frames[records[-1].encoder] = frame
    return records, frames


def test_it_compares_classes_and_draws_every_kind_of_plot(tmp_path: Path) -> None:
    records, frames = frames_of_a_run()
    board = make_board(records)
    page = render_page(board, curves=curves_of(board, lambda one: frames[one.encoder] if one.judges else None))
    script = """
    out.plots = [...document.querySelector('#kinds').children].map(button => {
      button.click();
      return [button.textContent, document.querySelectorAll('#svg circle').length];
    });
    out.words = document.querySelector('#words').textContent;
    for (const place of [0, 1]) document.querySelectorAll('tbody input')[place].click();
    document.querySelector('#compare').click();
    document.querySelector('#detail button.link').click();
    out.lines = [...document.querySelectorAll('#detail tr')].map(line => [...line.cells].map(cell => cell.textContent));
    """
    seen = drive(page, script, tmp_path)
    assert dict(seen["plots"]) == {  # type: ignore[call-overload]
        "quality and size": 3,
        "any two": 3,
        "heat map": 3,  # the plot before it, out of sight
        "accuracy and angle": 12,
        "quality and training": 3,
        "reliability": sum(
            len(calibration.bins_of(one.confidence.to_numpy(), one.score.to_numpy())) for one in frames.values()
        ),
        "label-free and probe": 3,
    }
    assert str(seen["words"]).startswith("3 encoders of the board have both: too few for a correlation")
    best, second = (frames[f"simclr-epoch-{place}"] for place in (2, 1))
    for name, _, a, b, gap, _, interval in seen["lines"][1:]:  # type: ignore[index]
        d = (best.score - second.score)[best.truth == name]
        assert [float(a), float(b)] == pytest.approx([one.score[one.truth == name].mean() for one in (best, second)], abs=1e-3)
        half = 1.96 * d.std(ddof=1) / np.sqrt(len(d))
        assert [float(gap), *map(float, interval.split(" to "))] == pytest.approx(
            [d.mean(), d.mean() - half, d.mean() + half], abs=2e-3
        )


def test_accuracy_against_degrees_from_the_typical_pose_has_bands_and_a_line_a_class(tmp_path: Path) -> None:
    curve = {"mean": [[0, 0.9, 0.8, 1.0, 20], [90, 0.5, 0.3, 0.7, 40]]}
    curve |= {name: [[0, 0.9, None, None, 10], [90, 0.5, None, None, 20]] for name in ("a", HOSTILE[0])}
    records = [record(name, "pose-robustness/x", 0.5, diagnostics={"curve": curve}) for name in ("one", "two")]
    script = """
    const count = kind => document.querySelectorAll(`#svg ${kind}`).length;
    const part = document.querySelector('#part'), input = () => new Event('input', {bubbles: true});
    const choose = at => { part.selectedIndex = at; part.dispatchEvent(input()); };
    document.querySelector('[data-kind=angle]').click();
    out.parts = [...document.querySelectorAll('#part option')].map(one => one.value);
    out.seen = [0, 1, 2].map(at => { choose(at); return [count('.band'), count('.thin'), count('circle')]; });
    out.chosen = document.querySelector('#part').value;
    """
    seen = drive(render_page(make_board(records)), script, tmp_path)
    away = "degrees from the typical pose"
    names = [f"{away}, each class of one encoder", *sorted(f"{away}: {name}" for name in ("a", HOSTILE[0]))]
    assert seen["parts"] == [away, *names]
    assert seen["seen"] == [[2, 0, 4], [1, 2, 2], [0, 0, 4]]  # two encoders; the first with its classes; one class of both
    assert seen["chosen"] == names[1]


def test_how_alike_tasks_rank_the_encoders_is_spearmans_correlation(tmp_path: Path) -> None:
    values = np.random.default_rng(5).random((7, 3))
    tasks = ("knn/x", "linear-probe/x", "zero-shot/x")
    cells = [(f"e{row}", task, values[row, column]) for row in range(7) for column, task in enumerate(tasks)]
    cells = [
        one for one in cells if one[:2] not in {("e0", "linear-probe/x"), *((f"e{row}", "zero-shot/x") for row in range(3))}
    ]
    board = make_board([record(name, task, value) for name, task, value in cells])
    script = """
    document.querySelector('[data-kind=alike]').click();
    const canvas = document.querySelector('#heat'), at = (x, y) => {
      canvas.onmousemove({ offsetX: 230 + 26 * x + 5, offsetY: 150 + 26 * y + 5 });
      return document.querySelector('#words').textContent;
    };
    out.words = [at(0, 1), at(1, 2), at(2, 2)];
    out.shown = !canvas.hidden && canvas.width > 0;
    """
    seen = drive(render_page(board), script, tmp_path)
    rho = spearmanr(values[1:, 0], values[1:, 1]).statistic
    assert seen["words"][0] == f"linear-probe/x and knn/x: Spearman {rho:.2f}, 6 encoders"  # type: ignore[index]
    assert seen["words"][1].startswith("knn/x and zero-shot/x: too few encoders have both")  # type: ignore[index]
    assert seen["shown"] is True
    assert f"| knn/x | linear-probe/x | {rho:.2f} | 6 |" in markdown(board)


def test_outcomes_are_packed_without_loss_and_steps_are_read_from_records_and_names() -> None:
    hits = np.random.default_rng(0).random(37) < 0.5
    bits = np.unpackbits(np.frombuffer(base64.b64decode(packed(hits.astype(float))[1:]), np.uint8))[:37]
    assert np.array_equal(bits, hits)
    shares = np.frombuffer(base64.b64decode(packed(np.array([0, 1 / 3, 1]))[1:]), np.uint8)
    assert shares / 255 == pytest.approx([0, 1 / 3, 1], abs=0.002)
    notes = {"method": "dino", "trained on": "fashion (train, 12ab)", "epochs": "40", "seed": "1"}
    assert run_and_step(record("any", "knn/x", 0.5, notes=notes)) == ("dino on fashion, seed 1", 40)
    assert run_and_step(record("runs-epoch-007.pt", "knn/x", 0.5)) == ("runs", 7)
    assert run_and_step(record("timm:resnet50", "knn/x", 0.5)) is None


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = board_of({"a": 0.5})
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|url\(|@import|fetch\(|https?://(?!www\.w3\.org)""", page)


def verdicts_of(bold: dict[str, list[str]], tested: bool = True) -> dict[tuple[str, str], Verdict]:
    """Verdicts by (encoder, task), where `bold` names the bold encoders of each task."""
    return {
        (name, task): Verdict(low=None, high=None, tested=tested, bold=name in names)
        for task, names in bold.items()
        for name in ("a", "b", "control:c")
    }


def test_the_summary_says_who_is_best_at_what_and_whether_it_is_real(tmp_path: Path) -> None:
    values = {"a": 0.9, "b": 0.8, "control:c": 0.7}
    tasks = ("knn/x", "knn/y", "linear-probe/x", "linear-probe/y", "zero-shot/x", "few-shot/x")
    records = [record(name, task, value) for name, value in values.items() for task in tasks]
    records = [one for one in records if (one.encoder, one.task) != ("a", "linear-probe/y")]
    bold = {
        "knn/x": ["a"],
        "knn/y": ["a"],
        "linear-probe/x": ["a", "b"],
        "linear-probe/y": ["control:c"],
        "zero-shot/x": ["control:c"],
    }
    script = """
    out.lead = document.querySelector('#lead').textContent;
    out.cards = [...document.querySelectorAll('.card')].map(card => [...card.children].map(one => one.textContent));
    out.sure = [...document.querySelectorAll('.card .verdict')].map(one => one.className);
    document.querySelectorAll('.card')[2].click();
    out.heads = [...document.querySelectorAll('thead small')].map(one => one.textContent).filter(one => one === 'knn').length;
    out.columns = document.querySelectorAll('thead th').length;
    """
    page = render_page(make_board(records), verdicts_of(bold))
    seen = drive(page, script, tmp_path)
    assert seen["cards"] == [
        ["linear-probe: x", "Can a linear classifier read the classes?", "a", "not told apart from b on the one task"],
        ["linear-probe: y", "Can a linear classifier read the classes?", "b", "behind control:c on the one task"],
        ["knn: x, y", "Are neighbours of one class?", "a", "really ahead of all others on both tasks"],
        ["zero-shot: x", "Do the names of the classes find their images?", "a", "behind control:c on the one task"],
        [
            "few-shot: x",
            "Do a few examples a class suffice?",
            "a",
            "highest on the one task, but the differences are not tested",
        ],
    ]
    assert seen["sure"] == ["verdict open", "verdict open", "verdict real", "verdict open", "verdict open"]
    assert str(seen["lead"]).startswith("Over all, a leads: mean rank 1.00 over the 5 tasks that both encoders were asked")
    assert seen["heads"] == 2


def test_a_card_brings_its_columns_into_sight(tmp_path: Path) -> None:
    records = [record(name, f"knn/{task}", 0.5) for name in ("a", "b") for task in "pqrstuvwxyz"]
    records += [record(f"s{place}", "knn/zz", place / 10) for place in range(3)]
    script = """
    const card = [...document.querySelectorAll('.card')].find(one => one.textContent.startsWith('knn: zz'));
    card.click();
    const head = document.querySelector('th[aria-sort]').getBoundingClientRect(), box = document.querySelector('#scroll');
    out.inside = head.right <= box.getBoundingClientRect().right + 1 && head.left >= box.getBoundingClientRect().left + 199;
    out.sorted = document.querySelector('th[aria-sort] button').title;
    out.scrolled = box.scrollLeft > 0;
    """
    seen = drive(render_page(make_board(records)), script, tmp_path)
    assert (seen["inside"], seen["scrolled"]) == (True, True)
    assert str(seen["sorted"]).startswith("knn/zz")


def test_who_was_asked_alone_is_ahead_of_nobody(tmp_path: Path) -> None:
    board = make_board([record("a", "knn/x", 0.9), record("b", "linear-probe/x", 0.8), record("a", "linear-probe/x", 0.7)])
    verdicts = verdicts_of({"knn/x": ["a"], "linear-probe/x": ["b"]})
    script = "out.said = [...document.querySelectorAll('.card .verdict')].map(one => `${one.className}: ${one.textContent}`);"
    assert drive(render_page(board, verdicts), script, tmp_path)["said"] == [
        "verdict real: really ahead of all others on the one task",
        "verdict open: no other encoder was asked on the one task",
    ]


def test_every_protocol_that_ships_has_a_question() -> None:
    folder = Path(protocols.__file__).parent
    shipped = {path.stem.replace("_", "-") for path in folder.glob("[a-z]*.py")}
    assert set(QUESTIONS) == shipped
    assert all(text.endswith("?") and len(text) < 80 for text in QUESTIONS.values())
