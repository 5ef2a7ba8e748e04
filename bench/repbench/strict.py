"""Strict reading of declarations: a mapping from TOML becomes a frozen dataclass, or an error that names file and key."""

from __future__ import annotations

import dataclasses
import functools
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from repbench.errors import DeclarationError, did_you_mean

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises DeclarationError that names the file when it is unreadable or no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DeclarationError(f"{path}: is no TOML ({error}).") from error


def build(kind: type[T], table: Mapping[str, Any], where: str, **given: Any) -> T:
    """An instance of the dataclass `kind` from `table`, plus the `given` fields that the table may not hold.

    Unknown and missing keys and values of another type raise DeclarationError; its message begins with `where`.
    """
    hints = _hints(kind)  # type: ignore[arg-type]
    fields = {item.name: item for item in dataclasses.fields(kind) if item.init and item.name not in given}  # type: ignore[arg-type]
    for key in table:
        if key not in fields:
            raise DeclarationError(f"{where}: unknown key {key!r}.{did_you_mean(key, fields)}")
    values = dict(given)
    for name, item in fields.items():
        if name in table:
            values[name] = _checked(table[name], hints[name], f"{where}: {name}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise DeclarationError(f"{where}: the key {name!r} is missing.")
    try:
        return kind(**values)
    except ValueError as error:
        raise DeclarationError(f"{where}: {error}") from error


@functools.cache  # the annotations are text: to read those of one class costs as much as to check a declaration
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _checked(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(value, arguments, where)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return build(hint, value, where)
    if origin is tuple and isinstance(value, (list, tuple)):
        return tuple(_checked(item, arguments[0], f"{where}[{place}]") for place, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {key: _checked(item, arguments[1], f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise DeclarationError(f"{where} is {value!r}; expected {_in_words(hint)}.")


def _first_that_fits(value: Any, choices: tuple[Any, ...], where: str) -> Any:
    for choice in choices:
        if choice is type(None):
            if value is None:
                return None
            continue
        if dataclasses.is_dataclass(choice) and isinstance(value, Mapping):
            return _checked(value, choice, where)  # its own error says more than that nothing fits
        try:
            return _checked(value, choice, where)
        except DeclarationError:
            continue
    raise DeclarationError(f"{where} is {value!r}; expected {' or '.join(map(_in_words, choices))}.")


def _in_words(hint: Any) -> str:
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "nothing"}
    if hint in words:
        return words[hint]
    origin = typing.get_origin(hint)
    if origin is tuple:
        return f"a list of {_in_words(typing.get_args(hint)[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a table"
    return "a table" if dataclasses.is_dataclass(hint) else str(hint)
