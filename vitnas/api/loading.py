"""Finding what exists: spaces, runs, fronts, tables and archs, by name, by path, or the newest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitnas import search_spaces
from vitnas.api.telling import Say, teller
from vitnas.errors import CheckpointError, InvalidArchError, SettingsError
from vitnas.files import read_json
from vitnas.image_size import ImageSize
from vitnas.run import RunFolder, newest_run
from vitnas.search_spaces import Arch, SearchSpace, Task, as_named, is_compressed_name, is_exits_name, is_given_name

if TYPE_CHECKING:
    from vitnas.latency_lut.table import LatencyTable
    from vitnas.nas.pareto.front import ParetoFront
    from vitnas.supernets.data import Dataset, DataSettings

RUNS = Path("runs")
"""Where runs are made and looked for when no path is given."""

Place = str | Path


def load_space(
    space: SearchSpace | Place,
    *,
    data: DataSettings | Dataset | Place | None = None,
    task: Task | None = None,
    image_size: ImageSize | None = None,
    num_classes: int | None = None,
    in_channels: int | None = None,
) -> SearchSpace:
    """A search space, for the task it was published for or for another.

    Args:
        space: a name from `list_spaces`, or a .toml or .py file; the code of a .py file is executed. A space that is
            loaded already is returned as it is, or for the other task.
        data: images whose size, channels and classes the networks are for.
        task: size, channels and classes at once.
        image_size: side of the images in pixels, or height and width.
        num_classes: classes to tell apart.
        in_channels: channels of the images.
    """
    sizes = {"image_size": image_size, "num_classes": num_classes, "in_channels": in_channels}
    given: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, int) and value < 1:
            raise SettingsError(f"{name} = {value}: must be at least 1")
    if sum((data is not None, task is not None, bool(given))) > 1:
        raise SettingsError(
            f"the task of a space comes from data, from task, or from {', '.join(sizes)}; give one of the three"
        )
    loaded = space if isinstance(space, SearchSpace) else search_spaces.load_space(str(space))
    if data is not None:
        task = _task_of(data)
    elif given:
        task = replace(loaded.task, **given)
    if task is None or task == loaded.task:
        return loaded
    return replace(loaded, task=task) if isinstance(space, SearchSpace) else search_spaces.load_space(str(space), task)


def _task_of(data: DataSettings | Dataset | Place) -> Task:
    from vitnas.supernets.data import Dataset, load_dataset

    if isinstance(data, Dataset):
        return data.task
    return load_dataset(str(data) if isinstance(data, Path) else data).task


def load_run(path: Place | None = None, *, progress: bool = False) -> RunFolder:
    """The run in a folder, or the newest trained run below ``runs/``.

    Args:
        path: the folder; None takes the newest, and says which.
        progress: prints what is said to standard error.
    """
    return run_of(path, teller(progress))


def run_of(run: RunFolder | Place | None, say: Say) -> RunFolder:
    """The run itself, the one in a folder, or the newest, which is then said."""
    if isinstance(run, RunFolder):
        return run
    if run is not None:
        return RunFolder.open(Path(run))
    found = newest_run(RUNS)
    if found is None:
        raise CheckpointError(f"there is no trained run below {RUNS}/; name a run, or train one first")
    say(f"run '{found.path}', the newest below {RUNS}/")
    return found


Source = RunFolder | SearchSpace | str | Path
"""Where networks come from: a trained run or its folder, or a space, its name or its file."""


def source_of(source: Source | None, say: Say) -> tuple[RunFolder | None, SearchSpace]:
    """The run, if the source is one, and the space; without a source, the newest run."""
    if isinstance(source, SearchSpace):
        return None, source
    if source is None or isinstance(source, RunFolder) or _is_folder(source):
        run = run_of(source, say)
        return run, run.space
    return None, load_space(source)


def _is_folder(source: Place) -> bool:
    """Whether a path means a run: one that is there, or that can be no space."""
    path = Path(source)
    if any(of_kind(str(source)) for of_kind in (is_given_name, is_compressed_name, is_exits_name)):
        return False
    return (path / "config.toml").is_file() or (len(path.parts) > 1 and path.suffix not in (".toml", ".py"))


def load_arch(space: SearchSpace, arch: Arch | Place) -> Arch:
    """An arch of a space: one that is checked, or read from a file, or published under a name.

    Args:
        space: to which it must belong.
        arch: the arch, its JSON file, its published name, "smallest" or "largest".
    """
    if isinstance(arch, Arch):
        return as_named(space, arch.space).check(arch)
    text = str(arch)
    if text in space.published():
        return space.named(text)
    path = Path(arch)
    if path.is_file():
        read = Arch.from_json(read_json(path))
        return as_named(space, read.space).check(read)
    if text in ("smallest", "largest"):
        return space.smallest() if text == "smallest" else space.largest()
    names = ", ".join(space.published()) or "none"
    raise InvalidArchError(f"arch '{text}': no such file, and no published arch of '{space.name}' (have {names})")


def load_front(path: Place, space: SearchSpace | None = None) -> ParetoFront:
    """The front that a search wrote.

    Args:
        path: a front.json, or the folder of a search.
        space: refuses a front of any other space, and checks every arch.
    """
    from vitnas.nas.pareto.front import ParetoFront

    path = Path(path)
    return ParetoFront.load(path / "front.json" if path.is_dir() else path, space)


def load_table(path: Place, *, progress: bool = False) -> LatencyTable:
    """A latency table, with warnings where it does not keep its promise.

    Args:
        path: the parquet file.
        progress: prints warnings to standard error.
    """
    from vitnas.latency_lut.table import LatencyTable

    say, table = teller(progress), LatencyTable.read(Path(path))
    for warning in table.warnings:
        say(f"warning: {warning}")
    return table
