"""Where protocols are found, and how the file of one becomes its class.

The name of a protocol is that of its file: `my_protocol.py` holds `my-protocol`.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from importlib.resources import files
from pathlib import Path
from types import ModuleType

from repbench.errors import DeclarationError, UsageError


def shipped_protocols() -> list[Path]:
    """The files of the protocols that are part of repbench."""
    folder = Path(str(files("repbench"))) / "protocols"
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def add_protocol(path: Path, protocols: dict[str, Path]) -> None:
    """Add a user's file to `protocols`. Raises UsageError where it is absent, DeclarationError where its name is taken."""
    name = path.stem.replace("_", "-")
    if not path.is_file():
        raise UsageError(f"--plugin {path}: there is no such file.")
    if name in protocols:
        raise DeclarationError(f"the protocol name {name!r} is taken twice: {protocols[name]} and {path}.")
    protocols[name] = path


def protocol_class(path: Path) -> type:
    """The one dataclass with `needs` and `score` in a file.

    Raises DeclarationError, or UsageError where it cannot be imported.
    """
    module = _import(path)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and dataclasses.is_dataclass(value)
        and all(callable(getattr(value, method, None)) for method in ("needs", "score"))
    ]
    if len(found) != 1:
        advice = "" if found else f" A file that holds an encoder is no plugin: name it as the encoder, {path}:FUNCTION."
        raise DeclarationError(f"{path}: expected one dataclass with `needs` and `score`; found {len(found)}.{advice}")
    return found[0]


def _import(path: Path) -> ModuleType:
    shipped = Path(str(files("repbench"))) / "protocols"
    if path.parent == shipped:
        return importlib.import_module(f"repbench.protocols.{path.stem}")
    spec = importlib.util.spec_from_file_location(f"repbench_plugin_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # also of a file that ends the program
        del sys.modules[spec.name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UsageError(f"--plugin {path}: it cannot be imported ({type(error).__name__}: {error}).") from error
    return module
