"""Exporting a cascade as files that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vitnas.api.loading import run_of
from vitnas.api.telling import step_teller, teller
from vitnas.deployment.cascades import export as exporting
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError
from vitnas.run import RunFolder
from vitnas.search_spaces import Cascade
from vitnas.supernets.data import dataset_of
from vitnas.supernets.weights.checkpoints import load_supernet

UNHEEDED = ("finetune", "quantise", "devices", "loggers")
"""Settings of an export of one network that mean nothing for parts."""


def export_cascade(
    run: RunFolder | str | Path | None,
    cascade: Cascade | str | Path,
    out: str | Path,
    settings: ExportSettings | None = None,
    *,
    force: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Writes the parts of a cascade as files that run, with the thresholds of each format, and checks how they decide.

    Args:
        run: whose weights; None takes the newest run below ``runs/``.
        cascade: as `cascade` found it, or its file.
        out: the folder to write.
        settings: formats, and how they are checked.
        force: replaces an earlier export.
        progress: prints every step to standard error.

    Returns:
        What rule.json holds.
    """
    settings, usual = settings or ExportSettings(), ExportSettings()
    for name in UNHEEDED:
        if getattr(settings, name) != getattr(usual, name):
            raise SettingsError(f"[export] {name} is for one network, and a cascade has several; leave it out")
    choose_exporters(settings)
    opened = run_of(run, teller(progress))
    found = cascade if isinstance(cascade, Cascade) else Cascade.load(Path(cascade), opened.space)
    return exporting.export_cascade(
        opened.space,
        load_supernet(opened),
        found,
        dataset_of(opened),
        Path(out),
        settings,
        force=force,
        progress=step_teller(progress),
    )
