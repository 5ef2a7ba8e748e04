"""The floors of the house: a module imports only from its own floor or a lower one."""

from __future__ import annotations

import ast
from pathlib import Path

import repbench

PACKAGE = Path(repbench.__file__).parent
FLOORS = {
    "errors": 0,
    "digests": 0,
    "strict": 0,
    "encoder": 1,
    "datasets": 1,
    "encoders": 1,
    "measure": 1,
    "results": 1,
    "remote": 1,
    "grammar": 1,
    "embeddings": 2,
    "trainers": 2,
    "protocol": 3,
    "outcomes": 3,
    "protocols": 3,
    "protocol_files": 3,
    "tasks": 4,
    "run": 5,
    "leaderboard": 6,
    "listing": 6,
    "session": 7,
    "audit": 7,
    "rerun": 7,
    "probe_audit": 7,
    "audit_looking": 7,
    "similarity": 7,
    "critic": 7,
    "training": 7,
    "quality": 7,
    "watching": 7,
    "api": 7,
    "cli": 7,
    "__init__": 7,
    "__main__": 7,
}
# import no torch, pandas or SciPy at the top: listing the tasks reads them all
LIGHT = (
    "errors",
    "digests",
    "strict",
    "cli",
    "__init__",
    "tasks",
    "listing",
    "protocol",
    "protocol_files",
    "protocols",
    "outcomes",
)
HEAVY = ("torch", "pandas", "sklearn", "scipy", "datasets", "timm", "open_clip", "transformers", "faiss")


def _modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if "_tasks" not in path.parts
    }


def _imports(path: Path, only_top: bool = False) -> list[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if only_top else list(ast.walk(tree))
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def test_every_module_stands_on_a_known_floor() -> None:
    unknown = {name.split(".")[0] for name in _modules()} - set(FLOORS)
    assert not unknown, f"give these a floor in this test: {sorted(unknown)}"


def test_no_arrow_runs_up() -> None:
    wrong = []
    for name, path in _modules().items():
        floor = FLOORS[name.split(".")[0]]
        for imported in _imports(path):
            parts = imported.split(".")
            if parts[0] == "repbench" and len(parts) > 1 and FLOORS.get(parts[1], 0) > floor:
                wrong.append(f"{name} (floor {floor}) imports {imported} (floor {FLOORS[parts[1]]})")
    lazily_public = [line for line in wrong if not line.startswith("__init__")]
    assert not lazily_public, "\n".join(lazily_public)


def test_light_modules_import_nothing_heavy_at_the_top() -> None:
    light = {name: path for name, path in _modules().items() if name.split(".")[0] in LIGHT}
    for name, path in light.items():
        heavy = [module for module in _imports(path, only_top=True) if module.split(".")[0] in HEAVY]
        assert not heavy, f"{name} imports {heavy} at the top"


def test_protocols_and_mathematics_touch_neither_files_nor_models() -> None:
    for name, path in _modules().items():
        if name.startswith(("protocols.", "measure.")):
            without = ("pathlib", "os", "open_clip", "timm", *(("torch",) if name.startswith("protocols.") else ()))
            bad = [module for module in _imports(path) if module.split(".")[0] in without]
            assert not bad, f"{name} imports {bad}"
