"""Results while they grow: a runner that has vitnas writes them after each group, and goes on from there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from vitnas.errors import DataError
from vitnas.files import read_json, write_json
from vitnas.latency_lut.remote.manifest import Item, Manifest

Row = dict[str, Any]


class GrowingResults:
    """The results file of a bundle, complete or not; `read_results` refuses it until it is."""

    def __init__(self, path: Path, manifest: Manifest, runner: str, fingerprint: Mapping[str, str | int]) -> None:
        """Opens what an earlier run left for the same bundle on the same machine, or starts anew."""
        self.path = path
        self._manifest = manifest
        self._head = {
            "format": "vitnas results",
            "version": manifest.version,
            "manifest": msgspec.to_builtins(manifest),
            "runner": runner,
            "fingerprint": dict(fingerprint),
        }
        self._rows: dict[str, Row] = {}
        with suppress(DataError, ValueError, KeyError, TypeError):  # a file of something else is no progress
            kept = read_json(path)
            if kept["manifest"]["id"] == manifest.id and kept["fingerprint"] == self._head["fingerprint"]:
                self._rows = {row["id"]: row for row in kept["items"]}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def waiting(self) -> list[Item]:
        """Items without a row."""
        return [item for item in self._manifest.items if item.id not in self._rows]

    def add(self, rows: Iterable[Row]) -> None:
        """Keeps rows through any kill from here on."""
        self._rows |= {row["id"]: row for row in rows}
        created = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(self.path, {**self._head, "created": created, "items": list(self._rows.values())})
