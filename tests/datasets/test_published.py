"""Published datasets by command: where copies are, fetching them by the library that knows them, looking a copy over."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import huggingface_hub.errors
import huggingface_hub.utils
import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from repbench.cli import main
from repbench.datasets.check import check
from repbench.datasets.declaration import Content, DatasetDeclaration
from repbench.datasets.fetch.published import DOWNLOADS, LISTS, fetch_published
from repbench.datasets.open import open_dataset
from repbench.datasets.sources.torchvision import LAYOUTS
from repbench.errors import DataError
from repbench.tasks import load_catalogue
from tests.datasets.copies import write_huggingface

Command = Callable[..., tuple[int, str]]
CATALOGUE = load_catalogue()
TRANSFER = {name: one for name, one in CATALOGUE.datasets.items() if one.family == "transfer"}


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("REPBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def write_dtd(root: Path, *, shared: bool = False) -> None:
    folder = root / "dtd" / "dtd"
    for number, split in enumerate(("train", "val", "test")):
        names = [f"{name}/{split}.jpg" for name in ("banded", "zigzagged")]
        (folder / "labels").mkdir(parents=True, exist_ok=True)
        (folder / "labels" / f"{split}1.txt").write_text("\n".join(names))
        for place, name in enumerate(names):
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            seed = 0 if shared and place == 0 else 10 * number + place
            pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)


def dtd() -> DatasetDeclaration:
    return replace(TRANSFER["dtd"], splits={"train": 2, "val": 2, "test": 2})


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `repbench ARGUMENTS`: the exit status and all that is printed."""

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["repbench", *arguments])
        status = 0
        try:
            main()
        except SystemExit as left:
            status = int(left.code or 0)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


def test_a_sound_copy_has_no_problem_and_equal_copies_have_equal_hashes(tmp_path: Path) -> None:
    write_dtd(tmp_path / "data")
    write_dtd(tmp_path / "other")
    found, other = check(dtd(), tmp_path / "data", decode=True), check(dtd(), tmp_path / "other")
    assert (found.known, found.problems) == ((), ())
    assert found.lines[3:] == other.lines[3:]
    assert found.lines[3].startswith("  train     2 examples, 0 to 1 a class, content ")


def test_classes_at_the_end_of_the_list_count_where_a_copy_lacks_them(tmp_path: Path) -> None:
    write_dtd(tmp_path)
    for split in ("train", "val", "test"):
        (tmp_path / f"dtd/dtd/labels/{split}1.txt").write_text(f"banded/{split}.jpg\nbanded/{split}2.jpg")
        path = tmp_path / f"dtd/dtd/images/banded/{split}.jpg"
        Image.open(path).rotate(90).save(path.with_name(f"{split}2.jpg"))
    found = check(dtd(), tmp_path)
    assert [line.split("content")[0].split("examples, ")[1] for line in found.lines[-3:]] == ["0 to 2 a class, "] * 3


def test_one_changed_pixel_changes_the_hash_of_its_split_alone(tmp_path: Path) -> None:
    write_dtd(tmp_path)
    before = check(dtd(), tmp_path).lines[-3:]
    Image.new("RGB", (8, 8)).save(tmp_path / "dtd/dtd/images/banded/val.jpg")
    after = check(dtd(), tmp_path).lines[-3:]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_items_that_splits_share_are_named(tmp_path: Path) -> None:
    write_dtd(tmp_path, shared=True)
    problems = check(dtd(), tmp_path).problems
    assert "train and test share 1 item, 50.00% of the smaller (banded/train.jpg = banded/test.jpg)" in problems
    assert len(problems) == 3


