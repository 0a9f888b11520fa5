"""A command that must be refused, and the ways to spoil a file before it is given."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Spoil = Callable[[Path], None]

RUN = "runs/tiny"
FRONT = f"{RUN}/search-phone/front.json"
TABLE = f"{RUN}/latency/phone.parquet"
NEWEST, OLDER = (f"{RUN}/checkpoints/step-0000000{step}" for step in (4, 2))

SEARCH = f"search --config settings.toml --run {RUN} --device phone --out found"
EXPORT = f"export --run {RUN} --out new"
TRAIN = "train-supernet --config settings.toml --space tiny.toml --out runs/new --threads 1"
PROFILE = f"profile --config settings.toml --run {RUN} --out new.parquet"


@dataclass(frozen=True)
class Case:
    """A command, and what is done to the scene before it is given."""

    name: str
    command: str
    spoil: Spoil = lambda folder: None


def snapshot(folder: Path) -> dict[str, str]:
    """Every file and folder, and what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def write(path: str, content: str | bytes) -> Spoil:
    data = content.encode() if isinstance(content, str) else content

    def spoil(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)

    return spoil


def change(path: str, edit: Callable[[Any], Any]) -> Spoil:
    """Of a JSON file: `edit` changes what it gets, or returns something else."""

    def spoil(folder: Path) -> None:
        data = json.loads((folder / path).read_text())
        if isinstance(data, dict):
            data.pop("seal", None)  # so that what is refused is the change itself
        other = edit(data)
        (folder / path).write_text(json.dumps(data if other is None else other))

    return spoil


def cut(path: str, share: float) -> Spoil:
    def spoil(folder: Path) -> None:
        content = (folder / path).read_bytes()
        (folder / path).write_bytes(content[: int(len(content) * share)])

    return spoil


def noise(path: str, at: float, seed: int) -> Spoil:
    """64 bytes of noise somewhere in a file."""

    def spoil(folder: Path) -> None:
        content = bytearray((folder / path).read_bytes())
        start = int(len(content) * at)
        content[start : start + 64] = np.random.default_rng(seed).bytes(64)
        (folder / path).write_bytes(content)

    return spoil


def remove(*paths: str) -> Spoil:
    def spoil(folder: Path) -> None:
        for path in paths:
            if (folder / path).is_dir():
                shutil.rmtree(folder / path)
            else:
                (folder / path).unlink()

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(folder: Path) -> None:
        for one in spoils:
            one(folder)

    return spoil


def swap(path: str, old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        text = (folder / path).read_text()
        assert old in text
        (folder / path).write_text(text.replace(old, new, 1))

    return spoil
