"""What the loggers of an automatic search are told: how candidates stood at each rung, and the table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from vitnas.automation.rungs import Standing
from vitnas.automation.scoreboard import Scoreboard
from vitnas.automation.settings import AutoSettings
from vitnas.loggers import LoggedRun
from vitnas.loggers.opened import Loggers
from vitnas.loggers.plain import parameters_of
from vitnas.supernets.data import DataSettings


def auto_loggers(data: DataSettings, settings: AutoSettings, folder: Path) -> Loggers:
    """Opens them; a search that goes on in its folder goes on in the same run of a logger."""
    told = dict(parameters_of({"data": asdict(data), "auto": asdict(settings)}))
    return Loggers(settings.loggers, LoggedRun("auto", folder.resolve().name, folder, told), folder / "loggers.json")


def figures_of_rung(rung: Sequence[Standing]) -> Mapping[str, object]:
    """The best candidate of a rung, and how many went on."""
    best = min((one.mark for one in rung), key=lambda mark: mark.loss)
    kept = sum(one.kept for one in rung)
    return {"best": {"loss": best.loss, "accuracy": best.accuracy}, "candidates": len(rung), "kept": kept}


def figures_of_board(board: Scoreboard) -> Mapping[str, object]:
    """The network and its baselines, each under its role."""
    return {
        line.role: {
            "accuracy": line.accuracy,
            "latency_ms": line.ms,
            "num_params": line.num_params,
            "minutes": line.minutes,
        }
        for line in board.lines
    }
