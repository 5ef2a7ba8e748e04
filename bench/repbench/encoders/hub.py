"""The hub of Hugging Face, asked only where it can be reached: without a network its client waits for half a minute."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants

PATIENCE = 5.0  # seconds for a connection


@contextmanager
def hub() -> Iterator[None]:
    """A block that loads from the hub or its cache; where the hub is out of reach, from its cache alone and without delay.

    Raises ConnectionError when the files are not in the cache and HF_HUB_OFFLINE is set or the hub cannot be reached.
    """
    asked = constants.HF_HUB_OFFLINE
    if not asked and reachable(constants.ENDPOINT):
        yield
        return
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and "download" not in str(error):  # open_clip's is a RuntimeError
            raise
        host = urlsplit(constants.ENDPOINT).hostname
        why = "HF_HUB_OFFLINE is set (offline)" if asked else f"{host} cannot be reached"
        raise ConnectionError(f"{why}, and the cache {constants.HF_HUB_CACHE} does not hold the files") from error
    finally:
        constants.HF_HUB_OFFLINE = before


def reachable(endpoint: str) -> bool:
    """Whether the host of a URL accepts connections. Behind a proxy it is taken to: only a download can tell."""
    if getproxies().keys() & {"http", "https", "all"}:
        return True
    parts = urlsplit(endpoint)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)), PATIENCE):
            return True
    except OSError:
        return False
