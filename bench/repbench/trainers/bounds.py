"""What the numbers among a method's options may be; names mean the same in every method."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

from repbench.errors import UsageError

SHARES = ("flip", "grey", "blur", "solarise", "centre", "momentum")  # 0 to 1
AREAS = ("smallest", "tiny")  # above 0, to 1
ABOVE_NOTHING = ("temperature", "lie_temperature", "student", "teacher")
COUNTS = ("width", "depth", "channels", "frames", "steps", "rows", "directions", "predictor", "layers", "heads")
NOT_NEGATIVE = ("strength", "lie", "euclidean", "alignment", "uniformity", "redundancy", "latent", "locals", "hidden")


def check_options(options: Any) -> None:
    """Raises UsageError for a number that no run can mean; text, and options with no bound here, pass."""
    for one in fields(options):
        value = getattr(options, one.name)
        if isinstance(value, (int, float)) and (wanted := _wanted(one.name, value)):
            raise UsageError(f"{one.name}={value:g}: expected {wanted}.")


def _wanted(name: str, value: float) -> str:
    """What is expected in words, where the value is not that."""
    if not math.isfinite(value):
        return "a finite number"
    if name in SHARES and not 0 <= value <= 1:
        return "a number from 0 to 1"
    if name in AREAS and not 0 < value <= 1:
        return "a share of the area above 0, at most 1"
    if name in ABOVE_NOTHING and value <= 0:
        return "a number above 0"
    if name in COUNTS and value < 1:
        return "1 or more"
    if name == "prototypes" and value < 2:
        return "2 or more"
    return "0 or more" if name in NOT_NEGATIVE and value < 0 else ""
