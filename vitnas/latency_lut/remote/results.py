"""Results of a bundle: read strictly, then a latency table like any other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from vitnas.errors import DataError, DeviceError, suggest
from vitnas.files import KEY, unsealed
from vitnas.latency_lut.assemble import OVERHEAD, Origin, assemble
from vitnas.latency_lut.protocol import Timing, TimingProvenance
from vitnas.latency_lut.remote.manifest import (
    Format,
    Manifest,
    check_version,
    decode_manifest,
    read_manifest,
)
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.timing_journal import blueprint_key
from vitnas.search_spaces import Arch, SearchSpace

RUNTIMES: dict[Format, str] = {"onnx": "onnxruntime", "coreml": "coreml", "tflite": "litert"}
"""How a fingerprint's runtime begins, of every kind of bundle."""

PHONES = {
    "iphone12": ("iPhone 12", "iPhone 12 mini", "iPhone 12 Pro", "iPhone 12 Pro Max"),
    "iphone13": ("iPhone 13", "iPhone 13 mini", "iPhone 13 Pro", "iPhone 13 Pro Max"),
    "iphone14": ("iPhone 14", "iPhone 14 Plus"),
}
"""The models that share a chip, by the device that vitnas calls so."""


class ResultRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One item: its blocks, or figures over them, or why it could not be timed.

    Attributes:
        id: as the manifest has it.
        blocks_ms: milliseconds of a call, the mean of each block of calls.
        median_ms, iqr_ms, min_ms, p90_ms, blocks: over the blocks, where these are not given.
        reference_ms: what the reference network took meanwhile.
        energy_mj: of one call.
        peak_bytes: memory that the network takes.
        placement: operators by the unit that ran them.
        error: why there are no figures.
    """

    id: str
    blocks_ms: tuple[float, ...] = ()
    median_ms: float | None = None
    iqr_ms: float | None = None
    min_ms: float | None = None
    p90_ms: float | None = None
    blocks: int | None = None
    reference_ms: float = 0.0
    energy_mj: float | None = None
    peak_bytes: int | None = None
    placement: dict[str, int] | None = None
    error: str | None = None


class ResultsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The wire format of results."""

    format: Literal["vitnas results"]
    version: int
    manifest: dict[str, Any]
    runner: str
    created: str
    fingerprint: dict[str, str | int]
    items: tuple[ResultRow, ...]


