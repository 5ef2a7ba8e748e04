"""The documentation is executed: each command and each program of every page, on few examples, in the order of the page.

What is changed for it stands here: names that a reader fills in, weights and data that cannot be had without a network.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import repbench
from repbench import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FILLED_IN = {  # what a reader writes otherwise, and what is too large or too far away to be run here
    "ENCODER...": "control:pixels",
    "ENCODER": "control:pixels",
    "STORE": "store",
    "FOLDER": "my/data",
    " A B ": " control:pixels control:random ",
    "timm:resnet50.a1_in1k": "random:resnet18,size=32",
    "open_clip:ViT-B-32/laion2b_s34b_b79k": "joined:lite0+minilm,size=32",
    "--tasks '*'": "--tasks 'knn/*,spectrum/*'",
    "'*/fashion,*/emoji,*/stamps'": "'zero-shot/fash*,few-shot/fash*,retrieval/emoj*'",
    "--steps 20": "--steps 2",
    "--steps 1520": "--steps 2",
    "--steps 600": "--steps 2",
    "--epochs 60": "--epochs 1",
    "--epochs 12": "--epochs 1",
    "epochs=5": "epochs=1",
}
NOT_RUN = {
    r"repbench data fetch (dtd|stamps)": "it downloads",
    r"repbench run ckpt\.pt|repbench report ckpt\.pt": "a checkpoint of the reader's",
    r"repbench audit-probe my_probe\.json": "a probe of the reader's; tests/test_probe_audit.py audits some",
    r"data check dtd|(linear-probe|zero-shot|fine-tune)/dtd": "the images of DTD may not be shipped",
    r"'compositional(\*/sugarcrepe|/\*)' --data my/data": "the images of published probes may not be shipped",
    r"cifar10\W.*--data(-folder)? DATA": "the images of CIFAR-10 are not shipped",
    r"reproduce ericsson-1 results/": "results on CIFAR-10 are wanted; tests/leaderboard/test_published.py has such records",
    r"python reference/content_style\.py": "minutes; tests/test_content_style.py runs it smaller",
    r"make (demo|test)|pip install": "makes an environment",
}
QUICK = {"run": "--limit 20 --quiet", "train": "--limit 40 --batch-size 8 --quiet", "similarity": "--sample 20"}
LIMITS = {  # examples a split, where twenty say nothing
    "groups/furniture": 600,
    "pose-robustness/furniture": 1500,
    "equivariance/furniture": 600,
    "identifiability/furniture": 600,
    "*/speakers": 90,
    "train lie-": 200,
    "pairs=instance": 200,
    "*/mugs": 200,
}
SIMCLR = "repbench train simclr --data fashion --out runs/simclr.safetensors"
ON_DIGITS = "--tasks 'knn/digits,linear-probe/digits' --out"
BEFORE = {  # what a page takes for granted
    "alignment-uniformity.md": [SIMCLR],
    "leaderboard.md": [
        *(f"repbench run control:pixels {ON_DIGITS} {out}" for out in ("old-results/", "new-results/", "results-of-a/")),
        f"repbench run control:random {ON_DIGITS} results-of-b/",
        f"repbench run control:pixels control:random {ON_DIGITS} results/",
    ],
    "published.md": [f"repbench run control:pixels {ON_DIGITS} results/"],
}


def blocks(language: str, page: Path) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


def commands(page: Path) -> list[str]:
    return [line.split("  #")[0].strip() for block in blocks("sh", page) for line in block.splitlines() if line.strip()]


def filled_in(text: str) -> str:
    for name, ours in FILLED_IN.items():
        text = text.replace(name, ours)
    return text


def run(line: str) -> None:
    """A command of a page, filled in and made quick, ends with status 0."""
    words = shlex.split(filled_in(line))
    assert words[0] == "repbench", f"a command that is neither run nor said to be left out: {line}"
    words += QUICK.get(words[1], "").split()
    words += ["--epochs", "1"] if words[1] == "train" and "--epochs" not in words else []
    words += [word for name, limit in LIMITS.items() if name in line for word in ("--limit", str(limit))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        status: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code
    assert not status, f"{shlex.join(words)} ended with {status}"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the examples beside it and a store and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPBENCH_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for name, write in (("hats", write_hats), ("mugs", write_mugs)):
        write(tmp_path / "my/data" / name)
        (text,) = [one for page in PAGES for one in blocks("toml", page) if f"{name}/t" in one]
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write_hats(folder: Path) -> None:
    """The probe that docs/probes.md declares: 300 examples of 100 photos, of two kinds."""
    folder.mkdir(parents=True)
    places = range(300)
    table = {
        "photo": [place % 100 for place in places],
        "kind": [("colour", "shape")[place % 2] for place in places],
        "image_0": [{"bytes": picture(place % 100), "path": None} for place in places],
        "caption_0": [f"a red hat beside {place} cups" for place in places],
        "caption_1": [f"a blue hat beside {place} cups" for place in places],
    }
    pd.DataFrame(table).to_parquet(folder / "test-00000-of-00001.parquet")


def write_mugs(folder: Path) -> None:
    """The dataset that docs/datasets.md declares: instances of their own in each split, from all sides."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    rows = []
    for split, count in (("train", 600), ("val", 100), ("test", 300)):
        for place in range(count):
            (pictures / f"{split}{place}.png").write_bytes(picture(place))
            instance = place // 10
            rows.append((f"{split}{place}.png", ("cup", "mug")[instance % 2], f"{split}-{instance}", place % 10 * 36, split))
    table = pd.DataFrame(rows, columns=["file", "kind", "instance", "turn", "split"])
    table["turn"] = table.turn.replace({36: 350, 324: 10})
    table.to_csv(folder / "table.csv", index=False)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_every_command_runs(page: Path, desk: Path) -> None:
    for line in [*BEFORE.get(page.name, []), *commands(page)]:
        if not any(re.search(pattern, line) for pattern in NOT_RUN):
            run(line)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks("python", page)], ids=lambda page: page.name)
def test_every_program_runs(page: Path, desk: Path) -> None:
    names: dict[str, object] = {"repbench": repbench}
    for code in blocks("python", page):
        exec(compile(filled_in(code), str(page), "exec"), names)


def test_the_dataset_that_is_declared_there_is_asked(desk: Path) -> None:
    (line,) = [text for page in PAGES for text in re.findall(r"# mugs\.toml: (repbench .*)", page.read_text(encoding="utf-8"))]
    run(line)


def test_excerpts_of_declarations_are_those_of_the_datasets() -> None:
    """A block of TOML that is no whole declaration stands in the declaration that the page speaks of."""
    for page, dataset in (("transfer.md", "emoji"), ("identifiability.md", "furniture")):
        whole = tomllib.loads((ROOT / "tasks" / "embedded" / f"{dataset}.toml").read_text())
        (block,) = blocks("toml", ROOT / "docs" / page)
        for name, table in tomllib.loads(block).items():
            assert {key: whole[name][key] for key in table} == table


def test_what_is_not_run_or_filled_in_is_on_a_page() -> None:
    shown = [line for page in PAGES for line in commands(page)]
    assert [pattern for pattern in NOT_RUN if not any(re.search(pattern, line) for line in shown)] == []
    code = "\n".join([*shown, *(block for page in PAGES for block in blocks("python", page))])
    assert [name for name in FILLED_IN if name not in code] == []
