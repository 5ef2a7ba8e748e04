"""Forward passes: prepared items to embeddings, in passes of one shape, with the fastest form of the network that is exact."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from repbench.embeddings.faster import faster, is_convolutional
from repbench.embeddings.laid_out import laid_out
from repbench.embeddings.memory import is_out_of_memory
from repbench.embeddings.options import PRECISIONS, ExtractOptions
from repbench.embeddings.same import copy_of
from repbench.encoder import Tower
from repbench.encoders.preprocess import ImagePreprocess
from repbench.errors import EmbeddingError, RepbenchError
from repbench.measure.heap import keep_freed_memory

CHECKED = 2  # items on which, and on three others, the faster network is compared with the plain one
CACHED = 1_250_000  # numbers in one pass on a CPU: eight images of 224 pixels, whose activations stay near the cores. Measured
TOKEN = 768.0  # numbers that a token of a text becomes; a transformer of images holds half as many as a convolutional network


class Forward:
    """The forward passes of one tower.

    Every pass has the same shape: the last one is filled up by repeating an item, so that an embedding does not depend on how
    many others were asked for. When memory runs out, the passes become half as large; `notes` tells of it.
    """

    def __init__(self, tower: Tower, options: ExtractOptions) -> None:
        self.notes: dict[str, str] = {}
        self._tower, self._options = tower, options
        self._module: nn.Module | None = None
        self._is_folded = False
        self._size = options.batch_size
        self._sized = options.device != "cpu"

    @property
    def passes(self) -> int:
        """Items in each pass, the smallest that were needed; 0 where none was run."""
        return self._size if self._module is not None else 0

    def in_passes(self, inputs: Tensor) -> int:
        """How many of these inputs (n, ...) fill whole passes."""
        if not self._sized:
            cost = TOKEN if inputs.dtype == torch.int64 else 1.0 if is_convolutional(self._tower.module) else 0.5
            self._size = min(self._size, max(8, int(CACHED / cost / max(1, math.prod(inputs.shape[1:])))))
            self._sized = True
        return len(inputs) // self._size * self._size

    def __call__(self, inputs: Tensor) -> np.ndarray:
        """Embeddings float32 (n, dim) of prepared items (n, ...), n > 0. Raises EmbeddingError when the encoder fails."""
        self.in_passes(inputs)
        rows: list[np.ndarray] = []
        start = 0
        while start < len(inputs):
            part = inputs[start : start + self._size]
            try:
                rows.append(self._run(part))
            except RepbenchError:
                raise
            except Exception as error:  # a network may raise anything
                if not is_out_of_memory(error):
                    shape = (self._size, *inputs.shape[1:])
                    raise EmbeddingError(f"the encoder failed on a batch of shape {shape} ({error}).") from error
                self._halve(error)
            else:
                start += len(part)
        return np.concatenate(rows)

    def _halve(self, error: BaseException) -> None:
        device = self._options.device
        if self._size == 1:
            raise EmbeddingError(
                f"out of memory on {device} with a single item; use another --device or a smaller input (size=PIXELS)."
            ) from error
        self._size //= 2
        self.notes["batch"] = halved(self._size, self._options)
        if device.startswith("cuda"):
            torch.cuda.empty_cache()

    def _run(self, part: Tensor) -> np.ndarray:
        count = len(part)
        filled = torch.cat([part, part[-1:].expand(self._size - count, *part.shape[1:])]) if count < self._size else part
        if self._module is None:
            self._module = self._build(filled[:CHECKED])
        with torch.inference_mode(), self._full_fp32():
            out: Tensor = self._module(self._inputs(filled, self._options.device))
        if tuple(out.shape) != (self._size, self._tower.dim):
            raise EmbeddingError(f"the encoder gave {tuple(out.shape)}; expected {(self._size, self._tower.dim)}.")
        rows: np.ndarray = out[:count].float().cpu().numpy()
        return rows.copy()  # the network may write its next pass to the same place

    def _inputs(self, part: Tensor, device: str) -> Tensor:
        if device.startswith("cuda"):
            part = part.pin_memory()
        part = part.to(device, non_blocking=True)
        prepare = self._tower.prepare
        return prepare.scale(part, channels_last=self._is_folded) if finishes_batches(prepare) else part

    def _build(self, sample: Tensor) -> nn.Module:
        """The network as it is run: folded where that is exact, on its device, in the precision that was asked for."""
        device, dtype = self._options.device, PRECISIONS[self._options.precision]
        if device == "cpu":
            keep_freed_memory()
        module, note = faster(self._tower.module, self._inputs(sample, "cpu"))
        self._is_folded = module is not self._tower.module
        self._note("forward", note)
        if device != "cpu":
            module = module.to(device) if self._is_folded else copied(module).to(device)
        if dtype is not None:
            module, note = converted(module, dtype, self._inputs(sample, device))
            self._note("precision", note)
        elif device == "cpu":
            module, note = laid_out(module, self._inputs(sample, device))
            self._note("forward", note)
        return module

    def _note(self, about: str, note: str) -> None:
        if note:
            self.notes[about] = "; ".join(filter(None, (self.notes.get(about), note)))

    @contextlib.contextmanager
    def _full_fp32(self) -> Iterator[None]:
        """fp32 means fp32: cuDNN would round the inputs of convolutions to 10 bits of mantissa."""
        if not self._options.device.startswith("cuda"):
            yield
            return
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield


def halved(size: int, options: ExtractOptions) -> str:
    """The note of passes that memory made smaller."""
    return f"out of memory on {options.device}: passes of {size} items instead of {options.batch_size}"


class Half(nn.Module):
    """A network whose weights are converted to bf16 or fp16, with inputs to match; whole numbers stay what they are."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module, self.dtype = module.to(dtype), dtype

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, dim) in the reduced precision."""
        output: Tensor = self.module(inputs.to(self.dtype) if inputs.is_floating_point() else inputs)
        return output


class Autocast(nn.Module):
    """A network whose operations are run in bf16 or fp16 one by one, where torch knows how."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module, self.dtype = module, dtype

    def forward(self, inputs: Tensor) -> Tensor:
        """Embeddings (n, dim)."""
        with torch.autocast(inputs.device.type, dtype=self.dtype):
            output: Tensor = self.module(inputs)
        return output


