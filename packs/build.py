"""Builds the embedded packs, or checks that the committed ones are what the builders make: `python packs/build.py --help`."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the builders import each other as `packs.NAME`

from packs.common import PACK_FOLDER

PACKS = ("digits", "fashion", "emoji", "furniture", "voices", "emoji-captions", "emoji-pairs", "emoji-scenes",
         "furniture-scenes", "stamps-captions", "stamps-pairs")  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 1 if a checked pack differs."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] + ".")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"packs to build, of {', '.join(PACKS)} (default: all)")
    parser.add_argument("--downloads", type=Path, default=Path("downloads"), help="folder of sources; absent ones are fetched")
    parser.add_argument("--check", action="store_true", help="build elsewhere and compare with the committed file")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(PACKS))
    if unknown:  # not `choices`: with nargs="*" it would refuse the empty list
        parser.error(f"no pack {unknown[0]!r}; there are {', '.join(PACKS)}")
    downloads = options.downloads.resolve()
    downloads.mkdir(parents=True, exist_ok=True)
    act = _check if options.check else _build
    return max(act(name, downloads) for name in options.names or PACKS)


def _build(name: str, downloads: Path) -> int:
    started = time.perf_counter()
    path = _make(name, downloads, PACK_FOLDER)
    print(f"{name}: {path.stat().st_size:,} bytes in {time.perf_counter() - started:.0f} s", flush=True)
    return 0


def _check(name: str, downloads: Path) -> int:
    """0 if the committed pack has exactly the bytes that its builder makes, else 1 and a sentence that says so."""
    committed = PACK_FOLDER / f"{name}.parquet"
    if not committed.is_file():
        print(f"{name}: there is no {committed.name} to check; `python packs/build.py {name}` makes it.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        same = _make(name, downloads, Path(folder)).read_bytes() == committed.read_bytes()
    if not same:
        print(
            f"{name}: {committed.name} is not what its builder in packs/ makes. If the versions of packs/requirements.txt are "
            f"installed, rebuild it with `python packs/build.py {name}`.",
            file=sys.stderr,
        )
        return 1
    print(f"{name}: as built", flush=True)
    return 0


def _make(name: str, downloads: Path, folder: Path) -> Path:
    # Imported by name and late: one pack is built without what the others need.
    path: Path = importlib.import_module(f"packs.{name.replace('-', '_')}").build(downloads, folder)
    return path


if __name__ == "__main__":
    sys.exit(main())
