"""Networks: cut out of a supernet, fresh, as they were exported, or two fused into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from vitnas.api.archs import OneArch
from vitnas.api.loading import Source, load_arch, run_of, source_of
from vitnas.api.telling import step_teller, teller
from vitnas.deployment import export as exporting
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.extraction import extract
from vitnas.deployment.folder import check_folder
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import CheckpointError, SettingsError
from vitnas.reporting.terminal.exports import draw
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.supernets.data import Dataset, dataset_of
from vitnas.supernets.fusion.fusion import fuse_networks
from vitnas.supernets.supernet import build_network
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.exported import read_report, rebuild
from vitnas.supernets.weights.sources import ExportedWeights, RunWeights, find_weights


def create_model(source: Source | None, arch: OneArch, *, progress: bool = False) -> nn.Module:
    """The network of an arch as a plain module that shares nothing.

    Args:
        source: a run, whose newest weights the network gets, with batch-norm statistics of its own, in evaluation
            mode; or a space, whose network comes with fresh weights, ready to be trained. None takes the newest run
            below ``runs/``.
        arch: the arch, its file, its published name, "smallest" or "largest".
        progress: prints what is said to standard error.
    """
    run, space = source_of(source, teller(progress))
    chosen = load_arch(space, arch)
    if run is None:
        return build_network(space.lower(chosen))
    dataset = dataset_of(run)
    network, _ = extract(space, load_supernet(run), chosen, dataset.train, dataset.val)
    return network


def load_model(folder: str | Path) -> nn.Module:
    """The network of an export as a plain module with its weights, in evaluation mode.

    Args:
        folder: of one network, as `export` writes it.
    """
    path = Path(folder)
    return rebuild(path, read_report(path))[1]


def fuse(
    run: RunFolder | str | Path | None,
    archs: Sequence[OneArch],
    out: str | Path,
    settings: ExportSettings | None = None,
    *,
    share: float = 0.5,
    force: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Averages two networks of a space, the channels of one aligned to those of the other, and exports the result.

    What is exported is a beginning, which ``--init`` of a training takes. It has the arch of the first network; layers that
    the second lacks are those of the first.

    Args:
        run: of the space, with the images that batch norms are measured on; None takes the newest run below ``runs/``.
        archs: two of them, each an arch of the run (the arch, its file, its published name, "smallest" or "largest"), the file
            of an arch in another run of the space, or the folder of an export.
        out: the folder to write.
        settings: formats, and how they are checked.
        share: what the second network counts for, from 0 to 1.
        force: replaces an earlier export.
        progress: prints every step to standard error.

    Returns:
        What report.json holds.
    """
    say, step, settings = teller(progress), step_teller(progress), settings or ExportSettings()
    if len(archs) != 2:
        raise SettingsError(f"{len(archs)} archs were given; give two, which are fused into one")
    if settings.finetune:
        raise SettingsError(
            f"[export] finetune is {settings.finetune}, but a fused network is tuned by a training: --init {out}"
        )
    choose_exporters(settings)
    folder, opened = check_folder(Path(out), force), run_of(run, say)
    dataset = dataset_of(opened)
    (arch, first), (other, second) = (_network(opened, dataset, one) for one in archs)
    step(f"aligning {other.id} to {arch.id}")
    fused = fuse_networks(first, second, share)
    if fused.alone:
        say(f"the second network has no layer that fits at {', '.join(fused.alone)}, so those are the first one's")
    return exporting.export(
        opened.space,
        fused.network,
        arch,
        dataset,
        folder,
        settings,
        force=force,
        chosen=f"the mean of two networks, arch {other.id} with a share of {share:g} once its channels were aligned to the other's",
        draw=draw,
        progress=step,
    )


def _network(run: RunFolder, dataset: Dataset, one: OneArch) -> tuple[Arch, nn.Module]:
    """An arch of the space of a run, with the weights of the export or of the run that it lies in, or else of that run."""
    if not isinstance(one, Arch) and Path(one).exists():
        try:
            found = find_weights(str(one))
        except CheckpointError:
            found = RunWeights(run, arch_file=Path(one))  # a file that lies in no run
        match found:
            case ExportedWeights(folder):
                report = read_report(folder)
                norm = report["normalisation"]
                _refuse_unlike(dataset, one, report["task"], report["classes"], norm["mean"], norm["std"])
                return load_arch(run.space, folder / "arch.json"), rebuild(folder, report)[1]
            case RunWeights(other, arch_file=Path() as file):
                if other.path != run.path:
                    theirs = dataset_of(other)
                    _refuse_unlike(dataset, one, theirs.task.to_json(), theirs.classes, theirs.mean, theirs.std)
                arch = load_arch(run.space, file)
                return arch, load_supernet(other).extract(arch)
        raise SettingsError(f"'{one}' is no arch; give the folder of an export or the file of an arch")
    arch = load_arch(run.space, one)
    return arch, load_supernet(run).extract(arch)


def _refuse_unlike(
    dataset: Dataset,
    one: object,
    task: Mapping[str, Any],
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
) -> None:
    """A network for other images or classes has nothing to average: its channels mean something else."""
    for name, theirs, ours in (
        ("task", dict(task), dataset.task.to_json()),
        ("classes", list(classes), list(dataset.classes)),
        ("mean", [round(x, 6) for x in mean], [round(x, 6) for x in dataset.mean]),
        ("standard deviation", [round(x, 6) for x in std], [round(x, 6) for x in dataset.std]),
    ):
        if theirs != ours:
            raise SettingsError(
                f"'{one}' has another {name} than the images of the run: {theirs}, not {ours}; give two networks for the same images"
            )
