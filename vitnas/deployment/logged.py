"""What the loggers of an export are told: figures of each network, and the folder that is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitnas.deployment.judged import judged_in, metric_in
from vitnas.deployment.settings import ExportSettings
from vitnas.loggers import LoggedRun
from vitnas.loggers.opened import Loggers
from vitnas.loggers.plain import parameters_of
from vitnas.search_spaces import Arch, SearchSpace


def export_loggers(settings: ExportSettings, space: SearchSpace, archs: Sequence[Arch], out: Path) -> Loggers:
    """Opens them. Nothing but the export itself goes into its folder, so files of a logger lie beside it."""
    told = {"space": space.name, "arch": ", ".join(arch.id for arch in archs), **asdict(settings)}
    run = LoggedRun("export", out.name, out.with_name(f"{out.name}-log"), dict(parameters_of(told)))
    return Loggers(settings.loggers, run)


def figures_of(report: Mapping[str, Any]) -> Mapping[str, object]:
    """The numbers of a report that exports are compared by."""
    metric, judged = metric_in(report), judged_in(report)
    test = judged["test"]
    formats = report["formats"].items()
    return {
        metric: {
            "val": judged["exported"],
            **({} if test is None else {"test": test[metric]}),
            **{name: found[f"{metric}_after"] for name, found in formats},
        },
        "measured_latency_ms": report["measured_latency_ms"],
        "predicted_latency_ms": report["predicted_latency_ms"],
        "size_bytes": {name: found["size_bytes"] for name, found in formats},
        **report["counts"],
    }
