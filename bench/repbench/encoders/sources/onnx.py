"""Encoders from an ONNX graph: `model.onnx`, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from repbench.digests import digest_bytes, digest_text
from repbench.encoder import Encoder
from repbench.encoders import preprocess
from repbench.encoders.fingerprint import make_tower
from repbench.encoders.images import check_image_options
from repbench.encoders.load import LoadOptions
from repbench.encoders.programs import check_file, damaged, first_line, in_blocks, preparation
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError

HELP = "FILE.onnx[,size=PX][,normalise=imagenet|half|none]   an ONNX graph of images (n, 3, height, width), e.g. model.onnx"
TYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16, "tensor(double)": torch.float64}


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError or UnknownNameError for bad values, EncoderError for a file that is not there or of another kind."""
    spec.only(*preprocess.OPTIONS)
    check_image_options(spec)
    check_file(Path(spec.target).expanduser(), "an ONNX graph")


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The image encoder whose embedding is the first output of the graph; the input size is read from it where it is fixed.

    Images are resized and cropped (bicubic) and normalised by ImageNet's mean and standard deviation unless the spec says
    otherwise. Raises EncoderError for a bad file and for a graph that does not read images.
    """
    path = Path(spec.target).expanduser()
    graph = Graph(path)
    prepare = preparation(spec, graph.shape)
    tower = make_tower(
        graph,
        prepare,
        preprocessing=prepare.words,
        features=f"output {graph.output!r} of the graph",
        architecture=f"onnx {_digest(path)}",
    )
    notes = {"file": path.name, "package": f"onnxruntime {_runtime(path).__version__}"}
    return Encoder(name=spec.name, towers={"image": tower}, notes=notes)


class Graph(nn.Module):
    """An ONNX graph with one input, as a module; it runs on the device of its inputs where onnxruntime can."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.sessions: dict[str, Any] = {}
        session = self._session("cpu")
        entry = _only_input(session, path)
        self.input, self.shape, self.dtype = entry.name, tuple(entry.shape), _dtype(entry, path)
        self.output: str = session.get_outputs()[0].name
        fixed = self.shape[0] if self.shape and isinstance(self.shape[0], int) else None
        self.least, self.most = fixed or 1, fixed

    def forward(self, inputs: Tensor) -> Tensor:
        """The first output of the graph, float32."""
        return in_blocks(self._run, inputs.to(self.dtype), self.least, self.most)

    def _run(self, inputs: Tensor) -> Tensor:
        feed = {self.input: inputs.cpu().contiguous().numpy()}
        (found,) = self._session(inputs.device.type).run([self.output], feed)
        return torch.from_numpy(found).float().to(inputs.device)

    def _session(self, device: str) -> Any:
        if device not in self.sessions:
            self.sessions[device] = _open(self.path, device)
        return self.sessions[device]


def _runtime(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise EncoderError(f"{path} needs onnxruntime, which is not installed. Type: pip install 'repbench[onnx]'") from None
    return onnxruntime


def _open(path: Path, device: str) -> Any:
    runtime = _runtime(path)
    wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
    if device == "cuda" and wanted[0] not in runtime.get_available_providers():
        raise EncoderError(f"{path}: this onnxruntime has no CUDA. Type: pip install onnxruntime-gpu, or use --device cpu.")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    settings.log_severity_level = 3  # errors only; they reach the user as exceptions
    try:
        return runtime.InferenceSession(str(path), settings, providers=[*wanted, "CPUExecutionProvider"])
    except Exception as error:
        if any(words in str(error).lower() for words in ("external", "cannot get file size")):
            raise EncoderError(
                f"{path} keeps its weights in another file that is not beside it ({first_line(str(error))}). "
                "Copy that file too, under its old name."
            ) from error
        raise damaged(path, "an ONNX graph that onnxruntime can run", str(error)) from error


def _only_input(session: Any, path: Path) -> Any:
    entries: Sequence[Any] = session.get_inputs()
    if len(entries) != 1:
        names = ", ".join(entry.name for entry in entries) or "none"
        raise EncoderError(
            f"{path} has {len(entries)} inputs ({names}); an image encoder has one. Export the image part alone."
        )
    return entries[0]


def _dtype(entry: Any, path: Path) -> torch.dtype:
    if entry.type not in TYPES:
        raise EncoderError(
            f"{path} reads {entry.type}; repbench gives floating-point pixels. Export it without its own scaling."
        )
    return TYPES[entry.type]


def _digest(path: Path) -> str:
    """Digest of the file, and of the files beside it that it names: large graphs keep their weights there."""
    data = path.read_bytes()
    beside = (file for file in sorted(path.parent.iterdir()) if file.is_file() and file.name != path.name)
    weights = [file for file in beside if file.name.encode() in data]
    return digest_text(digest_bytes(data), *(digest_bytes(file.read_bytes()) for file in weights))
