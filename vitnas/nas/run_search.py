"""Searching with what a run folder holds: its supernet judges, its latency table costs."""

from __future__ import annotations

from pathlib import Path

from vitnas.errors import DeviceError
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.executor import make_executor
from vitnas.nas.pareto import ParetoFront
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.supernets.checkpoints import checkpoint_folders, load_supernet
from vitnas.supernets.evaluation import SubnetScore


def search_run(
    run: RunFolder,
    device: str,
    settings: SearchSettings,
    *,
    table_file: Path | None = None,
    folder: Path | None = None,
    ray_address: str | None = None,
    progress: bool = True,
) -> ParetoFront:
    """Searches the space of a trained run for a device, and writes the result into the run's folder.

    Args:
        run: with a trained supernet.
        device: whose latency counts, by the name its table carries.
        settings: objectives, limits, budget, workers.
        table_file: the latency table; by default the one that `vitnas profile --run` wrote.
        folder: for study, front and evaluations; by default ``search-DEVICE`` in the run.
        ray_address: of a running Ray cluster to join.
        progress: shows a bar on stderr.
    """
    path = table_file or run.latency_file(device)
    if not path.is_file():
        remedy = f"measure one with `vitnas profile --run {run.path} --device {device}`"
        raise DeviceError(f"there is no latency table '{path}' for device '{device}'; {remedy}")
    table = LatencyTable.read(path)
    if table.header.device != device:
        raise DeviceError(f"'{path}' is a table of device '{table.header.device}', not of '{device}'; name its device")
    costs = {"latency_ms": table.latency_ms(run.space), **table.counts(run.space)}
    load_supernet(run)  # damaged or missing weights are told before any work
    origin = {"device": device, "table": table.header.created, "supernet": checkpoint_folders(run)[-1].name}
    executor = make_executor(settings.workers, ray_address)
    try:
        return search(
            run.space,
            SubnetScore(run.path.resolve()),
            costs,
            settings,
            folder or run.path / f"search-{device}",
            executor,
            progress,
            origin,
        )
    finally:
        executor.close()
