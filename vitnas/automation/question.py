"""The question that a folder answers: recorded when it is first asked, and held against whoever asks there again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w

from vitnas.automation.settings import AutoSettings
from vitnas.errors import SettingsError
from vitnas.files import write_bytes
from vitnas.settings import read_toml
from vitnas.supernets.data import DataSettings

QUESTION = "question.toml"


def ask(folder: Path, data: DataSettings, settings: AutoSettings) -> None:
    """Records the question; a folder that holds another one is left as it is."""
    asked = {"data": _plain(asdict(data)), "auto": _plain(_deciding(settings))}
    file = folder / QUESTION
    if file.is_file():
        before = read_toml(file)
        # What a question of an older vitnas lacks had its default.
        usual = {"data": _plain(asdict(DataSettings(data.name))), "auto": _plain(_deciding(AutoSettings()))}
        changed = [
            f"{table}.{key}" for table in asked for key in {**asked[table], **before.get(table, {})}
            if asked[table].get(key) != before.get(table, {}).get(key, usual[table].get(key))
        ]  # fmt: skip
        if changed:
            raise SettingsError(
                f"'{folder}' answers another question, which differs in {', '.join(sorted(changed))}; ask that one again to go on with it, or choose another folder"
            )
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise SettingsError(f"'{folder}' holds other files than an automatic search's; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(file, tomli_w.dumps(asked).encode())


def _deciding(settings: AutoSettings) -> dict[str, Any]:
    """What the answer depends on: not where numbers go."""
    kept = asdict(settings)
    del kept["loggers"]
    return kept


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    """As TOML holds it: no None, no tuples."""
    return {
        key: list(value) if isinstance(value, tuple) else _plain(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
