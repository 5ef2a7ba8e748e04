"""repbench: the open benchmark of representations. Embed once, ask many questions.

import repbench
table = repbench.evaluate("random:resnet18", tasks="knn/*")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repbench.api import catalogue, evaluate, list_tasks, read_features, read_leaderboard
    from repbench.encoder import Encoder, LoadReport, Sound, Tower
    from repbench.encoders.load import load_encoder
    from repbench.errors import RepbenchError
    from repbench.training import train

__version__ = "0.1.0"

_PUBLIC = {
    "evaluate": "repbench.api",
    "read_leaderboard": "repbench.api",
    "read_features": "repbench.api",
    "list_tasks": "repbench.api",
    "catalogue": "repbench.api",
    "load_encoder": "repbench.encoders.load",
    "Encoder": "repbench.encoder",
    "Tower": "repbench.encoder",
    "Sound": "repbench.encoder",
    "LoadReport": "repbench.encoder",
    "RepbenchError": "repbench.errors",
    "train": "repbench.training",
}

__all__ = [
    "Encoder",
    "LoadReport",
    "RepbenchError",
    "Sound",
    "Tower",
    "catalogue",
    "evaluate",
    "list_tasks",
    "load_encoder",
    "read_features",
    "read_leaderboard",
    "train",
]


def __getattr__(name: str) -> Any:  # so that `import repbench` costs nothing before something is used
    if name in _PUBLIC:
        import importlib

        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'repbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