@pytest.mark.parametrize(("count", "is_problem"), [(1, False), (2, False), (3, True)])
def test_a_few_exact_duplicates_are_a_note_and_more_than_one_in_a_hundred_a_problem(
    count: int, is_problem: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "dtd/dtd"
    (folder / "labels").mkdir(parents=True)
    for number, split in enumerate(("train", "val", "test")):
        names = [f"banded/{split}{place:03d}.png" for place in range(200)]
        (folder / "labels" / f"{split}1.txt").write_text("\n".join(names))
        for place, name in enumerate(names):
            (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            shared = split == "test" and place < count
            Image.new("RGB", (2, 2), (0 if shared else number, place, 0)).save(folder / "images" / name)
    found = check(replace(dtd(), splits=dict.fromkeys(("train", "val", "test"), 200)), tmp_path)
    told = found.problems if is_problem else found.notes
    share = f"train and test share {count} item{'s' * (count > 1)}, {count / 2:.2f}% of the smaller (banded/train000.png = "
    assert [line.startswith(share) for line in told] == [True]
    assert len(found.problems) + len(found.notes) == 1


def test_digests_that_are_declared_are_compared_and_of_others_it_is_said_that_none_is_known(
    tmp_path: Path, command: Command
) -> None:
    write_dtd(tmp_path / "data")
    lines = check(dtd(), tmp_path / "data").lines
    assert all(line.endswith("(no published digest to compare with)") for line in lines[-3:])
    true = {line.split()[0]: line.split("content ")[1].split()[0] for line in lines[-3:]}
    given = replace(dtd(), content=Content(digests={"train": ("0" * 32, true["train"]), "test": (true["test"],)}))
    assert given.digest == dtd().digest  # what a copy is checked by decides nothing that is measured
    found = check(given, tmp_path / "data")
    assert found.known == ()
    assert [line.rpartition("(")[2] for line in found.lines[-3:]] == [
        *("compared with the published)", "no published digest to compare with)", "compared with the published)"),
    ]
    Image.new("RGB", (8, 8)).save(tmp_path / "data/dtd/dtd/images/banded/test.jpg")
    (words,) = check(given, tmp_path / "data").known
    assert words.startswith("the content of the split 'test' has the digest ")
    assert words.endswith(f"; published are {true['test']}")


def test_items_that_cannot_be_decoded_are_named_when_asked(tmp_path: Path) -> None:
    write_dtd(tmp_path)
    victim = tmp_path / "dtd/dtd/images/banded/val.jpg"
    victim.write_bytes(victim.read_bytes()[:-60])
    assert check(dtd(), tmp_path).problems == ()
    assert "banded/val.jpg: this image cannot be decoded" in check(dtd(), tmp_path, decode=True).problems[0]


def test_a_file_with_another_checksum_is_a_known_difference(tmp_path: Path) -> None:
    write_dtd(tmp_path)
    given = replace(dtd(), content=Content(md5={"labels/train1.txt": "0" * 32}))
    assert "labels/train1.txt is another than the published one (MD5)" in check(given, tmp_path).known[0]


def test_the_commands_show_what_is_here_and_refuse_what_differs_unless_told(tmp_path: Path, command: Command) -> None:
    write_dtd(tmp_path / "data")
    status, text = command("data", "list")
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert status == 0
    assert set(TRANSFER) < set(lines)
    assert lines["dtd"].split()[1] == "here"
    assert f"torchvision: {tmp_path}/data/dtd/dtd" in lines["dtd"]
    assert lines["cars"].split()[1] == "absent"
    assert lines["birdsnap"].endswith(
        "(the hub's copy differs: 16,000 and 1,851 of the 47,386 and 2,443 published images, one of them truncated)"
    )
    assert lines["sun397"].endswith("(the hub's copy is not pinned to a revision)")
    assert "the hub's copy" not in lines["cars"]
    status, text = command("data", "check", "dtd")  # a copy with another number of images
    assert (status, "declared are 1880" in text, "refused, unless" in text) == (1, True, True)
    status, text = command("data", "check", "dtd", "--deviating")
    assert (status, "let in; its rows are marked" in text) == (0, True)


def test_tasks_on_data_below_the_folder_given_are_not_called_absent(tmp_path: Path, command: Command) -> None:
    write_dtd(tmp_path / "mine")
    (tmp_path / "mine/imagenet/val").mkdir(parents=True)  # a test split alone
    for arguments, are_here in (((), ()), (("--data", str(tmp_path / "mine")), ("knn/dtd", "zero-shot/imagenet"))):
        status, text = command("list", "tasks", *arguments)
        told = {line.split()[0]: line for line in text.splitlines()}
        assert status == 0
        for name in ("knn/dtd", "zero-shot/imagenet", "knn/imagenet", "knn/cars"):
            assert ("not here: repbench data fetch" in told[name]) == (name not in are_here)


def test_images_with_captions_are_shown_without_classes_and_metric(command: Command) -> None:
    _, text = command("show", "retrieval/coco")
    assert "  captions  the first 5 of an image, from its column 'caption'; it has no classes" in text.splitlines()
    assert "metric accuracy" not in text
    assert "  classes   10   metric accuracy" in command("show", "knn/cifar10")[1]
    assert "MS-COCO captions, Karpathy's test split (5k): captions; test 5000" in command("list", "datasets")[1]


def test_scenes_to_train_on_are_listed_as_captions_and_say_that_no_task_asks_them(command: Command) -> None:
    assert "with captions, to train on: captions; train 4900" in command("list", "datasets")[1]
    shown = command("show", "emoji-scenes")[1].splitlines()
    assert "  captions  one of an image, in the column 'caption'; it has no classes" in shown
    assert "  tasks     none: it is there to train on" in shown


class FakeDownload:
    """What stands for a class of torchvision: it notes how it is called and writes a copy."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, root: str, **told: Any) -> None:
        self.calls.append(told)
        write_dtd(Path(root))


def test_a_dataset_is_fetched_by_torchvision_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, said = FakeDownload(), io.StringIO()
    monkeypatch.setattr(torchvision.datasets, "DTD", fake)
    fetch_published(TRANSFER["dtd"], None, lambda line: print(line, file=said))
    fetch_published(TRANSFER["dtd"], None, lambda line: print(line, file=said))
    assert fake.calls == [{"download": True}]
    assert "dtd is here already (torchvision:" in said.getvalue()


@pytest.mark.parametrize("layout", DOWNLOADS)
def test_torchvision_has_every_class_that_is_named_with_a_download(layout: str) -> None:
    import inspect

    assert layout in LAYOUTS
    for step in DOWNLOADS[layout]:
        if step.name == LISTS:
            continue
        parameters = inspect.signature(getattr(torchvision.datasets, step.name)).parameters
        assert {"root", "download", *step.told} <= set(parameters)
        assert set(step.brings) <= {part for parts in LAYOUTS[layout].parts.values() for part in parts}


class FakeHub:
    """What stands for the hub's client: it writes those of its files that the client's own filter lets through."""

    def __init__(self, folder: Path, *files: str) -> None:
        self.folder, self.files = folder, files
        self.calls: list[tuple[Any, dict[str, Any]]] = []
        self.wanted: list[list[str]] = []

    def __call__(
        self, *given: str, local_files_only: bool = False, allow_patterns: list[str] | None = None, **told: Any
    ) -> str:
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not in the cache")
        self.calls.append((given, told))
        self.wanted.append(sorted(huggingface_hub.utils.filter_repo_objects(self.files, allow_patterns=allow_patterns)))
        for name in self.wanted[-1]:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()
        return str(self.folder)


@pytest.mark.parametrize("asked", [("cars",), ("flowers", "--hub"), ("dtd", "--hub")])
def test_a_dataset_that_torchvision_cannot_or_shall_not_fetch_comes_from_its_repository(
    asked: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    hub = FakeHub(tmp_path / "snapshot", *(f"data/{split}-0.parquet" for split in ("train", "validation", "test")))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    status, text = command("data", "fetch", *asked)
    assert status == 0
    options = TRANSFER[asked[0]].sources["huggingface"]
    assert hub.calls == [((options["repository"],), {"repo_type": "dataset", "revision": options.get("revision")})]
    assert ("none is pinned" in text) == ("revision" not in options) == (asked[0] == "dtd")


def test_of_a_repository_the_files_of_the_declared_splits_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    wanted = ["README.md", "data/test-00000-of-00001.parquet", "data/train-00000-of-00002.parquet"]
    others = [f"data/{name}-00000-of-00001.parquet" for name in ("contrast", "gaussian_noise", "jpeg_compression", "pixelate")]
    hub = FakeHub(tmp_path / "snapshot", *wanted, *others)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    assert command("data", "fetch", "cars")[0] == 0
    assert hub.wanted == [wanted]
    hub = FakeHub(tmp_path / "other", "README.md", "cars.tar")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    status, text = command("data", "fetch", "cars")
    assert (status, hub.wanted) == (0, [["README.md"], ["README.md", "cars.tar"]])
    assert "not named by their splits: the whole repository is downloaded" in text


def test_a_repository_of_which_other_splits_were_not_fetched_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets-cache")
    real = TRANSFER["cars"]
    classes = real.classes[:3]  # type: ignore[index]
    options = real.sources["huggingface"]
    declared = replace(real, classes=classes, splits={"train": 9, "test": 9}, sources={"huggingface": options}, validation=None)
    write_huggingface(tmp_path, declared, dict(options))
    card = next((tmp_path / "hub").glob("*/snapshots/*/README.md"))
    card.write_text(
        card.read_text().replace("  data_files:\n", "  data_files:\n  - split: contrast\n    path: data/contrast-*\n")
    )
    dataset = open_dataset(declared)
    assert {split.name: len(split) for split in dataset if split.name != "prompts"} == {"train": 9, "test": 9}
    assert dataset.splits["test"].class_names == classes


def test_nothing_is_fetched_while_the_hub_is_set_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE is set, so nothing is downloaded"):
        fetch_published(TRANSFER["dtd"])


def test_a_host_that_is_gone_is_told_with_the_command_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise OSError("HTTP Error 404")

    monkeypatch.setattr(torchvision.datasets, "DTD", gone)
    with pytest.raises(
        DataError, match=r"the download failed \(HTTP Error 404\). `repbench data fetch dtd` goes on.*fetch dtd --hub"
    ):
        fetch_published(TRANSFER["dtd"])


def test_a_name_that_is_none_gets_the_nearest(command: Command) -> None:
    status, text = command("data", "fetch", "food11")
    assert status == 2
    assert "Did you mean 'food101'" in text
