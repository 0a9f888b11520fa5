"""The whole way in one call: from images and a limit to a network that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vitnas.api.loading import Place
from vitnas.api.telling import teller
from vitnas.automation.automate import AutoResult, Telling, automate
from vitnas.automation.family import automate_family
from vitnas.automation.scoreboard import PAGE, Scoreboard
from vitnas.automation.settings import AutoSettings
from vitnas.automation.suggest import Suggestion, suggest
from vitnas.interruption import going_on
from vitnas.reporting.page.automation_data import describe_automation
from vitnas.reporting.page.html import AUTOMATION, write_page
from vitnas.reporting.terminal.automation import print_plan
from vitnas.reporting.terminal.exports import draw
from vitnas.supernets.data import DATASETS, DataSettings

FOLDER = Path("auto")
"""Where answers lie when no path is given."""


def auto(
    data: DataSettings | Place,
    settings: AutoSettings,
    path: Place | None = None,
    *,
    dry_run: bool = False,
    progress: bool = False,
) -> AutoResult:
    """Finds, trains, compares and exports a network within limits and a time.

    Killed at any moment, the same call goes on where it stopped and ends with the same network.

    Args:
        data: the images: a data set by name, a folder, a file, or all that can be said of them.
        settings: the limits, the time, and choices.
        path: the folder of the answer; by default ``auto/DATA``. A ``plan.toml`` in it is followed.
        dry_run: ends when the plan is written.
        progress: prints every step to standard error.
    """
    wanted = data if isinstance(data, DataSettings) else DataSettings(str(data))
    find = automate_family if len(settings.targets) > 1 or _shares(settings) else automate
    name = wanted.name if wanted.name in DATASETS else Path(wanted.name).absolute().name
    folder = Path(path) if path is not None else FOLDER / name
    with going_on("what is trained so far is kept; the same command goes on"):
        telling = Telling(teller(progress), print_plan if progress else None, draw, _paint, _report)
        return find(wanted, settings, folder, telling, dry_run)


def suggest_spaces(
    data: DataSettings | Place,
    limits: Mapping[str, float],
    *,
    spaces: Sequence[str] = (),
    seconds: float = 0.0,
    progress: bool = False,
) -> list[Suggestion]:
    """The spaces that suit images and limits, with the evidence, the best first.

    Args:
        data: the images.
        limits: device -> the most milliseconds that an image may take there.
        spaces: names of those to look at; all that are known to suit, unless some are named.
        seconds: of processor time for short trainings, the same for each space; 0 trains nothing.
        progress: prints what is found to standard error.
    """
    wanted = data if isinstance(data, DataSettings) else DataSettings(str(data))
    return suggest(wanted, limits, spaces, seconds, teller(progress))


def _shares(settings: AutoSettings) -> bool:
    """Whether a supernet is trained first."""
    return settings.way == "supernet" and settings.run is None


def _paint(board: Scoreboard, path: Path) -> None:
    from vitnas.reporting.plots.figure import save_figure
    from vitnas.reporting.plots.scoreboard_plot import plot_scoreboard

    save_figure(plot_scoreboard(board), path)


def _report(found: AutoResult) -> None:
    write_page(describe_automation(found), found.folder / PAGE, AUTOMATION)
