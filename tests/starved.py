"""Disks that are full and folders that refuse, made by the kernel for one process and gone with it (Linux)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

OWN_MOUNTS, PRIVATE, BIND, REMOUNT, READ_ONLY = 0x20000, 0x44000, 0x1000, 0x20, 0x1
OVERRIDES = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: by them root writes and reads whatever the permissions say
CAPABILITY_VERSION = 0x20080522


def small_disk(folder: Path, size: int) -> None:
    """From here on this process sees at `folder` an empty disk of `size` bytes. Raises PermissionError where it may not."""
    folder.mkdir(exist_ok=True)
    _own_mounts()
    _call("mount", b"none", bytes(folder), b"tmpfs", 0, f"size={size}".encode())


def read_only(folder: Path) -> None:
    """From here on this process cannot write to `folder`, nor can root. Raises PermissionError where it may not."""
    folder.mkdir(exist_ok=True)
    _own_mounts()
    _call("mount", bytes(folder), bytes(folder), None, BIND, None)
    _call("mount", None, bytes(folder), None, BIND | REMOUNT | READ_ONLY, None)


def forbidden(folder: Path) -> None:
    """`folder` may not be written by its permissions, and from here on they hold for this process even if it is root's."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        head, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
        _call("capget", head, sets)
        for number in (0, 1, 2):  # effective, permitted, inheritable
            sets[number] &= ~OVERRIDES
        _call("capset", head, sets)


def _own_mounts() -> None:
    _call("unshare", OWN_MOUNTS)
    _call("mount", b"none", b"/", None, PRIVATE, None)


def _call(name: str, *arguments: object) -> None:
    """A call of the C library. Raises OSError, which of a call that is not permitted is a PermissionError."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
