"""Counts kept on disk: of every space a file, answered only while the code that counted is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple
from functools import lru_cache
from pathlib import Path

import torch

import vitnas.supernets
from vitnas.errors import DataError, DiskError, SpaceError, VitnasError
from vitnas.files import read_json, write_json
from vitnas.files.caches import cache_folder
from vitnas.search_spaces import FLOAT, Compressed, LayerSpec, Precision, SearchSpace
from vitnas.supernets.counting.counts import Counts, FloatCounts, count_in_float
from vitnas.supernets.layers import LAYERS


def count_specs(space: SearchSpace, specs: Iterable[LayerSpec] | None = None) -> list[Counts]:
    """Counts of some layers of a space, by default of all in the order of `space.lowering.specs`.

    What is not known yet is counted and kept. A layer that cannot be built is refused with its site.
    """
    wanted = list(space.lowering.specs if specs is None else specs)
    plain = space.base if isinstance(space, Compressed) else space  # a layer is counted once for all precisions
    path = cache_folder() / "counts" / f"{plain.file_name}-{plain.fingerprint}-{counting_version()}.json"
    known = _read(path)
    found: dict[LayerSpec, FloatCounts] = {}
    new: dict[str, tuple[int, ...]] = {}
    for spec in dict.fromkeys(spec.at(FLOAT.name) for spec in wanted):
        kept = known.get(spec.key)
        found[spec] = _count(space, spec) if kept is None else FloatCounts(*kept)
        if kept is None and _is_ours(spec.kind):
            new[spec.key] = astuple(found[spec])
    if new:
        _write(path, {**_read(path), **new})
    precisions = {name: Precision.of(name) for name in {spec.precision for spec in wanted}}
    return [found[spec.at(FLOAT.name)].at(precisions[spec.precision]) for spec in wanted]


@lru_cache(maxsize=1)
def counting_version() -> str:
    """Changes with torch and with any source file that a count of this package depends on."""
    digest = hashlib.sha256(torch.__version__.encode())
    folder = Path(vitnas.supernets.__path__[0])
    for path in sorted(p for p in folder.rglob("*.py") if p.parent.name in {"layers", "mixers"}):
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    for name in ("counting/counts.py", "precision/products.py"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def _count(space: SearchSpace, spec: LayerSpec) -> FloatCounts:
    try:
        return count_in_float(spec)
    except (VitnasError, LookupError, ValueError, TypeError, ArithmeticError, RuntimeError, AssertionError) as error:
        site = next((site for site, specs in space.lowering.specs_at().items() if spec in specs), "?")
        where = f"{space.source.name}: " if space.source else f"space '{space.name}', "
        raise SpaceError(f"{where}site '{site}': {_reason(spec, error)}") from error


def _reason(spec: LayerSpec, error: Exception) -> str:
    if isinstance(error, VitnasError):
        return str(error)
    return f"no layer '{spec.key}' can be built: {error or type(error).__name__}; choose shapes and attrs that fit together"


@lru_cache(maxsize=1024)
def _is_ours(kind: str) -> bool:
    """Whether `counting_version` covers a kind; those of other packages are counted anew."""
    return LAYERS.load(kind).__module__.startswith("vitnas.")


def _read(path: Path) -> dict[str, tuple[int, ...]]:
    """What is known; a file that is missing or damaged says nothing."""
    try:
        data = read_json(path)
        known = {} if "sha256" in data else data["counts"]  # files of before had no seal
        return {key: tuple(values) for key, values in known.items()}
    except (DataError, LookupError, TypeError, AttributeError):
        return {}


def _write(path: Path, entries: dict[str, tuple[int, ...]]) -> None:
    with suppress(DiskError):  # a full disk or a folder that may not be written costs time, nothing else
        write_json(path, {"counts": entries})
