"""Encoders that a user's own function returns: `my_encoder.py:load`, or `package.module:load`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from repbench.digests import digest_bytes, digest_json, digest_text
from repbench.encoder import MODALITIES, Encoder, Tower
from repbench.encoders.architectures import seeded
from repbench.encoders.fingerprint import fingerprint_module, make_tower
from repbench.encoders.load import LoadOptions
from repbench.encoders.spec import Spec
from repbench.errors import EncoderError, RepbenchError, UnknownNameError, UsageError

HELP = "FILE.py:FUNCTION|package.module:FUNCTION[,KEY=VALUE]   a function that returns an Encoder, e.g. my_encoder.py:load"
PRIVATE = "_repbench_file_"  # how the modules of files are named in sys.modules


def check(spec: Spec, options: LoadOptions) -> None:
    """Raise UsageError unless the spec names a function, EncoderError when its file is not there; nothing is imported."""
    place, colon, _ = spec.target.rpartition(":")
    if not colon or not place:
        raise UsageError(f"encoder {spec.text!r}: write FILE.py:FUNCTION or package.module:FUNCTION.")
    if place.endswith(".py"):
        _check_file(Path(place).expanduser())


def load(spec: Spec, options: LoadOptions) -> Encoder:
    """The encoder that the function returns, under the spec's name; other options of the spec are its keyword arguments.

    A tuple (module, prepare) becomes an image tower. The digest of the source file goes into every fingerprint. Random
    numbers of torch are seeded by the run's seed. Raises UsageError and EncoderError, with the text of what failed inside.
    """
    place, _, name = spec.target.rpartition(":")
    path = Path(place).expanduser()
    with seeded(options.seed):
        module = import_file(path) if place.endswith(".py") else _import_module(place)
        function = _function(module, name, place)
        arguments = {key: value for key, value in spec.options.items() if key != "name"}
        returned = _call(function, arguments, f"{place}:{name}")
    encoder = _encoder(returned, spec)
    source = _source_digest(module)
    carry = path.resolve() if place.endswith(".py") else None
    towers = {key: _own(tower, digest_json([source, arguments]), carry) for key, tower in encoder.towers.items()}
    notes = {**encoder.notes, "source": f"{Path(place).name}:{name}", "source digest": source}
    return replace(encoder, name=spec.name, towers=towers, notes=notes)


def import_file(path: Path) -> ModuleType:
    """The module of a Python file, under a private name made of its place and content; `sys.path` stays as it is.

    It is registered in `sys.modules`, so that its classes can be pickled. Raises EncoderError.
    """
    _check_file(path)
    path = path.resolve()
    name = PRIVATE + digest_text(str(path), digest_bytes(path.read_bytes()))
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise EncoderError(f"{path} cannot be imported as Python.")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, (KeyboardInterrupt, RepbenchError)):
            raise
        raise EncoderError(f"{path} cannot be imported: {_words(error)}.{_import_advice(error, path)}") from error
    return module


@dataclass(frozen=True)
class Carried:
    """A `prepare` out of a user's file that finds its way into worker processes, which import the file first."""

    path: Path
    prepare: Callable[[Any], Tensor]

    def __call__(self, item: Any) -> Tensor:
        return self.prepare(item)

    def __reduce__(self) -> tuple[Any, ...]:
        return _bring_back, (self.path, pickle.dumps(self.prepare))


def _bring_back(path: Path, pickled: bytes) -> Carried:
    import_file(path)
    return Carried(path, pickle.loads(pickled))


