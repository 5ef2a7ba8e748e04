"""The pictures of the leaderboard in the documentation, from a folder of results: `python docs/pictures.py --results FOLDER`.

It makes the board and a report card as the commands do, opens them in headless Chromium (Debian: apt install chromium) and
writes docs/images/leaderboard-*.png and report-card.png. `--results` is by default what `make demo` leaves.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from browser import Browser
from PIL import Image

from repbench.leaderboard.curves import curves_of
from repbench.leaderboard.gather import open_board
from repbench.leaderboard.judge import judge, paired_errors
from repbench.leaderboard.publish import publish
from repbench.leaderboard.report import write_report
from repbench.leaderboard.tables import wide_table

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "leaderboard" / "demo"
CLASSES = "linear-probe/fashion"  # the task whose classes are compared
SETTLED = "new Promise(done => setTimeout(done, 300))"


def main() -> None:
    """Make the board and the card, look at them from all sides, write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=DEMO / "results")
    parser.add_argument("--store", type=Path, default=DEMO / "store", help="embeddings, for the maps of the report card")
    parser.add_argument("--out", type=Path, default=HERE / "images")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        board, read = open_board([arguments.results])
        page = publish(board, Path(folder), judge(board, read), paired_errors(board, read), curves_of(board, read))[-1]
        wide = wide_table(board)
        best = str(wide.loc[wide["kind"] == "encoder", "encoder"].iloc[0])
        card = Path(folder) / "card.html"
        write_report(best, [arguments.results], card, arguments.store)
        boards(browser, page, arguments.out)
        dialogs(browser, page, arguments.out)
        plots(browser, page, arguments.out)
        browser.open(card, width=1200, height=1500)
        shot(browser, arguments.out / "report-card.png")
        if browser.errors:
            raise SystemExit("\n".join(browser.errors))


def boards(browser: Browser, page: Path, out: Path) -> None:
    """The whole page in light and in dark, and its top and its table on a phone, beside each other."""
    for name, dark in (("light", False), ("dark", True)):
        browser.open(page, width=1400, height=1320, dark=dark)
        shot(browser, out / f"leaderboard-{name}.png")
    halves = []
    for place, start in enumerate(("header", "#tools")):
        browser.open(page, width=390, height=844, scale=2)
        browser.run(f"document.querySelector('{start}').scrollIntoView()")
        halves.append(out / f"half-{place}.png")
        shot(browser, halves[-1])
    joined(halves, out / "leaderboard-phone.png", across=True)


def dialogs(browser: Browser, page: Path, out: Path) -> None:
    """The first encoder beside the first control: task by task, and class by class."""
    browser.open(page, width=1200, height=900)
    browser.run("for (const one of ['encoder', 'control']) document.querySelector(`tbody tr.${one} input`).click()")
    browser.run("document.querySelector('#compare').click()")
    shot(browser, out / "leaderboard-compare.png")
    browser.run(f"[...document.querySelectorAll('#detail button.link')].find(one => one.textContent === '{CLASSES}').click()")
    shot(browser, out / "leaderboard-classes.png")


def plots(browser: Browser, page: Path, out: Path) -> None:
    """Four kinds of plot, those that the results have, under each other."""
    browser.open(page, width=1050, height=640)
    browser.run("document.body.style.paddingBottom = '60rem'")
    found = browser.run("[...document.querySelectorAll('#kinds button')].map(one => one.dataset.kind)")
    parts = []
    for kind in ("heat", "parameters", "angle", "reliability", "steps"):
        if kind in found:
            browser.run(
                f"document.querySelector('[data-kind={kind}]').click(); document.querySelector('#kinds').scrollIntoView()"
            )
            parts.append(out / f"part-{kind}.png")
            shot(browser, parts[-1])
    joined(parts, out / "leaderboard-plots.png", across=False)


def joined(parts: list[Path], path: Path, *, across: bool) -> None:
    """One picture of several, which are removed; across they stand beside each other, else below, without their empty ends."""
    pictures = [Image.open(part).convert("RGB") for part in parts]
    if not across:
        pictures = [one.crop((0, 0, one.width, used(one))) for one in pictures]
    width = sum(one.width for one in pictures) if across else max(one.width for one in pictures)
    height = max(one.height for one in pictures) if across else sum(one.height for one in pictures)
    whole = Image.new("RGB", (width, height), "white")
    at = 0
    for one in pictures:
        whole.paste(one, (at, 0) if across else (0, at))
        at += one.width if across else one.height
    small(whole, path)
    for part in parts:
        part.unlink()


def used(picture: Image.Image) -> int:
    """How many rows of a picture are not all white at its end."""
    box = Image.eval(picture.convert("L"), lambda value: 255 - value).getbbox()
    return picture.height if box is None else min(picture.height, box[3] + 12)


def shot(browser: Browser, path: Path) -> None:
    """What is in sight, when it has settled, in few colours: pictures of text are a third as large that way."""
    browser.run(SETTLED)
    browser.picture(path)
    small(Image.open(path).convert("RGB"), path)


def small(picture: Image.Image, path: Path) -> None:
    """Write a picture in at most 256 colours, the few dots of a colour of their own among them."""
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)  # keeps rare colours


if __name__ == "__main__":
    main()