@dataclass(frozen=True)
class Results:
    """What a machine took for the networks of a bundle.

    Attributes:
        where: the file.
        manifest: of the bundle.
        fingerprint: of the machine and its runtime.
        found: timings by item id.
        failed: why others have none.
        placements: operators by unit, where the runner told.
    """

    where: str
    manifest: Manifest
    fingerprint: dict[str, str | int]
    found: Mapping[str, Timing]
    failed: Mapping[str, str] = field(default_factory=dict)
    placements: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def read_results(path: Path, bundle: Path | None = None) -> Results:
    """Reads the JSON of a runner, or says what is wrong with it.

    Args:
        path: the file.
        bundle: the folder that was measured, if it is at hand; results of another one are refused.
    """
    where = f"'{path}'"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DeviceError(
            f"{where} cannot be read: {error.strerror}; name the JSON file that the runner wrote"
        ) from None
    try:
        check_version(content, where, "use the runner of this version")
        file = msgspec.convert(unsealed(content, where), ResultsFile)
    except DataError as error:
        raise DeviceError(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise DeviceError(
            f"{where} holds no results: {error}; docs/measuring-elsewhere.md says what it must look like"
        ) from None
    told = {key: value for key, value in file.manifest.items() if key != KEY}  # the id is what counts here
    manifest = decode_manifest(json.dumps(told).encode(), f"the manifest in {where}")
    if bundle is not None and (expected := read_manifest(bundle)).id != manifest.id:
        raise DeviceError(
            f"{where} was measured with another bundle (id {manifest.id}) than '{bundle}' (id {expected.id}); figures of "
            "different bundles never mix"
        )
    ids = [row.id for row in file.items]
    check_ids(where, manifest, ids)
    found = {row.id: _timing(f"{where}, item '{row.id}'", row) for row in file.items if row.error is None}
    failed = {row.id: row.error for row in file.items if row.error is not None}
    placements = {row.id: row.placement for row in file.items if row.placement is not None}
    fingerprint = check_fingerprint(where, manifest, file.fingerprint) | {"runner": file.runner}
    return Results(where, manifest, fingerprint, found, failed, placements)


def import_results(space: SearchSpace, results: Results, path: Path) -> LatencyTable:
    """Writes the table of a space from results; nothing is written when they do not fit it."""
    manifest = results.manifest
    if manifest.space_fingerprint != space.fingerprint:
        raise DeviceError(
            f"{results.where} was measured for space '{manifest.space}' ({manifest.space_fingerprint}) with task "
            f"{manifest.task}, not for '{space.name}' ({space.fingerprint}) with {space.task}; name that space and task, or "
            "write a bundle for this one"
        )
    known = {spec.key for spec in space.lowering.specs} | {OVERHEAD}
    found: dict[str, Timing] = {}
    networks: list[tuple[Arch, bool]] = []
    for item in manifest.items:
        if item.id not in results.found or item.kind == "reference":
            continue
        if item.kind == "network":
            arch = space.check(Arch.from_json(item.genes or {}))
            networks.append((arch, item.held_out))
            expected = blueprint_key(space.lower(arch))
        else:
            expected = item.key if item.key in known else ""
        if item.key != expected:
            raise DeviceError(
                f"{results.where}: item '{item.id}' is no part of space '{space.name}' as it is now; write the bundle anew"
            )
        found[item.key] = results.found[item.id]
    if OVERHEAD not in found:
        raise DeviceError(
            f"{results.where} has no time of a call that computes nothing (item 'overhead'"
            f"{': ' + results.failed['overhead'] if 'overhead' in results.failed else ''}), so layers cannot be told "
            "from the calls around them; measure it too"
        )
    origin = Origin(
        device=manifest.device,
        fingerprint=results.fingerprint | {"converter": manifest.converter, "bundle": manifest.id},
        max_mape=manifest.max_mape,
        settings=manifest.settings,
        source=f"measured elsewhere: {results.fingerprint['runner']} on {results.fingerprint['model']}",
    )
    table = assemble(space, origin, found, networks)
    table.write(path)
    return table


def warnings_of(results: Results) -> list[str]:
    """What whoever uses these results should know."""
    found = []
    if results.failed:
        name, why = next(iter(results.failed.items()))
        found.append(
            f"{len(results.failed)} of {len(results.manifest.items)} items could not be timed, such as '{name}': {why}; "
            "layers among them are interpolated"
        )
    off = [name for name, units in results.placements.items() if units.get("cpu") or units.get("gpu")]
    if off:
        found.append(
            f"{len(off)} of {len(results.placements)} items ran in part off the Neural Engine, such as '{off[0]}': "
            f"{dict(results.placements[off[0]])}; networks that fall back cost several times more"
        )
    return found


def check_ids(where: str, manifest: Manifest, ids: Sequence[str]) -> None:
    """Refuses results that are not of all items of a bundle, each once."""
    known = {item.id for item in manifest.items}
    for name in ids:
        if name not in known:
            raise DeviceError(f"{where}: the bundle has no item '{name}'; {suggest(name, sorted(known)[:8])}")
    twice = [name for name in dict.fromkeys(ids) if ids.count(name) > 1]
    if twice:
        raise DeviceError(f"{where}: item '{twice[0]}' is there {ids.count(twice[0])} times; keep one")
    missing = [item.id for item in manifest.items if item.id not in set(ids)]
    if missing:
        raise DeviceError(
            f"{where}: {len(missing)} of {len(manifest.items)} items are missing, such as '{missing[0]}'; start the runner "
            "again, it goes on where it was, or give those that cannot be timed an 'error'"
        )


def check_fingerprint(where: str, manifest: Manifest, given: Mapping[str, str | int]) -> dict[str, str | int]:
    """Refuses a machine that says too little of itself, or is not the one that the bundle was written for."""
    for name, kind in {
        "model": str,
        "system": str,
        "runtime": str,
        "precision": str,
        "threads": int,
        "batch": int,
    }.items():
        if not isinstance(given.get(name), kind) or given[name] == "":
            raise DeviceError(
                f"{where}: the fingerprint must have '{name}' as {'text' if kind is str else 'a whole number'}, got "
                f"{given.get(name)!r}; a table says what it was measured on"
            )
    if not str(given["runtime"]).lower().replace(" ", "").startswith(RUNTIMES[manifest.runtime]):
        raise DeviceError(
            f"{where}: measured with '{given['runtime']}', but the bundle is for {RUNTIMES[manifest.runtime]}; figures of "
            "another runtime are another device"
        )
    if given["batch"] != manifest.batch:
        raise DeviceError(
            f"{where}: measured with batch {given['batch']}, but the bundle has batch {manifest.batch}; run it as it is"
        )
    if manifest.device in PHONES and given["model"] not in PHONES[manifest.device]:
        raise DeviceError(
            f"{where}: measured on '{given['model']}', but '{manifest.device}' is one of {', '.join(PHONES[manifest.device])}; "
            "write a bundle under another name, `--device "
            + re.sub(r"[^a-z0-9]+", "", str(given["model"]).lower())
            + "`"
        )
    return dict(given)


def timing_of(
    where: str, blocks_ms: Sequence[float], reference_ms: float = 0.0, provenance: TimingProvenance = "measured"
) -> Timing:
    """The timing of a number of blocks."""
    values = np.array(blocks_ms, dtype=float)
    if not len(values) or not np.isfinite(values).all() or (values <= 0).any():
        raise DeviceError(f"{where}: times must be finite and above zero, got {list(blocks_ms)[:5]}; measure it again")
    low, median, high, p90 = (float(q) for q in np.quantile(values, [0.25, 0.5, 0.75, 0.9]))
    return Timing(median, high - low, float(values.min()), p90, len(values), reference_ms, provenance)


def _timing(where: str, row: ResultRow) -> Timing:
    if not 0 <= row.reference_ms < np.inf:
        raise DeviceError(f"{where}: 'reference_ms' must be finite and not negative, got {row.reference_ms:g}")
    for name in ("energy_mj", "peak_bytes"):
        value = getattr(row, name)
        if value is not None and not 0 <= value < np.inf:
            raise DeviceError(f"{where}: '{name}' must be finite and not negative, got {value:g}")
    return replace(_over_blocks(where, row), energy_mj=row.energy_mj, peak_bytes=row.peak_bytes)


def _over_blocks(where: str, row: ResultRow) -> Timing:
    figures = (row.median_ms, row.iqr_ms, row.min_ms, row.p90_ms, row.blocks)
    if row.blocks_ms:
        if any(figure is not None for figure in figures):
            raise DeviceError(f"{where}: give the blocks or figures over them, not both")
        return timing_of(where, row.blocks_ms, row.reference_ms)
    if row.median_ms is None or row.iqr_ms is None or row.min_ms is None or row.p90_ms is None or row.blocks is None:
        raise DeviceError(
            f"{where}: needs 'blocks_ms', or all of median_ms, iqr_ms, min_ms, p90_ms and blocks, or an 'error'"
        )
    median, iqr, least, p90 = row.median_ms, row.iqr_ms, row.min_ms, row.p90_ms
    if not (0 < median < np.inf and 0 <= iqr < np.inf and 0 < least <= median <= p90 < np.inf and row.blocks > 0):
        raise DeviceError(
            f"{where}: times must be finite and above zero with min <= median <= p90, and blocks above zero; got min {least:g}, "
            f"median {median:g}, p90 {p90:g}, iqr {iqr:g}, blocks {row.blocks}; measure it again"
        )
    return Timing(median, iqr, least, p90, row.blocks, row.reference_ms)
