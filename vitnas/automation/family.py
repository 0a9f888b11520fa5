"""Several networks from one question: one a limit, each found alone or from a supernet that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vitnas.automation.automate import AutoResult, Say, Telling, automate, check_settings
from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.lanes import Lanes
from vitnas.automation.planning import LIKELY, Purse
from vitnas.automation.question import ask
from vitnas.automation.scoreboard import PICTURE, Line, Scoreboard, write_scoreboard
from vitnas.automation.settings import AutoSettings
from vitnas.automation.sharing import SHARE, SharedPlan, plan_shared, train_shared
from vitnas.files import only_here
from vitnas.quantities import format_limits
from vitnas.search_spaces import SPACES, Arch
from vitnas.supernets.data import DataSettings, load_dataset, resolved
from vitnas.supernets.data.dataset import demand_classes

SUPERNET, SHARED_PLAN, LATENCIES = "supernet", "supernet.toml", "latencies.json"


@dataclass(frozen=True)
class Portions:
    """How the time is divided among a supernet and the networks.

    Attributes:
        cpu_s: processor seconds that lead to one network, its share of the supernet included.
        seconds: of each network's own question, by the clock.
    """

    cpu_s: float
    seconds: float


def divided(settings: AutoSettings, lanes: Lanes, shares: bool) -> Portions:
    """The same time for each network.

    Args:
        settings: of all.
        lanes: that there are.
        shares: whether a supernet is trained for all of them, with all the lanes that it can take.
    """
    number = len(settings.targets)
    if not shares:
        return Portions(0.0, settings.seconds / number)
    purse = Purse.of(settings, lanes)
    alone = 1.0 if settings.baselines else 1 - SHARE  # of a network's time; a baseline trains for all of it
    by_clock = alone * purse.rounds / purse.threads
    cpu_s = settings.seconds / number / (SHARE / lanes.widest + by_clock)
    return Portions(cpu_s, cpu_s * by_clock)


def automate_family(
    data: DataSettings,
    settings: AutoSettings,
    folder: Path,
    telling: Telling,
    dry_run: bool = False,
) -> AutoResult:
    """A network for each limit, in a folder that is called so; the arguments are those of `automate`."""
    say, paint = telling.say, telling.paint
    check_settings(settings)
    dataset = demand_classes(load_dataset(data), "`vitnas family`")
    data = resolved(data, dataset)
    ask(folder, "an automatic search's", data, settings)
    lanes = Lanes.here(settings.torch_device)
    shares = settings.way == "supernet" and settings.run is None
    portions, shared_s, run = divided(settings, lanes, shares), 0.0, settings.run
    questions = [(limits, 1) for limits in settings.targets]
    with only_here(folder, "automatic search"):
        if shares:
            plan = _shared_plan(folder, data, settings, portions, lanes, say)
            _announce(plan, portions, len(settings.targets), say)
            if dry_run:
                return AutoResult(folder, None)
            trained, mark = train_shared(plan, data, (folder / SUPERNET).resolve(), telling.show is not None)
            say(f"the largest arch of the supernet: loss {mark.loss:.3f}, accuracy {mark.accuracy:.1%}")
            run, shared_s = str(trained.path), mark.cpu_s / len(settings.targets)
            [largest_ms] = Clock(widest(settings.targets), folder / LATENCIES).ms(
                trained.space, [trained.space.largest()]
            )
            questions = joined(settings.targets, largest_ms)
        parts = []
        for limits, number in questions:
            others = f", and wider limits, which every arch of the supernet keeps ({number - 1})" if number > 1 else ""
            say(f"within {format_limits(limits)}{others}:")
            own = replace(settings, limits=limits, seconds=number * portions.seconds, strategy="auto", run=run)
            where = folder / name_of(limits)
            parts.append(automate(data, own, where, telling, dry_run, number * shared_s))
        board = together([part.scoreboard for part in parts if part.scoreboard is not None])
        if board is not None:
            if paint is not None:
                paint(board, folder / PICTURE)
            networks = [part.network.relative_to(folder) for part in parts]
            write_scoreboard(board, folder, networks, (), paint is not None, telling.report is not None)
        found = AutoResult(folder, None, board, parts=tuple(parts))
        if board is not None and telling.report is not None:
            telling.report(found)
    return found


def joined(
    targets: Sequence[Mapping[str, float]], largest_ms: Mapping[str, float]
) -> list[tuple[dict[str, float], int]]:
    """The limits of each network that is worth training, and how many of the targets it serves with their time.

    Args:
        targets: the limits that were asked for.
        largest_ms: device -> what the largest arch of the supernet takes; where it keeps a target, all archs do, and one network
            serves all such targets.
    """
    kept = [target for target in targets if all(largest_ms[name] <= ms for name, ms in target.items())]
    own = [(dict(target), 1) for target in targets if target not in kept]
    return [*own, (tightest(kept), len(kept))] if kept else own


def _announce(plan: SharedPlan, portions: Portions, number: int, say: Say) -> None:
    arch = Arch.from_json(plan.up_to)
    minutes = plan.seconds / plan.threads / 60
    say(
        f"supernet of {plan.space} at {plan.image_size} px, archs up to {arch.id}: {plan.steps} steps in {minutes:.1f} "
        f"minutes; then {portions.seconds / 60:.1f} minutes for each of {number} networks"
    )


def _shared_plan(
    folder: Path, data: DataSettings, settings: AutoSettings, portions: Portions, lanes: Lanes, say: Say
) -> SharedPlan:
    file = folder / SHARED_PLAN
    if file.is_file():
        say(f"following '{file}'")
        return SharedPlan.read(file)
    tight, wide = (Clock(of(settings.targets), folder / LATENCIES) for of in (tightest, widest))
    names = settings.spaces or tuple(name for name in LIKELY if name in SPACES)
    plan = plan_shared(names, data, (tight, wide), portions.cpu_s, len(settings.targets), lanes, settings.seed, say)
    plan.write(file)
    return plan


def tightest(targets: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The least limit of each device."""
    return {name: min(one[name] for one in targets) for name in targets[0]}


def widest(targets: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The most that is allowed on each device."""
    return {name: max(one[name] for one in targets) for name in targets[0]}


def together(boards: Sequence[Scoreboard]) -> Scoreboard | None:
    """One table of several, whose lines say within which limits; None of none."""
    if not boards:
        return None
    lines: list[Line] = []
    ahead: dict[str, tuple[float, float, float]] = {}
    for board in boards:
        within = format_limits(board.limits)
        lines += [replace(line, role=f"{line.role}, {within}") for line in board.lines]
        ahead |= {f"{role}, {within}": points for role, points in board.ahead.items()}
    return replace(boards[0], limits=widest([b.limits for b in boards]), lines=tuple(lines), ahead=ahead)


def name_of(limits: Mapping[str, float]) -> str:
    """A folder for them."""
    return "-".join(f"{ms:g}ms" if len(limits) == 1 else f"{device}-{ms:g}ms" for device, ms in limits.items())
