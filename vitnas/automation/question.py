"""The question that a folder answers: recorded when it is first asked, and held against whoever asks there again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import tomli_w

from vitnas.errors import SettingsError
from vitnas.files import write_bytes
from vitnas.settings import Settings, read_toml
from vitnas.supernets.data import DataSettings

QUESTION = "question.toml"


def ask(
    folder: Path,
    whose: str,
    data: DataSettings,
    settings: Settings,
    *,
    begun: bool = True,
    **more: Mapping[str, Any],
) -> None:
    """Records the question; a folder that holds another one is left as it is.

    Args:
        folder: of the answer.
        whose: what else might lie in it, as "an automatic search's".
        data: the images.
        settings: of the command.
        begun: whether there is more than the question; where there is not, another one takes its place.
        more: tables of what is no setting.
    """
    asked = {"data": _plain(asdict(data)), settings.table: _plain(_deciding(settings)), **more}
    file = folder / QUESTION
    if file.is_file() and begun:
        before = read_toml(file)
        # What a question of an older vitnas lacks had its default.
        usual = {"data": _plain(asdict(DataSettings(data.name))), settings.table: _plain(_deciding(type(settings)()))}
        changed = [
            f"{table}.{key}" for table in asked for key in {**asked[table], **before.get(table, {})}
            if asked[table].get(key) != before.get(table, {}).get(key, usual.get(table, {}).get(key))
        ]  # fmt: skip
        changed += [table for table in before if table not in asked]
        if changed:
            raise SettingsError(
                f"'{folder}' answers another question, which differs in {', '.join(sorted(changed))}; ask that one again to go on with it, or choose another folder"
            )
        return
    if folder.is_dir() and any(folder.iterdir()) and not file.is_file():
        raise SettingsError(f"'{folder}' holds other files than {whose}; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(file, tomli_w.dumps(asked).encode())


def _deciding(settings: Settings) -> dict[str, Any]:
    """What the answer depends on: not where numbers go."""
    return {f.name: getattr(settings, f.name) for f in fields(cast(Any, settings)) if f.name != "loggers"}


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    """As TOML holds it: no None, no tuples."""
    return {
        key: list(value) if isinstance(value, tuple) else _plain(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
