"""The space that a run was made for, as the config.toml of its folder records it, and the run that a file lies in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from vitnas.errors import CheckpointError, SettingsError
from vitnas.search_spaces.cascades.exits import is_exits_name, load_exits
from vitnas.search_spaces.gene import Choice
from vitnas.search_spaces.space import SearchSpace, Task
from vitnas.settings import make_settings, read_toml

CONFIG = "config.toml"


class _Recorded(msgspec.Struct):
    """What table [space] says besides the task."""

    name: str
    only: dict[str, list[Choice]] = {}
    file: str = ""


def recorded_space(folder: Path, load: Callable[[str, Task | None], SearchSpace]) -> SearchSpace:
    """The space of a run.

    Args:
        folder: of the run.
        load: finds a space by its name, or the path of its file, for a task.
    """
    where = f"{folder / CONFIG}, [space]"
    table = read_toml(folder / CONFIG).get("space", {})
    if isinstance(table, dict) and "name" not in table:
        raise CheckpointError(
            f"{folder / CONFIG}: table [space] has no key 'name'; the file is not one that vitnas wrote"
        )
    try:
        found = msgspec.convert(table, _Recorded)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}; write it as vitnas does, or make the run anew") from None
    rest = {key: value for key, value in table.items() if key not in _Recorded.__struct_fields__}
    space = load(str(folder / found.file) if found.file else found.name, make_settings(Task, rest, where))
    if found.file and is_exits_name(found.name):  # the file holds the space that the exits were added to
        space = load_exits(found.name, space.task, lambda *_: space)
    return space.restrict(**found.only) if found.only else space


def run_around(file: Path) -> Path | None:
    """The folder of the run that a file lies in; a config.toml of something else makes no run."""
    return next((folder for folder in file.resolve().parents if _is_run(folder)), None)


def _is_run(folder: Path) -> bool:
    try:
        table = read_toml(folder / CONFIG).get("space") if (folder / CONFIG).is_file() else None
    except SettingsError:  # no TOML
        return False
    return isinstance(table, dict) and "name" in table
