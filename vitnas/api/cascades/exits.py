"""Giving a trained run exits: a run beside it, whose blocks are the same and whose archs may end earlier."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from vitnas.api.loading import run_of
from vitnas.api.telling import teller
from vitnas.errors import SettingsError
from vitnas.interruption import going_on
from vitnas.progress import Bar
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, with_exits
from vitnas.search_spaces.cascades.exits import DEPTH
from vitnas.settings import make_settings
from vitnas.supernets.cascades.exit_training import supernet_with_exits, train_exits
from vitnas.supernets.data import dataset_of
from vitnas.supernets.data.dataset import demand_classes
from vitnas.supernets.settings.exits import ExitSettings
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.torch_device import CPU
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.weights.checkpoints import TrainingProgress, checkpoint_folders, load_supernet, save_checkpoint


def add_exits(
    run: RunFolder | str | Path | None,
    out: str | Path,
    settings: ExitSettings | None = None,
    *,
    progress: bool = False,
) -> RunFolder:
    """Gives the supernet of a run heads at earlier depths, which learn in minutes while all else stays as it is.

    Args:
        run: with trained weights; None takes the newest run below ``runs/``.
        out: the folder of the run with exits, which is searched, made cascades of and exported like any other.
        settings: where the exits are, of which kinds, and how they learn.
        progress: shows a bar, and prints what is said to standard error.
    """
    say, how = teller(progress), settings or ExitSettings()
    trained = run_of(run, say)
    space = with_exits(trained.space, how.at or _thirds(trained.space), how.kinds)
    made = RunFolder(Path(out))
    made.check_free()
    old, dataset = load_supernet(trained), demand_classes(dataset_of(trained), "`vitnas exits`")
    if trained.moments_file.exists():
        say(
            f"warning: '{trained.path}' compensates smaller archs, which the run with exits does not; judge it before you choose"
        )
    told = make_settings(TrainSettings, trained.config["train"], f"{trained.config_file}, [train]")
    net = supernet_with_exits(space, old, how.seed)
    with (
        going_on("nothing is written before the end; the same command begins again"),
        Bar("steps", how.steps, progress) as bar,
    ):
        train_exits(net, dataset, how, told.augment, lambda step, loss: bar.update(done=step, note=f"loss {loss:.3f}"))
    own = replace(told, average=0.0, init=str(trained.path.resolve()))
    tables = {"data": trained.config["data"], "train": asdict(own), "exits": asdict(how)}
    made = RunFolder.create(made.path, space, tables)
    step = int(checkpoint_folders(trained)[-1].name.removeprefix("step-"))
    save_checkpoint(made, net.to(CPU), make_optimizer(net, own), TrainingProgress(step))
    say(f"run '{made.path}': {len(space.at)} exits of {len(space.kinds)} kinds on the blocks of '{trained.path}'")
    return made


def _thirds(space: SearchSpace) -> tuple[int, ...]:
    """A third and two thirds of the deepest archs."""
    depths = [int(c) for gene in space.genes() if gene.name == DEPTH for c in gene.choices if type(c) is int]
    most = max(depths, default=3)
    found = tuple(sorted({round(most / 3), round(2 * most / 3)} & set(range(1, most))))
    if not found:
        raise SettingsError(f"[exits] at: archs of {most} blocks have no depth before the last; give deeper ones")
    return found
