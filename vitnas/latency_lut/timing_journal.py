"""Timings so far, in a file beside the table, so that a killed profile continues where it was."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from vitnas.files import open_append, read_line, sealed_line, write_bytes, writing
from vitnas.latency_lut.protocol import Timing
from vitnas.search_spaces import Blueprint


def blueprint_key(blueprint: Blueprint) -> str:
    """One line that names a network by its layers."""
    return "; ".join(spec.key for spec in blueprint)


class PartialTimings:
    """JSON lines: a first one that says on what terms, then one a timing; a later one replaces an earlier."""

    def __init__(self, path: Path, terms: Mapping[str, Any]) -> None:
        """Opens the file; one that was written on other terms is kept beside it, until these are the terms again.

        Args:
            path: the file; a line that a kill cut short is dropped.
            terms: all that timings must agree on to be used together.
        """
        self.path = path
        self.found: dict[str, Timing] = {}
        first = (json.dumps(terms, sort_keys=True) + "\n").encode()
        self._change_to(first)
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        if not lines or lines[0] + b"\n" != first:
            write_bytes(path, first)
            return
        whole = [first]
        for line in lines[1:]:
            try:
                entry = msgspec.convert(read_line(line), _JournalLine)
            except msgspec.ValidationError:
                continue
            self.found[entry.network] = entry.timing
            whole.append(line + b"\n")
        write_bytes(path, b"".join(whole))

    def _change_to(self, first: bytes) -> None:
        """Puts timings on other terms aside, and takes up those on these terms."""
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        if lines[:1] == [first] or self.path.is_symlink():  # which is refused where it is written
            return
        if len(lines) > 1:
            aside = self._aside(lines[0])
            self.path.rename(aside)
            warnings.warn(
                f"'{self.path.name}' has {len(lines) - 1} timings of another machine, browser or runtime, or with other "
                f"settings; they are kept in '{aside.name}', and used again by a call on those terms",
                stacklevel=3,
            )
        if (earlier := self._aside(first)).exists():
            earlier.rename(self.path)

    def _aside(self, first: bytes) -> Path:
        """Where timings lie whose terms are those of this line, while others are measured."""
        return self.path.with_name(f"{self.path.name}.{hashlib.sha256(first).hexdigest()[:8]}")

    def add(self, blueprint: Blueprint, timing: Timing) -> None:
        """Keeps a timing through any kill from here on."""
        key = blueprint_key(blueprint)
        self.found[key] = timing
        kept = "what is measured is kept, and the same command goes on from there"
        with writing(self.path, kept), open_append(self.path) as file:
            file.write(sealed_line({"network": key, "timing": asdict(timing)}))
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


class _JournalLine(msgspec.Struct):
    network: str
    timing: Timing
