"""How smooth the page of 1,000 encoders x 100 tasks is, in headless Chromium: `python versus/page.py`.

The records are those of startup.py, made in memory. A user's acts are timed in the page, from the act to the frame that shows
it. One scrolls by five rows or one column a frame: told are the processor time that the page's thread takes for a frame, which
hangs little on what else the machine does, and the time from frame to frame, which does. `--page FILE` takes a page that was
made before.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import HERE, figure, save
from startup import DRAWS, drawn, generated

from repbench.leaderboard.judge import judge
from repbench.leaderboard.page import render_page
from repbench.leaderboard.tables import make_board
from repbench.results.record import Record

sys.path.insert(0, str(HERE.parent / "docs"))
ROUNDS = 9
FRAME_TIME = "ProxyMain::BeginMainFrame"  # script, style, layout and paint of one frame, in the trace of Chromium
FRAME = "const frame = () => new Promise(done => requestAnimationFrame(() => setTimeout(done)));"
TYPED = "const box = document.querySelector('#filter'); box.value = TEXT; box.dispatchEvent(new Event('input'));"
ACTS = {
    "a click on a heading sorts": ("document.querySelectorAll('#board thead button')[8 + round % 3].click();", 0.1),
    "a keystroke filters": (TYPED.replace("TEXT", "'model-0'.slice(0, 1 + round % 7)"), 0.1),
    "two encoders are compared": ("document.querySelector('#compare').click();", 0.2),
}
SCROLL = """(async () => {
  const box = document.querySelector('#scroll'), gaps = [];
  let last = performance.now();
  for (let step = 0; step < 200; step++) {
    if (step < 120) box.scrollTop += 170; else box.scrollLeft += 138;
    await new Promise(requestAnimationFrame);
    gaps.push(performance.now() - last);
    last = performance.now();
  }
  return gaps;
})()"""


def write_page(encoders: int, tasks: int, path: Path) -> None:
    """The page of generated records, with every test done."""
    frames: dict[tuple[str, int], pd.DataFrame] = {}
    records: list[Record] = []
    for place in range(encoders):
        draws = [drawn(place / encoders, place * DRAWS + one) for one in range(DRAWS)]
        records += [generated(place, task, draws[task % DRAWS][0]) for task in range(tasks)]
        frames |= {(records[-1].encoder, one): pd.read_parquet(io.BytesIO(table)) for one, (_, table) in enumerate(draws)}
    board = make_board(records)
    verdicts = judge(board, lambda record: frames[record.encoder, int(record.inputs.task_digest, 16) % DRAWS])
    path.write_text(render_page(board, verdicts), encoding="utf-8")


def measured(page: Path) -> dict[str, Any]:
    """Seconds of each act, of loading, and of each frame while one scrolls; rows in the document, long tasks."""
    from browser import Browser

    with Browser() as browser:
        loads = []
        for _ in range(3):
            browser.open(page)
            browser.run("new Promise(done => setTimeout(done, 800))")
            loads.append(browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000)
        found: dict[str, Any] = {"load": loads}
        browser.run("for (const row of [0, 1]) document.querySelectorAll('#board tbody input')[row].click()")
        for what, (act, _) in ACTS.items():
            timed = f"""(async () => {{ {FRAME} const found = [];
              for (let round = 0; round < {ROUNDS}; round++) {{
                document.querySelector('#dialog').close();
                await new Promise(done => setTimeout(done, 400)); // a plot that waits is drawn
                const began = performance.now(); {{ {act} }} await frame(); found.push((performance.now() - began) / 1000);
              }} document.querySelector('#dialog').close(); return found; }})()"""
            found[what] = browser.run(timed)
        browser.run("document.querySelector('#filter').value = ''; refresh()")
        browser.run("document.querySelector('#scroll').scrollIntoView()")
        found["frames"] = [one / 1000 for one in browser.run(SCROLL)]
        events = browser.traced(SCROLL.replace("+=", "-="))
        found["processor"] = [one["tdur"] / 1e6 for one in events if one["name"] == FRAME_TIME and "tdur" in one]
        found["rows"] = browser.run("document.querySelectorAll('#board tr').length")
        if browser.errors:
            raise SystemExit("\n".join(browser.errors))
    return found


def main() -> None:
    """Make the page, measure it and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoders", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--page", type=Path, help="a page to measure, made first where it is not there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = arguments.page or Path(folder) / "page.html"
        if not page.exists():
            write_page(arguments.encoders, arguments.tasks, page)
        load = os.getloadavg()[0]
        found = measured(page)
    hard = {name: float(np.quantile(found[name], 0.95)) for name in ("processor", "frames")}
    why = f"the machine's {len(os.sched_getaffinity(0))} cores were shared (load {load:.1f})"
    lower = {"unit": "s", "higher_is_better": False, "why": why}
    findings = [
        figure(f"the page of {arguments.encoders} encoders x {arguments.tasks} tasks loads", found["load"], 3, **lower),
        *(figure(what, found[what], aim, **lower) for what, (_, aim) in ACTS.items()),
        figure("processor time of a frame while one scrolls, the 95th of 100", [hard["processor"]], 0.05, **lower),
        figure("from frame to frame while one scrolls, the 95th of 100", [hard["frames"]], 0.05, **lower),
        figure("rows in the document", [found["rows"]], 60, unit="", higher_is_better=False),
    ]
    save(__file__, findings, {**found, "load before": load})


if __name__ == "__main__":
    main()
