"""The run that holds a given network in the space of what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitnas.errors import SettingsError
from vitnas.run import RunFolder
from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.pruned.given_names import split_given
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.settings.train import TrainSettings


def given_run(
    init: str, data: DataSettings, train: TrainSettings, place: Callable[[str], Path], say: Callable[[str], None]
) -> RunFolder:
    """The run with the weights of a given network, in their order; made unless it is there.

    Args:
        init: the network, see `space_of`.
        data: the images, of the network's own size unless they say another.
        train: how the run is trained, should it be; with the order of channels.
        place: from the name of the space, with that of the data before it, to the folder.
        say: told what is made.
    """
    from vitnas.supernets.training.beginning import begin
    from vitnas.supernets.training.train import start_run

    name = space_of(init)
    if data.image_size is None:
        data = replace(data, image_size=load_space(name).task.image_size)
    dataset = load_dataset(data)
    space = load_space(name, dataset.task)
    run, settings = RunFolder(place(f"{dataset.name}-{space.file_name}")), replace(train, init=init)
    if run.config_file.is_file():
        check_same(run, space.task, settings)
    else:
        start_run(run.path, space, data, settings)
    say(f"the networks that {init} becomes, for images of {space.task.image_size} pixels: '{run.path}'")
    begin(run)
    return run


def space_of(init: str) -> str:
    """The name of the space of what a network becomes, or of the routes through two, as stitch:A+B."""
    kind, _, rest = init.partition(":")
    if kind == "stitch":
        return "stitch:" + "+".join(space_of(part).partition(":")[2] for part in split_given(init))
    path = Path(init)
    if kind == "timm":
        return f"prune:timm:{rest.partition('@')[0]}"
    if path.suffix == ".json":
        return f"prune:{init}"
    if (path / "arch.json").is_file():
        return f"prune:{path / 'arch.json'}"
    raise SettingsError(
        f"--init {init} does not say which network it is; give timm:NAME, timm:NAME@{init if path.is_file() else 'FILE'}, the "
        "folder of an export, or the file of an arch in a run"
    )


def check_same(run: RunFolder, task: Task, settings: TrainSettings) -> None:
    """Refuses a run of another network, or in another order."""
    table: dict[str, Any] = run.config.get("train", {})
    for name, wanted in (("init", settings.init), ("init_order", settings.init_order)):
        if table.get(name) != wanted:
            raise SettingsError(
                f"'{run.path}' is a run with [train] {name} = {table.get(name)!r}, not {wanted!r}; give another folder with --out"
            )
    if run.space.task != task:
        raise SettingsError(
            f"'{run.path}' is a run for {run.space.task}, not for {task}; give another folder with --out"
        )
