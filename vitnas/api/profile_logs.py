"""What the loggers of a profile are told: how far the table is from whole networks, and the table itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.loggers import LoggedRun
from vitnas.loggers.opened import Loggers
from vitnas.loggers.plain import parameters_of
from vitnas.search_spaces import SearchSpace


def profile_loggers(settings: ProfileSettings, space: SearchSpace, device: str, table: Path) -> Loggers:
    """Opens them. Every table is a run of its own; files of a logger lie beside it."""
    told = dict(parameters_of({"space": space.name, "device": device, **asdict(settings)}))
    return Loggers(settings.loggers, LoggedRun("profile", table.stem, table.with_name(f"{table.stem}-log"), told))


def log_table(loggers: Loggers, table: LatencyTable, file: Path) -> None:
    loggers.numbers(0, figures_of(table))
    loggers.artefact(file)


def figures_of(table: LatencyTable) -> Mapping[str, object]:
    """How many layers and networks there are, and the error of the table."""
    fidelity = table.header.fidelity
    return {
        "layers": len(table.rows),
        "networks": len(table.header.networks),
        **({} if fidelity is None else {"fidelity": asdict(fidelity)}),
    }