def _import_module(place: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except RepbenchError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{place}.".startswith(f"{error.name}."):
            raise EncoderError(
                f"there is no module {error.name!r} that Python can import. Install its package, or give the file: "
                f"{error.name.rpartition('.')[2]}.py:FUNCTION."
            ) from None
        raise EncoderError(f"the module {place} cannot be imported: {_words(error)}.") from error
    except Exception as error:
        raise EncoderError(f"the module {place} cannot be imported: {_words(error)}.") from error


def _function(module: ModuleType, name: str, place: str) -> Callable[..., Any]:
    try:
        function = getattr(module, name, None)
    except Exception as error:  # of a `__getattr__` of the module's own
        raise EncoderError(f"{place}: {name} cannot be had: {_words(error)}.") from error
    if callable(function):
        return function  # type: ignore[no-any-return]
    own = [key for key, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__]
    raise UnknownNameError("function", name, own, f"(in {place})")


def _call(function: Callable[..., Any], arguments: Mapping[str, str], where: str) -> Any:
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        for key in arguments:
            if key not in signature.parameters:
                raise UnknownNameError("option", key, ["name", *signature.parameters], f"(of {where})")
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise UsageError(f"{where} cannot be called so: {error}. Give its arguments as options: {where},KEY=VALUE.") from None
    try:
        return function(**arguments)
    except RepbenchError:
        raise
    except Exception as error:
        raise EncoderError(f"{where} failed: {_words(error)}.") from error


def _encoder(returned: Any, spec: Spec) -> Encoder:
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[0], nn.Module) and callable(returned[1]):
        tower = make_tower(*returned, preprocessing="the user's own", features=f"what {spec.name} returns")
        return Encoder(name=spec.name, towers={"image": tower})
    if not isinstance(returned, Encoder):
        kind = "nothing (None)" if returned is None else f"a {type(returned).__name__}"
        raise EncoderError(
            f"{spec.target} returned {kind}; it must return a repbench.Encoder, or a tuple (module, prepare) for images."
        )
    if not returned.towers:
        raise EncoderError(f"{spec.target} returned an Encoder without towers; give at least one of {', '.join(MODALITIES)}.")
    for modality, tower in returned.towers.items():
        if modality not in MODALITIES:
            raise UnknownNameError("modality", modality, MODALITIES, f"(a tower of {spec.target})")
        if not isinstance(tower, Tower):
            raise EncoderError(
                f"the {modality} tower of {spec.target} is a {type(tower).__name__}; it must be a repbench.Tower."
            )
    return returned


def _own(tower: Tower, source: str, path: Path | None) -> Tower:
    """The tower in evaluation mode, its fingerprint bound to its weights, to the source file and to the options."""
    module = tower.module.cpu().eval().requires_grad_(False)
    prepare = tower.prepare if path is None else Carried(path, tower.prepare)
    fingerprint = fingerprint_module(module, "python", source, tower.fingerprint, tower.preprocessing, tower.features)
    return replace(tower, module=module, prepare=prepare, fingerprint=fingerprint)


def _source_digest(module: ModuleType) -> str:
    """Digest of the bytes of the module's file; of its name where it has none (a built-in or compiled module)."""
    path = getattr(module, "__file__", None)
    return digest_bytes(Path(path).read_bytes()) if path else digest_text(module.__name__)


def _words(error: BaseException) -> str:
    """What an exception says and the line of the user's code that raised it, in one line."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: SyntaxError: {error.msg}"
    trace, line = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "importlib" not in file and file != __file__:
            line = f"{Path(file).name}, line {trace.tb_lineno}: "
            break
        trace = trace.tb_next
    return f"{line}{type(error).__name__}: {error}".rstrip(". ")


def _import_advice(error: BaseException, path: Path) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and (path.parent / f"{error.name.partition('.')[0]}.py").exists():
        return f" The file lies beside it, but its folder is not on Python's path. Type: PYTHONPATH={path.parent} repbench ..."
    return ""


def _check_file(path: Path) -> None:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else f"does not exist (looked from {Path.cwd()})"
        raise EncoderError(f"the file {path} {what}.{_neighbours(path)}")


def _neighbours(path: Path) -> str:
    if not path.parent.is_dir():
        return ""
    files = sorted(file.name for file in path.parent.glob("*.py"))
    return f" Python files there: {', '.join(files[:6])}." if files else ""
