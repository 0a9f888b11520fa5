"""The whole way from a question to a folder with its answer; killed, it goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.lanes import Lanes
from vitnas.automation.candidates.stock import with_stock_if_any
from vitnas.automation.contest import Contest
from vitnas.automation.logged import auto_loggers, figures_of_board, figures_of_rung
from vitnas.automation.plan import Entry, Plan
from vitnas.automation.planning import make_plan
from vitnas.automation.planning_shared import check_run, plan_from
from vitnas.automation.question import ask
from vitnas.automation.rungs import Standing
from vitnas.automation.scoreboard import NETWORK, PICTURE, SCOREBOARD, Line, Paint, Scoreboard, ahead, write_scoreboard
from vitnas.automation.settings import AutoSettings
from vitnas.automation.sharing import Shared
from vitnas.deployment.export import Draw, export
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError
from vitnas.files import only_here, write_json
from vitnas.loggers.names import refuse_missing
from vitnas.loggers.opened import Loggers
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.supernets.counting.counts import count
from vitnas.supernets.data import Dataset, DataSettings, load_dataset, resolved
from vitnas.supernets.data.dataset import demand_classes
from vitnas.supernets.judgement import Judgement
from vitnas.supernets.torch_device import describe_device, find_device
from vitnas.supernets.weights.checkpoints import load_supernet

PLAN, STANDINGS = "plan.toml", "standings.json"
Say = Callable[[str], None]


@dataclass(frozen=True)
class AutoResult:
    """What an automatic search left.

    Attributes:
        folder: with all of it.
        plan: that was followed; None for several networks, each of which has its own.
        scoreboard: None where only the plan was asked for.
        commands: that a user would type for the same network.
        parts: the results of the networks, where several were asked for.
    """

    folder: Path
    plan: Plan | None
    scoreboard: Scoreboard | None = None
    commands: tuple[str, ...] = ()
    parts: tuple[AutoResult, ...] = ()

    def verdict(self) -> list[str]:
        """What the table says of each baseline; nothing where only the plan was asked for."""
        return self.scoreboard.verdict() if self.scoreboard is not None else []

    @property
    def network(self) -> Path:
        """The folder of the exported network; of several, that of the first."""
        return self.parts[0].network if self.parts else self.folder / NETWORK


@dataclass(frozen=True)
class Telling:
    """How a search tells what happens, and what it leaves for the eye.

    Attributes:
        say: told every step.
        show: shows a plan before it is followed; with it, bars are drawn as well.
        draw: draws a network for its card.
        paint: draws the table.
        report: writes `PAGE` of all that was found into the folder.
    """

    say: Say
    show: Callable[[Plan], None] | None = None
    draw: Draw | None = None
    paint: Paint | None = None
    report: Callable[[AutoResult], None] | None = None


def automate(
    data: DataSettings,
    settings: AutoSettings,
    folder: Path,
    telling: Telling,
    dry_run: bool = False,
    shared_s: float = 0.0,
) -> AutoResult:
    """Plans, trains, compares and exports one network.

    Args:
        data: the images.
        settings: limits, time and choices.
        folder: of everything; one that holds the same question goes on with it, by the plan that lies there.
        telling: how it tells what happens.
        dry_run: ends with the plan.
        shared_s: processor seconds of the supernet of `settings.run` that this network answers for.
    """
    say, show = telling.say, telling.show
    check_settings(settings)
    dataset = demand_classes(load_dataset(data), "`vitnas auto`")
    data = resolved(data, dataset)
    shared = _shared(settings, data, dataset, shared_s)
    ask(folder, "an automatic search's", data, settings)
    with only_here(folder, "automatic search"):
        [limits] = settings.targets
        clock = Clock(limits, folder / "latencies.json")
        plan = _plan(folder, dataset, settings, clock, say, shared)
        if show is not None:
            show(plan)
        if dry_run:
            return AutoResult(folder, plan)
        contest = Contest(folder / "runs", plan, data, say, settings.init, show is not None, shared)
        with auto_loggers(data, settings, folder) as loggers:
            for place in loggers.places:
                say(place)
            return _follow(contest, limits, folder, settings, telling, loggers)


def _follow(
    contest: Contest,
    limits: Mapping[str, float],
    folder: Path,
    settings: AutoSettings,
    telling: Telling,
    loggers: Loggers,
) -> AutoResult:
    """From the plan to the answer."""
    plan = contest.plan
    winner, standings = contest.choose()
    write_json(folder / STANDINGS, [[_standing(one) for one in rung] for rung in standings])
    for number, rung in enumerate(standings, 1):
        loggers.numbers(number, figures_of_rung(rung))
    entries = [winner, *(e for e in plan.baselines if e.role != "uniform" or _beside(e, winner))]
    contest.finish(entries)
    telling.say("judging on the test images")
    board = _judge(contest, entries, limits)
    network = folder / NETWORK
    if not network.exists():
        _export(contest, winner, network, settings, telling.draw)
    if telling.paint is not None:
        telling.paint(board, folder / PICTURE)
    commands = _commands(contest, winner, network, settings)
    pictured, reported = telling.paint is not None, telling.report is not None
    write_scoreboard(board, folder, [Path(NETWORK)], commands, pictured, reported)
    found = AutoResult(folder, plan, board, tuple(commands))
    if telling.report is not None:
        telling.report(found)
    loggers.numbers(len(standings) + 1, figures_of_board(board))
    for file in (PLAN, SCOREBOARD, NETWORK):
        loggers.artefact(folder / file)
    return found


def _judge(contest: Contest, entries: Sequence[Entry], limits: Mapping[str, float]) -> Scoreboard:
    """The networks on the test images, and timed once more, side by side."""
    clock = Clock(limits)
    lines, right = [], []
    dataset = contest.images(entries[0])
    for entry in entries:
        found = contest.tested(entry)
        accuracy = Judgement(found.accuracy, found.num_images, found.num_images)
        space, arch = entry.load_space(dataset.task), Arch.from_json(entry.arch)
        [ms] = clock.ms(space, [arch])
        lines.append(
            Line(
                role=NETWORK if entry.role == "candidate" else entry.role,
                space=space.name,
                image_size=entry.image_size,
                arch_id=arch.id,
                accuracy=accuracy.value,
                interval=accuracy.interval,
                ms=ms,
                num_params=count(space.lower(arch)).num_params,
                minutes=contest.spent_s(entry) / 60,
                published=space.name_of(arch),
            )
        )
        right.append(found.right)
    return Scoreboard(
        dataset=dataset.name,
        split="validation" if dataset.test is None else "test",
        num_images=len(right[0]),
        limits=limits,
        lines=tuple(lines),
        ahead={line.role: ahead(right[0], theirs) for line, theirs in zip(lines[1:], right[1:], strict=True)},
    )


def _export(contest: Contest, winner: Entry, folder: Path, settings: AutoSettings, draw: Draw | None) -> None:
    run = contest.run(winner)
    export(
        run.space,
        load_supernet(run),
        run.space.largest(),
        contest.images(winner),
        folder,
        ExportSettings(formats=settings.formats),
        run=run,
        latency_ms=winner.ms,
        chosen=_how_chosen(len(contest.plan.candidates)),
        draw=draw,
        progress=contest.say,
    )


def _how_chosen(candidates: int) -> str:
    return (
        f"the winner of {candidates} candidates, each trained alone"
        if candidates > 1
        else "the one of its plan, trained alone"
    )


def _commands(contest: Contest, winner: Entry, folder: Path, settings: AutoSettings) -> list[str]:
    """What a user would type for the same network."""
    run = contest.folder / winner.name
    return [
        f"vitnas train-supernet --resume {run}  # trained already, as its config.toml says",
        f"vitnas export --run {run} --arch largest --format {','.join(settings.formats)} --out network",
        f"vitnas verify {folder} --run {run}",
    ]


def check_settings(settings: AutoSettings) -> None:
    """Refuses what cannot be answered here."""
    if not settings.limits:
        raise SettingsError("[auto] limits names no device; say how fast the network must be, such as cpu = 3.0 (ms)")
    choose_exporters(ExportSettings(formats=settings.formats))
    find_device(settings.torch_device, "[auto] torch_device")
    refuse_missing(settings.loggers)


def _shared(settings: AutoSettings, data: DataSettings, dataset: Dataset, shared_s: float) -> Shared | None:
    """The supernet that is there already, which must have seen these images and no others."""
    if settings.run is None:
        return None
    run = RunFolder.open(Path(settings.run))
    check_run(run, data, dataset)
    return Shared(run.path.resolve(), shared_s)


def _plan(
    folder: Path, dataset: Dataset, settings: AutoSettings, clock: Clock, say: Say, shared: Shared | None
) -> Plan:
    file = folder / PLAN
    if file.is_file():
        say(f"following '{file}'")
        return Plan.read(file)
    lanes = Lanes.here(settings.torch_device)
    if lanes.torch_device != "cpu":
        say(f"training on {describe_device(find_device(lanes.torch_device))}")
    settings = with_stock_if_any(settings, dataset.task, clock, say)
    if shared is None:
        plan = make_plan(dataset, settings, clock, lanes, say)
    else:
        plan = plan_from(RunFolder.open(shared.path), dataset, settings, clock, lanes, say, shared.cpu_s)
    plan.write(file)
    return plan


def _beside(uniform: Entry, winner: Entry) -> bool:
    """Whether it is the uniform scaling of the winner's own space."""
    return (uniform.space, uniform.image_size) == (winner.space, winner.image_size)


def _standing(one: Standing) -> Mapping[str, Any]:
    """As JSON holds it, which knows no infinite loss."""
    told = {"name": one.entry.name, "kept": one.kept, **msgspec.to_builtins(one.mark)}
    return {**told, "loss": one.mark.loss if math.isfinite(one.mark.loss) else None}
