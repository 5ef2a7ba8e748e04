"""Encoders from a program of torch.export: `model.pt2`."""

from __future__ import annotations

import logging
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from repbench.digests import digest_bytes
from repbench.encoder import Encoder
from repbench.encoders import preprocess
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.images import check_image_options
from repbench.encoders.load import LoadOptions
from repbench.encoders.programs import check_file, damaged, in_blocks, preparation
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError

HELP = "FILE.pt2[,size=PX][,normalise=imagenet|half|none]   a program of torch.export (with --trust-checkpoint), e.g. model.pt2"
KIND = "a program of torch.export"
# operators whose argument at that place says that the program was exported in training mode
TRAINING = {"dropout": 2, "native_dropout": 2, "batch_norm": 5, "_native_batch_norm_legit_functional": 5}


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError or UnknownNameError for bad values, EncoderError for a file that is not there or of another kind."""
    spec.only(*preprocess.OPTIONS)
    check_image_options(spec)
    check_file(Path(spec.target).expanduser(), KIND)


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The image encoder that a program is; the input size is read from it where it is fixed.

    Loading needs `options.trust_checkpoint`: torch.export.load unpickles without restriction (tensors of special types,
    constants, example inputs) and evaluates text of the file as expressions, so a file can run code. Raises EncoderError.
    """
    path = Path(spec.target).expanduser()
    _check_archive(path)
    if not options.trust_checkpoint:
        raise EncoderError(
            f"{path} is {KIND}, and torch.export.load unpickles objects and evaluates expressions of the file: that can run "
            "any code that its author chose, so it is refused. If you trust the file, add --trust-checkpoint; "
            "weights in safetensors and ONNX graphs need no trust."
        )
    program = _open(path)
    _check_mode(program, path)
    module = Program(program, path)
    prepare = preparation(spec, module.shape)
    tower = make_tower(
        module,
        prepare,
        preprocessing=prepare.words,
        features="output of the program",
        architecture=f"torch.export {digest_bytes(path.read_bytes())}",
    )
    notes = {"file": path.name, "trusted": "the program was unpickled (--trust-checkpoint)"}
    return Encoder(name=spec.name, towers={"image": tower}, notes=notes)


class Program(nn.Module):
    """An exported program with one input, as a module; batches are cut and filled to what it takes."""

    def __init__(self, program: torch.export.ExportedProgram, path: Path) -> None:
        super().__init__()
        value = _only_input(program, path)
        self.shape = tuple(side if isinstance(side, int) else None for side in value.shape)
        self.dtype: torch.dtype = value.dtype
        self.least, self.most = _batch_limits(program, value.shape[0]) if self.shape else (1, None)
        self.program = program.module()

    def forward(self, inputs: Tensor) -> Tensor:
        """The output of the program; of several the first."""
        return in_blocks(self._run, inputs.to(self.dtype), self.least, self.most)

    def train(self, mode: bool = True) -> Program:
        """Nothing: a program is in the mode in which it was exported, and torch refuses to be asked."""
        self.training = mode
        return self

    def _run(self, inputs: Tensor) -> Tensor:
        output = self.program(inputs)
        found: Tensor = output[0] if isinstance(output, (tuple, list)) else output
        return found


def _check_archive(path: Path) -> None:
    """Raise EncoderError for a file that torch.export did not write; nothing in it is run."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            start = min((entry.header_offset for entry in archive.infolist()), default=0)
    except zipfile.BadZipFile as error:
        raise damaged(path, KIND, str(error)) from None
    if start > 0:  # what was found is an archive inside this one, whose end is lost
        raise damaged(path, KIND, "its table of contents is missing")
    if any(name.endswith(("archive_format", "serialized_exported_program.json")) for name in names):
        if any("/aotinductor/" in name and name.endswith(".so") for name in names):
            raise EncoderError(f"{path} holds machine code of AOTInductor; save the program with torch.export.save.")
        return
    other = "a TorchScript archive" if any("/code/" in name for name in names) else "a checkpoint"
    what = other if any(name.endswith("data.pkl") for name in names) else "a zip archive of another kind"
    raise EncoderError(f"{path} is {what} and not {KIND}. Checkpoints end in .pt or .pth and are given with arch=timm:NAME.")


def _open(path: Path) -> torch.export.ExportedProgram:
    log = logging.getLogger("torch.export")  # it prints the traceback of what is raised anyway
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.load(file)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise damaged(path, f"{KIND} that torch {torch.__version__} can load", reason) from error
    finally:
        log.setLevel(level)


def _check_mode(program: torch.export.ExportedProgram, path: Path) -> None:
    for node in program.graph.nodes:
        place = TRAINING.get(str(node.target).split(".")[1] if "." in str(node.target) else "")
        if place is not None and len(node.args) > place and node.args[place] is True:
            raise EncoderError(
                f"{path} was exported in training mode ({node.target} acts differently there): its embeddings would be random "
                "or depend on the batch. Call model.eval() before torch.export.export."
            )


def _only_input(program: torch.export.ExportedProgram, path: Path) -> Any:
    wanted = program.graph_signature.user_inputs
    values = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in wanted]
    if len(values) != 1 or not isinstance(values[0], Tensor):
        raise EncoderError(f"{path} has {len(wanted)} inputs; an image encoder has one tensor. Export the image part alone.")
    return values[0]


def _batch_limits(program: torch.export.ExportedProgram, batch: Any) -> tuple[int, int | None]:
    """The least and the greatest batch that the program takes (None: any)."""
    if isinstance(batch, int):
        return batch, batch
    limits = program.range_constraints.get(batch.node.expr)
    if limits is None:
        return 1, None
    most = int(limits.upper) if limits.upper.is_Integer else None  # type: ignore[union-attr]
    return max(1, int(limits.lower)), most
