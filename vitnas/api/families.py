"""From one trained network to faster ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vitnas.api.exporting import export
from vitnas.api.loading import RUNS
from vitnas.api.profiling import profile
from vitnas.api.searching import search
from vitnas.api.telling import teller
from vitnas.automation.pruning.given_run import given_run, space_of
from vitnas.automation.pruning.rounds import ARCH_FILE, ROUND_FILE, PruneResult, Pruning
from vitnas.automation.pruning.settings import FamilySettings, PruneSettings
from vitnas.automation.question import ask
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError
from vitnas.interruption import going_on
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.quantity import LATENCY, Quantity
from vitnas.nas.run_search import SearchResult, refuse_twice
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Stitched
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.data import DataSettings
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.weights.exported import read_report

PREFIX_OF = {("channels", False): "prune", ("channels", True): "prune+map", ("ranks", False): "prune+rank"}
"""What shrinks, whether maps stand in for layers, and the beginning of the name of the space where it is so."""
LEAST_ALIKE = 0.4
"""Of the milliseconds of the given network."""
ROUNDS = 3
"""In which networks near the front are evaluated, each learning from the ones before."""


def family(
    init: str,
    data: DataSettings | str | Path,
    devices: str | Sequence[str] = "cpu",
    settings: FamilySettings | None = None,
    *,
    searching: SearchSettings | None = None,
    train: TrainSettings | None = None,
    path: str | Path | None = None,
    progress: bool = False,
) -> SearchResult:
    """Finds the front of the faster networks that a given one becomes, or of the routes through two, without training.

    Channels are sorted by importance, those that stay make up for those that are removed, and an integer programme
    chooses the best network of every latency, whose accuracy is then measured. Of two networks, tokens cross over from one
    to the other, and routes of all latencies are measured. The run that holds it all can be trained
    on and exported from like any other. Killed at any moment, the same call goes on where it stopped.

    Args:
        init: the network: timm:NAME, timm:NAME@FILE, the folder of an export, or the file of an arch in a run; or two of
            these as stitch:A+B, the smaller first.
        data: the images: a data set by name, a folder, a file, or all that can be said of them.
        devices: whose latency counts.
        settings: how.
        searching: limits, workers and whatever else a search is told, but for what `settings` say.
        train: how the family is trained, should it be; its init and its order are those of the family.
        path: the folder of the run; by default ``runs/DATA-NETWORK``.
        progress: shows bars, and prints what is said to standard error.
    """
    say, how = teller(progress), settings or FamilySettings()
    names = [devices] if isinstance(devices, str) else list(devices)
    if init.startswith("stitch:"):
        _refuse_unheeded(init, how)
    targets = [load_device(name) for name in names]  # refuses unknown ones before any work
    asked = replace(searching or SearchSettings(), compensate=how.compensate, initial=2)
    limits = asked.on_devices(refuse_twice(names)).limits
    wanted = data if isinstance(data, DataSettings) else DataSettings(str(data))
    with going_on("what was done is kept; the same command goes on"):
        run = given_run(
            init,
            wanted,
            replace(train or TrainSettings(), init_order=how.order),
            lambda name: Path(path) if path is not None else RUNS / name,
            say,
            PREFIX_OF[how.shrinks, how.maps],
        )
        for target in targets:
            if not run.latency_file(target.name).is_file():
                profile(run, target, ProfileSettings.quick(), progress=progress)
    if isinstance(run.space, Stitched):
        routes = replace(
            asked, compensate=None, evaluations=how.evaluations + how.refine, initial=max(2, how.evaluations)
        )
        return search(run, names, routes, include=[run.space.whole(network) for network in (0, 1)], progress=progress)
    exact = replace(
        asked,
        evaluations=how.evaluations,
        batch=how.evaluations,
        searcher="programme",
        predictor="none",
        importance=how.importance,
    )
    found = search(run, names, exact, include=alike(run, names, limits, how.evaluations), progress=progress)
    if not how.refine:
        return found
    say("what the programme found is refined: further networks near the front are evaluated")
    known = len(found.front.points)  # which the study in the same folder has
    refined = replace(asked, evaluations=known + how.refine, batch=max(1, how.refine // ROUNDS))
    return search(run, names, refined, warm_start=found.folder, progress=progress)


def _refuse_unheeded(init: str, how: FamilySettings) -> None:
    """Of two networks nothing is removed, so what says how is a mistake."""
    usual = FamilySettings()
    for name in ("order", "importance", "compensate", "shrinks", "maps"):
        if getattr(how, name) != getattr(usual, name):
            raise SettingsError(
                f"[family] {name} is {getattr(how, name)!r}, but of the two networks of {init} nothing is removed; leave it out, or "
                "give one network"
            )


def alike(run: RunFolder, devices: Sequence[str], limits: Mapping[str, float], evaluations: int) -> list[Arch]:
    """A few networks that keep the same share of everything, evenly over the upper part of the milliseconds that are allowed.

    They need no estimate of what a choice loses, and bound what a wrong one can do.
    """
    line = uniform_line(run.space)
    costs = [LatencyTable.read(run.latency_file(d)).latency_ms(run.space)(run.space.encode(line)) for d in devices]
    most = [limits.get(str(Quantity(LATENCY).on(device, devices)), np.inf) for device in devices]
    fits = np.flatnonzero(np.all([cost <= one for cost, one in zip(costs, most, strict=True)], axis=0))
    if not len(fits):
        return []
    cost = costs[0][fits]
    wanted = np.linspace(min(LEAST_ALIKE * costs[0][-1], cost.max()), cost.max(), max(1, evaluations // 4))
    return [line[fits[i]] for i in dict.fromkeys(int(np.abs(cost - one).argmin()) for one in wanted)]


def prune(
    init: str,
    data: DataSettings | str | Path,
    limits: Mapping[str, float],
    settings: PruneSettings | None = None,
    *,
    exporting: ExportSettings | None = None,
    path: str | Path | None = None,
    progress: bool = False,
) -> PruneResult:
    """Brings a given network below a limit in rounds, tunes it in each with the given one as teacher, and exports it.

    Killed at any moment, the same call goes on where it stopped.

    Args:
        init: as for `family`.
        data: the images.
        limits: one device -> the milliseconds that the network may take there.
        settings: rounds, epochs, importance.
        exporting: formats of the result.
        path: the folder of all; by default ``pruned/NETWORK``.
        progress: shows bars, and prints what is said to standard error.
    """
    say, how, formats = teller(progress), settings or PruneSettings(), exporting or ExportSettings()
    device, limit_ms = _one_limit(limits)
    load_device(device).check_at_hand()
    if init.startswith("stitch:"):
        raise SettingsError(
            f"--init {init}: rounds remove what one network has; give one, or find the front of both with `vitnas family`"
        )
    choose_exporters(formats)
    wanted = data if isinstance(data, DataSettings) else DataSettings(str(data))
    name = space_of(init).partition(":")[2].replace(":", "-").replace("/", "-").removesuffix("-arch.json")
    folder = Path(path) if path is not None else Path("pruned") / name
    limit, exported = {"device": device, "latency_ms": limit_ms}, {"formats": list(formats.formats)}
    begun = (folder / "round-1" / ROUND_FILE).is_file()
    ask(folder, "a pruning's", wanted, replace(how, init=init), begun=begun, limit=limit, export=exported)
    with going_on(f"what was done is kept in '{folder}'; the same command goes on"):
        pruning = Pruning(folder, wanted, device, limit_ms, how, say, progress)
        rounds = pruning.run(init)
        tuned = pruning.tuned(how.rounds)
        out = folder / "network"
        made = out.exists()
        report = read_report(out) if made else export(tuned, tuned / ARCH_FILE, out, formats, progress=progress)
    return PruneResult(out, tuple(rounds), report)


def _one_limit(limits: Mapping[str, float]) -> tuple[str, float]:
    if len(limits) != 1 or not all(0 < ms < np.inf for ms in limits.values()):
        raise SettingsError(f'limits {dict(limits)}: give the milliseconds of one device, such as {{"cpu": 12.0}}')
    [(device, limit_ms)] = limits.items()
    return device, limit_ms
