"""Finds circles of imports inside a package: files that cannot be read, or moved, without one another.

Imports inside functions count; those under ``if TYPE_CHECKING:`` do not, for they bind annotations only.

Usage: python tools/circles.py
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "vitnas"

KNOWN: frozenset[frozenset[str]] = frozenset()
"""Circles that are still to be opened. One that no longer exists must leave this list."""


def imports_of(package: Path) -> dict[str, set[str]]:
    """Every module of a package, and which others of it each names in its imports."""
    modules = {_name(package, path): path for path in package.rglob("*.py")}
    return {name: _named(path, modules) - {name} for name, path in modules.items()}


def circles(imports: Mapping[str, set[str]]) -> list[frozenset[str]]:
    """The groups of modules that all import one another, directly or through others of the group."""
    reached = {name: _reachable(name, imports) for name in imports}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in imports}
    return sorted((group for group in groups if group), key=sorted)


def one_way_round(group: frozenset[str], imports: Mapping[str, set[str]]) -> list[str]:
    """The modules of one circle in the order of their imports, the first again at the end."""
    try:
        TopologicalSorter({name: imports[name] & group for name in sorted(group)}).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))  # it lists who is imported before who imports
    raise AssertionError(f"no circle: {sorted(group)}")


def _name(package: Path, path: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _named(path: Path, modules: Mapping[str, Path]) -> set[str]:
    found = set()
    for node in _imports(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif node.module:  # relative imports are refused by ruff
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & modules.keys() if inner <= modules.keys() else inner | {node.module}
    return found & modules.keys()


def _imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node
        return
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        children = node.orelse
    for child in children:
        yield from _imports(child)


def _reachable(start: str, imports: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(imports[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports[name]
    return found


def main() -> int:
    imports = imports_of(PACKAGE)
    found = circles(imports)
    for group in found:
        if group not in KNOWN:
            print(" -> ".join(one_way_round(group, imports)))
    gone = [group for group in KNOWN if group not in found]
    for group in gone:
        print(f"opened, so to be taken from KNOWN in tools/circles.py: {', '.join(sorted(group))}")
    new = [group for group in found if group not in KNOWN]
    if new:
        print(
            f"{len(new)} circles of imports. Move what both sides need into a file below them, or let the caller "
            "above pass it in; importing inside a function hides a circle, it does not open it"
        )
    return 1 if new or gone else 0


if __name__ == "__main__":
    sys.exit(main())
