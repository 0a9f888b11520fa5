"""The space that a run was made for, as the config.toml of its folder records it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vitnas.errors import CheckpointError
from vitnas.search_spaces.space import SearchSpace, Task
from vitnas.settings import make_settings, read_toml


def recorded_space(folder: Path, load: Callable[[str, Task | None], SearchSpace]) -> SearchSpace:
    """The space of a run.

    Args:
        folder: of the run.
        load: finds a space by its name, or the path of its file, for a task.
    """
    config = folder / "config.toml"
    table = dict(read_toml(config).get("space", {}))
    name, only, file = table.pop("name", None), table.pop("only", {}), table.pop("file", None)
    if name is None:
        raise CheckpointError(f"{config}: table [space] has no key 'name'; the file is not one that vitnas wrote")
    space = load(str(folder / file) if file else name, make_settings(Task, table, f"{config}, [space]"))
    return space.restrict(**only) if only else space
