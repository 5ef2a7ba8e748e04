"""What the scripts beside this one share: sides timed in turn, ratios by round, one JSON file a script and processor."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
WIDE = {"AVX2": "avx2", "AVX-512": "avx512f", "AVX-512 bf16": "avx512_bf16", "AMX": "amx_tile"}  # as /proc/cpuinfo calls them
PAUSE = 0.2  # seconds between two sides; OpenBLAS's threads give up waiting after some .03
PACKAGES = ("torch", "numpy", "scikit-learn", "faiss-cpu", "open_clip_torch", "clip-benchmark", "mteb", "lightly")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of versus/README.md: a claim with its measured figure, the figure aimed at, and whether it was reached.

    `measured` and the bounds are over the rounds (median, least, greatest); `higher_is_better` says on which side of `aim`
    the claim holds. `unit` is "times" for ratios peer / project. `why` says what stopped a figure that was not reached.
    """

    what: str
    measured: float
    low: float
    high: float
    aim: float
    unit: str = "times"
    higher_is_better: bool = True
    why: str = ""

    @property
    def reached(self) -> bool:
        """Whether the median is on the right side of the aim."""
        return self.measured >= self.aim if self.higher_is_better else self.measured <= self.aim


def in_turn(sides: Mapping[str, Callable[[], Any]], rounds: int = 3, *, warm_up: bool = True) -> dict[str, list[float]]:
    """Seconds of each side in each round; the sides take turns, so that a drift of the machine meets all of them."""
    if warm_up:
        for run in sides.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            timed(seconds[name], run)
    return seconds


def timed(seconds: list[float], run: Callable[[], Any]) -> Any:
    """What a call returns; its seconds are appended. Threads of the call before, which wait busily, have gone to sleep."""
    time.sleep(PAUSE)
    began = time.perf_counter()
    found = run()
    seconds.append(time.perf_counter() - began)
    return found


def ratio(what: str, peer: list[float], ours: list[float], aim: float, why: str = "") -> Finding:
    """How many times faster than the peer: the median, least and greatest ratio of the rounds."""
    ratios = [theirs / mine for theirs, mine in zip(peer, ours, strict=True)]
    return figure(what, ratios, aim, why=why)


def figure(
    what: str, values: list[float], aim: float, *, unit: str = "times", higher_is_better: bool = True, why: str = ""
) -> Finding:
    """A finding from one value a round; `why` is what stopped it, and is dropped where the aim was reached."""
    found = Finding(
        what=what,
        measured=statistics.median(values),
        low=min(values),
        high=max(values),
        aim=aim,
        unit=unit,
        higher_is_better=higher_is_better,
    )
    return found if found.reached else replace(found, why=why)


def save(script: str, findings: list[Finding], details: Mapping[str, Any] | None = None, *, part: bool = False) -> None:
    """Print the findings and write results/<processor>/<name of the script>.json; `details` is whatever else was measured.

    Of a script that takes shapes one by one (`part`), those that were measured before on a machine like this are kept:
    findings and details are told apart by the shape's name, the first word of a finding.
    """
    name, here, path = Path(script).stem, machine(), results(script)
    for one in findings:
        verdict = "reached" if one.reached else "NOT REACHED"
        bounds = f"[{one.low:.3g}, {one.high:.3g}]"
        print(f"{one.what}: {one.measured:.3g} {bounds} {one.unit}, aim {one.aim:g}: {verdict}", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, found = [asdict(one) for one in findings], dict(details or {})
    before = json.loads(path.read_text()) if part and path.exists() else {"machine": {}}
    if before["machine"] == here:
        rows = [one for one in before["findings"] if one["what"].split()[0].rstrip(":") not in found] + rows
        found = {**before["details"], **found}
    content = {"script": f"versus/{name}.py", "machine": here, "findings": rows, "details": found}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def shape_by_shape(script: str, compare: Callable[[str], tuple[list[Finding], dict[str, Any]]], shapes: Iterable[str]) -> None:
    """Compare the shapes that are named on the command line, or all, and save each as it is done."""
    warnings.simplefilter("ignore")
    for name in sys.argv[1:] or shapes:
        save(script, *compare(name), part=True)


def machine() -> dict[str, Any]:
    """Processor, cores, load before the run and the versions of the packages that took part."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "openblas_coretype": os.environ.get("OPENBLAS_CORETYPE", ""),
        "versions": versions,
    }


def results(script: str) -> Path:
    """Where the findings of a script on this processor lie."""
    return RESULTS / slug(_processor()) / f"{Path(script).stem}.json"


def slug(processor: str) -> str:
    """The folder of a processor's results: its name, family and model."""
    short = re.sub(r"\(R\)| Processor\b|, A[VM]X.*", "", processor)
    return re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-")


def _processor() -> str:
    """Name, family and model of the processor, and which of the wide instructions it has: products hang on them."""
    told: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        told.setdefault(name.strip(), value.strip())
    if "model name" not in told:
        return platform.processor()
    flags = set(told.get("flags", "").split())
    wide = [name for name, flag in WIDE.items() if flag in flags]
    family = f"family {told.get('cpu family', '?')}, model {told.get('model', '?')}"
    return f"{told['model name']} ({', '.join([family, *wide])})"
