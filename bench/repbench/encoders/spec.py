"""The text that names an encoder on the command line, taken apart.

`SOURCE:TARGET[,option=value...]`, for example `timm:resnet50,layer=layer3,pool=avg`, or a file: `ckpt.pt,arch=timm:resnet50`,
`model.onnx`, `model.pt2`, `my_encoder.py:load`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from repbench.errors import UnknownNameError, UsageError

# prefix -> module in encoders/sources; a file is recognised by its ending instead
PREFIXES = {
    "timm": "timm",
    "torchvision": "torchvision",
    "open_clip": "open_clip",
    "hf": "hf",
    "packaged": "packaged",
    "joined": "joined",
    "control": "control",
    "random": "random",
    "trained": "trained",
    "checkpoint": "checkpoint",
    "onnx": "onnx",
    "export": "export",
    "python": "python",
}
ENDINGS = {
    ".pt": "checkpoint",
    ".pth": "checkpoint",
    ".safetensors": "checkpoint",
    ".ckpt": "checkpoint",
    ".tar": "checkpoint",
    ".bin": "checkpoint",
    ".onnx": "onnx",
    ".pt2": "export",
}
_FUNCTION = re.compile(r"^(?P<place>.+\.py|[A-Za-z_][\w.]*):(?P<function>[A-Za-z_]\w*)$")


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A parsed encoder spec: the `source` module that loads it, its `target`, options, and the text as typed."""

    source: str
    target: str
    text: str
    options: Mapping[str, str] = field(default_factory=dict)

    def only(self, *known: str) -> None:
        """Raise UnknownNameError if an option is given that the source does not know (`name` is always known)."""
        for option in self.options:
            if option not in (*known, "name"):
                raise UnknownNameError("option", option, (*known, "name"), f"(in the encoder {self.text!r})")

    @property
    def name(self) -> str:
        """The row of the leaderboard: the option `name`, else the text as typed (a path shortened to its file name)."""
        if "name" in self.options:
            return self.options["name"]
        if self.source in ("checkpoint", "onnx", "export", "python") or (self.source == "hf" and "/" in self.target):
            head, _, rest = self.text.partition(",")
            prefix, colon, path = head.partition(":") if head.split(":")[0] in PREFIXES else ("", "", head)
            short = path if self.source == "hf" and not Path(path).exists() else path.rstrip("/").rsplit("/", 1)[-1]
            return prefix + colon + short + ("," + rest if rest else "")
        return self.text


def parse_spec(text: str) -> Spec:
    """The parts of an encoder spec. Raises UsageError or UnknownNameError; nothing is loaded."""
    if "\0" in text:
        raise UsageError(f"encoder {text!r}: no name of a file or a network holds a null byte.")
    head, *parts = text.split(",")
    options: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"encoder {text!r}: {part!r} is no option; write it as key=value.")
        if key in options:
            raise UsageError(f"encoder {text!r}: the option {key!r} is given twice.")
        options[key] = value
    if not head:
        raise UsageError(f"encoder {text!r} names nothing; `repbench list encoders` shows what can be named.")
    source, target = _source_and_target(head, text)
    return Spec(source=source, target=target, text=text, options=options)


def _source_and_target(head: str, text: str) -> tuple[str, str]:
    prefix, colon, target = head.partition(":")
    if colon and prefix in PREFIXES:
        if not target:
            raise UsageError(f"encoder {text!r}: nothing stands behind {prefix + ':'!r}.")
        return PREFIXES[prefix], target
    ending = Path(head).suffix.lower()
    if ending in ENDINGS:
        return ENDINGS[ending], head
    match = _FUNCTION.match(head)
    if match and (match["place"].endswith(".py") or "." in match["place"]):
        return "python", head
    if ending == ".py":
        raise UsageError(f"encoder {text!r}: say which function of the file returns the encoder, for example {head}:load.")
    if Path(head).exists():
        return "checkpoint", head  # the loader says what is wrong with it: a folder, no ending, ...
    if not colon:
        raise UsageError(
            f"encoder {text!r} does not say where it comes from, and there is no such file (looked from {Path.cwd()}). "
            f"Write timm:{head}, torchvision:{head} or random:{head} for a network by its name, or the path of a file that "
            f"ends in {', '.join(ENDINGS)}. `repbench list encoders` shows all forms."
        )
    raise UnknownNameError(
        "encoder source", prefix if colon else head, [*PREFIXES], "`repbench list encoders` shows how to name one."
    )
