"""What a contrastive model makes of the cosine of an image and a text, read from its own parameters."""

from __future__ import annotations

from torch import Tensor, nn

from repbench.encoder import Logit
from repbench.errors import EncoderError


def logit_of(model: nn.Module) -> Logit | None:
    """`exp(logit_scale)` and `logit_bias` of a model (CLIP, SigLIP), or 1 / `temperature` (ALIGN); None where it has neither.

    Raises EncoderError for a scale that is no positive number, which no training gives.
    """
    scale, temperature, bias = (_number(model, name) for name in ("logit_scale", "temperature", "logit_bias"))
    if scale is None and temperature is None:
        return None
    factor = scale.exp() if scale is not None else temperature.reciprocal()  # type: ignore[union-attr]
    try:
        return Logit(scale=float(factor), bias=0.0 if bias is None else float(bias))
    except ValueError as error:
        raise EncoderError(f"the model's own scale of logits cannot be used: {error}") from error


def _number(model: nn.Module, name: str) -> Tensor | None:
    """A parameter or buffer of one number, in the float32 in which models multiply by it."""
    found = getattr(model, name, None)
    return found.detach().float().reshape(()) if isinstance(found, Tensor) and found.numel() == 1 else None