def converted(module: nn.Module, dtype: torch.dtype, sample: Tensor) -> tuple[nn.Module, str]:
    """The network in a reduced precision, and a note where its weights cannot be converted; `sample` are inputs (n, ...)."""
    if not any(value.is_floating_point() for value in module.state_dict().values() if isinstance(value, Tensor)):
        return module, "fp32: the encoder has no weights that could be converted"
    try:
        half = Half(copy_of(module), dtype)
        with torch.inference_mode():
            half(sample)
    except Exception as error:  # a network that cannot be copied, or that makes float32 tensors of its own
        if is_out_of_memory(error):
            raise
        return Autocast(module, dtype), f"autocast: the encoder does not run with converted weights ({type(error).__name__})"
    return half, ""


def copied(module: nn.Module) -> nn.Module:
    """A copy of the module, or, where it cannot be copied, the module itself."""
    try:
        return copy_of(module)
    except Exception:  # sessions of foreign runtimes and tensors with a history raise what they like
        return module


def finishes_batches(prepare: object) -> TypeGuard[ImagePreprocess]:
    """Whether this preparation comes in two steps: `pixels` for each item, `scale` for a batch."""
    return type(prepare) is ImagePreprocess


def prepared_together(one: object, other: object) -> bool:
    """Whether two preparations may be given one decoded item: they are equal, or both our own, which change no picture."""
    return one == other or (finishes_batches(one) and finishes_batches(other))
