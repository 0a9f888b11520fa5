"""The run that holds a given network in the space of what it becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from vitnas.errors import SettingsError
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.search_spaces.pruned.given_names import split_given
from vitnas.supernets.data import DataSettings, data_settings_of, load_dataset, resolved
from vitnas.supernets.data.dataset import demand_classes
from vitnas.supernets.settings.train import TrainSettings


def given_run(
    init: str,
    data: DataSettings,
    train: TrainSettings,
    place: Callable[[str], Path],
    say: Callable[[str], None],
    prefix: str = "prune",
) -> RunFolder:
    """The run with the weights of a given network, in their order; made unless it is there.

    Args:
        init: the network, see `space_of`.
        data: the images, of the network's own size unless they say another.
        train: how the run is trained, should it be; with the order of channels.
        place: from the name of the space, with that of the data before it, to the folder.
        say: told what is made.
        prefix: of the name of the space, see `vitnas.search_spaces.pruned.pruned_space`.
    """
    from vitnas.supernets.training.beginning import begin
    from vitnas.supernets.training.train import start_run

    name = space_of(init, prefix)
    if data.image_size is None:
        data = replace(data, image_size=load_space(name).task.image_size)
    dataset = demand_classes(load_dataset(data), "`vitnas prune`")
    space = load_space(name, dataset.task)
    run, settings = RunFolder(place(f"{dataset.name}-{space.file_name}")), replace(train, init=init)
    if run.config_file.is_file():
        check_same(run, space, resolved(data, dataset), settings)
    else:
        start_run(run.path, space, data, settings)
    say(f"the networks that {init} becomes, for images of {space.task.image_size} pixels: '{run.path}'")
    begin(run)
    return run


def space_of(init: str, prefix: str = "prune") -> str:
    """The name of the space of what a network becomes, or of the routes through two, as stitch:A+B."""
    kind, _, rest = init.partition(":")
    if kind == "stitch":
        return "stitch:" + "+".join(space_of(part).partition(":")[2] for part in split_given(init))
    path = Path(init)
    if kind == "timm":
        return f"{prefix}:timm:{rest.partition('@')[0]}"
    if path.suffix == ".json":
        return f"{prefix}:{init}"
    if (path / "arch.json").is_file():
        return f"{prefix}:{path / 'arch.json'}"
    raise SettingsError(
        f"--init {init} does not say which network it is; give timm:NAME, timm:NAME@{init if path.is_file() else 'FILE'}, the "
        "folder of an export, or the file of an arch in a run"
    )


def check_same(run: RunFolder, space: SearchSpace, data: DataSettings, settings: TrainSettings) -> None:
    """Refuses a run of another network, of other genes, in another order, or with other images."""
    if run.space.name != space.name:
        raise SettingsError(
            f"'{run.path}' is a run of space '{run.space.name}', not of '{space.name}'; give another folder with --out"
        )
    theirs, table = asdict(data_settings_of(run)), run.config.get("train", {})
    pairs = [("train", name, table.get(name), getattr(settings, name)) for name in ("init", "init_order")]
    pairs += [("data", name, theirs[name], wanted) for name, wanted in asdict(data).items()]
    for where, name, has, wanted in pairs:
        if has != wanted:
            raise SettingsError(
                f"'{run.path}' is a run with [{where}] {name} = {has!r}, not {wanted!r}; give another folder with --out"
            )
