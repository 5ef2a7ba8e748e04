"""How the fuzzing tests try: how often, what may come of it, and a count of what was tried."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from repbench.errors import RepbenchError

EXAMPLES = int(os.environ.get("REPBENCH_FUZZ_EXAMPLES", "25"))
TRIED = Counter[str]()  # name of a test -> how often its body ran in this process
_settings = settings(
    max_examples=EXAMPLES,
    deadline=60_000,  # milliseconds: a hang; the first example imports torch
    derandomize=EXAMPLES <= 100,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def fuzz(test: Any) -> Any:
    """A test that is given examples by hypothesis tries as many as are asked for, and counts them."""
    inner = test.hypothesis.inner_test

    @functools.wraps(inner)
    def counted(*arguments: Any, **options: Any) -> Any:
        TRIED[inner.__name__] += 1
        return inner(*arguments, **options)

    test.hypothesis.inner_test = counted
    return _settings(test)


def survives(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, or None where it says in words what is wrong."""
    try:
        return function(*arguments)
    except RepbenchError:
        return None


def damaged(data: st.DataObject, whole: bytes) -> bytes:
    """Some bytes of a file changed, or its end cut off, or all of it replaced."""
    content = bytearray(whole)
    places = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=8)
    for place, byte in data.draw(places) if whole else ():
        content[place] = byte
    return bytes(content[: data.draw(st.integers(0, len(whole)) | st.just(len(whole)))])
