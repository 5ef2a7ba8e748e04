"""A user's own function as an encoder: its file is run once, its name ignored, its code part of the fingerprint."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from repbench.encoders.fingerprint import dummy_image
from repbench.encoders.load import LoadOptions, load_encoder
from repbench.encoders.sources.python import PRIVATE
from repbench.errors import EncoderError, UnknownNameError, UsageError

EXAMPLE = Path(__file__).parents[2] / "examples" / "my_encoder.py"

HISTOGRAM = '''
import torch
from repbench import Encoder, Tower


class Histogram:
    """Counts of each of the 256 grey values."""

    def __call__(self, image):
        return torch.tensor(image.convert("L").histogram(), dtype=torch.float32)


def load(scale="1"):
    module = torch.nn.Linear(256, 4, bias=False)
    with torch.no_grad():
        module.weight.fill_(float(scale))
    return Encoder(name="theirs", towers={"image": Tower(prepare=Histogram(), module=module, dim=4, fingerprint="mine")})


def pair():
    return torch.nn.Flatten(), Thumbnail()


class Thumbnail:
    def __call__(self, image):
        return torch.tensor(list(image.convert("L").resize((2, 2)).tobytes()), dtype=torch.float32)


def number():
    return 7


def nothing():
    pass


def no_towers():
    return Encoder(name="", towers={})


def odd_modality():
    return Encoder(name="", towers={"smell": None})


def no_tower():
    return Encoder(name="", towers={"image": torch.nn.Identity()})


def broken():
    return {}["weights.pt"]


def network():
    return torch.nn.Linear(4, 3), Thumbnail()
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "histogram.py"
    path.write_text(HISTOGRAM)
    return path


def embed(spec: str, image: Image.Image) -> torch.Tensor:
    tower = load_encoder(spec).towers["image"]
    with torch.no_grad():
        return tower.module(tower.prepare(image)[None])


def in_a_fresh_process(pickled: bytes, queue: multiprocessing.Queue[float]) -> None:
    queue.put(float(pickle.loads(pickled)(dummy_image(16)).sum()))


def test_a_function_of_a_file_gives_the_encoder(file: Path) -> None:
    before = list(sys.path)
    image = dummy_image(16)
    assert embed(f"{file}:load", image).tolist() == [[256.0] * 4]  # 16 x 16 pixels counted
    assert embed(f"{file}:load,scale=2", image).tolist() == [[512.0] * 4]
    assert sys.path == before
    assert "histogram" not in sys.modules


def test_the_row_is_named_by_the_command_line(file: Path) -> None:
    assert load_encoder(f"{file}:load").name == "histogram.py:load"
    assert load_encoder(f"{file}:load,name=mine").name == "mine"
    assert load_encoder(f"{file}:load").notes["source"] == "histogram.py:load"


def test_a_module_and_a_preparation_are_enough(file: Path) -> None:
    tower = load_encoder(f"{file}:pair").towers["image"]
    assert tower.dim == 4
    assert tower.prepare(Image.new("L", (8, 8), 9)).tolist() == [9] * 4


def test_the_towers_are_in_evaluation_mode(file: Path) -> None:
    module = load_encoder(f"{file}:load").towers["image"].module
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_changed_code_weights_or_options_change_the_fingerprint(file: Path) -> None:
    found = [load_encoder(f"{file}:load").fingerprint, load_encoder(f"{file}:load,scale=2").fingerprint]
    assert load_encoder(f"{file}:load").fingerprint == load_encoder(f"{file}:load,name=other").fingerprint == found[0]
    file.write_text(HISTOGRAM.replace('convert("L")', 'convert("L").rotate(90)'))
    found.append(load_encoder(f"{file}:load").fingerprint)
    assert len(set(found)) == 3


def test_the_same_code_elsewhere_is_the_same_encoder(file: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "other_name.py"
    copy.write_text(HISTOGRAM)
    assert load_encoder(f"{file}:load").fingerprint == load_encoder(f"{copy}:load").fingerprint


def test_random_weights_follow_the_seed_and_torch_is_left_alone(file: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = (load_encoder(f"{file}:network", LoadOptions(seed=seed)).fingerprint for seed in (0, 0, 1))
    assert torch.rand(1) == expected
    assert first == second != other


def test_preparations_reach_fresh_worker_processes(file: Path) -> None:
    """Processes that are spawned know nothing of the file: the preparation brings it along."""
    tower = load_encoder(f"{file}:load").towers["image"]
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[float] = context.Queue()
    worker = context.Process(target=in_a_fresh_process, args=(pickle.dumps(tower.prepare), queue))
    worker.start()
    assert queue.get(timeout=60) == 256
    worker.join()


def test_a_function_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rb_package_of_a_user").mkdir()
    (tmp_path / "rb_package_of_a_user" / "__init__.py").touch()
    (tmp_path / "rb_package_of_a_user" / "encoders.py").write_text(HISTOGRAM)
    (tmp_path / "rb_package_of_a_user" / "needy.py").write_text("import rb_never_installed")
    monkeypatch.syspath_prepend(tmp_path)
    assert embed("rb_package_of_a_user.encoders:load", dummy_image(16)).tolist() == [[256.0] * 4]
    with pytest.raises(EncoderError, match=r"cannot be imported.*rb_never_installed"):
        load_encoder("rb_package_of_a_user.needy:load")
    with pytest.raises(EncoderError, match=r"no module 'rb_package_of_a_user.encoder' that Python can import"):
        load_encoder("rb_package_of_a_user.encoder:load")


def test_the_example_works_on_images() -> None:
    embeddings = embed(f"{EXAMPLE}:load", dummy_image())
    assert embeddings.shape == (1, 64)
    assert embed(f"{EXAMPLE}:load,width=16", dummy_image()).shape == (1, 16)
    assert not torch.equal(embeddings, embed(f"{EXAMPLE}:load", Image.new("RGB", (90, 50), "red")))
    assert load_encoder(f"{EXAMPLE}:load").fingerprint == load_encoder(f"{EXAMPLE}:load").fingerprint
    assert len(EXAMPLE.read_text().splitlines()) <= 30


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("number", "returned a int"),
        ("nothing", "returned nothing"),
        ("no_towers", "without towers"),
        ("no_tower", "the image tower .* is a Identity"),
        ("broken", r"histogram.py:broken failed: histogram.py, line \d+: KeyError: 'weights.pt'"),
    ],
)
def test_what_is_no_encoder_says_what_it_is(file: Path, function: str, words: str) -> None:
    with pytest.raises(EncoderError, match=words):
        load_encoder(f"{file}:{function}")


def test_unknown_functions_options_and_modalities_name_the_nearest(file: Path) -> None:
    for spec, words in (
        ("laod", "unknown function 'laod'. Did you mean 'load'"),
        ("load,scal=2", "unknown option 'scal'. Did you mean 'scale'"),
        ("odd_modality", "unknown modality 'smell'"),
    ):
        with pytest.raises(UnknownNameError, match=words):
            load_encoder(f"{file}:{spec}")


def test_missing_arguments_are_asked_for(file: Path) -> None:
    file.write_text("def load(weights):\n    return weights\n")
    with pytest.raises(UsageError, match=r"missing a required argument: 'weights'.*KEY=VALUE"):
        load_encoder(f"{file}:load")


def test_files_that_cannot_be_imported_say_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("value = 1")
    for text, words in (
        ("import torch\ndef load(:\n", "line 2: SyntaxError"),
        ("x = 1\nraise ValueError('no weights here')\n", "mine.py, line 2: ValueError: no weights here"),
        ("import helper\n", "No module named 'helper'.*lies beside it.*PYTHONPATH="),
        ("import sys; sys.exit(3)\n", "SystemExit: 3"),
    ):
        (tmp_path / "mine.py").write_text(text)
        with pytest.raises(EncoderError, match=words):
            load_encoder(f"{tmp_path / 'mine.py'}:load")
    left = [one for name, one in sys.modules.items() if name.startswith(PRIVATE) and str(tmp_path) in str(one.__file__)]
    assert not left
    with pytest.raises(EncoderError, match=r"min.py does not exist.*Python files there: helper.py, mine.py"):
        load_encoder(f"{tmp_path / 'min.py'}:load")
    (tmp_path / "folder.py").mkdir()
    with pytest.raises(EncoderError, match="is a folder"):
        load_encoder(f"{tmp_path / 'folder.py'}:load")
