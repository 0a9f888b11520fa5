"""Latency tables: measured here, corrected from another device, or measured elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vitnas.api.loading import Source, load_table, source_of
from vitnas.api.profile_logs import log_table, profile_loggers
from vitnas.api.telling import Say, teller
from vitnas.errors import LoggerError, SettingsError
from vitnas.interruption import going_on
from vitnas.latency_lut import profile as profiling
from vitnas.latency_lut.devices import Device, load_device
from vitnas.latency_lut.devices.menus import Compression
from vitnas.latency_lut.remote.transports import Elsewhere
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.transfer import check_old, transfer
from vitnas.loggers.names import refuse_missing
from vitnas.run import RunFolder
from vitnas.search_spaces import Compressed, SearchSpace


def profile(
    source: Source | None = None,
    device: str | Device = "cpu",
    settings: ProfileSettings | None = None,
    *,
    path: str | Path | None = None,
    budget_s: float | None = None,
    corrects: LatencyTable | str | Path | None = None,
    samples: int = 15,
    compress: bool | Sequence[str] = False,
    progress: bool = False,
) -> LatencyTable:
    """Measures the latency table of a device, and states how far it is from whole networks.

    Killed at any moment, the same call goes on where it stopped.

    Args:
        source: the run whose space to profile, or the space itself; None takes the newest run below ``runs/``.
        device: where to measure, from `list_devices`; an estimated device is estimated.
        settings: how carefully; see also `ProfileSettings.quick`.
        path: the table to write; by default ``latency/DEVICE.parquet`` in the run, or ``SPACE-DEVICE.parquet`` here.
        budget_s: seconds that it may take in all; the best table that fits.
        corrects: a table of another device to correct with a few whole networks, instead of measuring layers.
        samples: with `corrects`, whole networks to time.
        compress: whether layers are measured at every precision of the device, or at those of these names.
        progress: shows a bar, and prints warnings to standard error.
    """
    say = teller(progress)
    target = load_device(device) if isinstance(device, str) else device
    run, space = source_of(source, say)
    file = table_file(run, space, target.name, path)
    if compress:
        space = Compression(() if isinstance(compress, bool) else tuple(compress)).of(space, [target])
    settings = settings or ProfileSettings()
    refuse_missing(settings.loggers)
    profiling.check_first(space, target, file)
    old = (
        corrects if corrects is None or isinstance(corrects, LatencyTable) else load_table(corrects, progress=progress)
    )
    if old is not None:
        check_old(space, old, samples)
    with (
        going_on(f"what was measured is kept beside '{file}'; the same command goes on"),
        profile_loggers(settings, space, target.name, file) as loggers,
        target.opened(),
    ):
        for place in loggers.places:
            say(place)
        if old is None:
            table = profiling.profile(space, target, file, settings, progress, budget_s)
        else:
            table = transfer(space, target, old, file, samples, settings, progress, budget_s)
        log_table(loggers, table, file)
    _warn(table, say)
    return table


def profile_elsewhere(
    source: Source | None,
    device: str | None,
    elsewhere: Elsewhere,
    settings: ProfileSettings | None = None,
    *,
    path: str | Path | None = None,
    progress: bool = False,
) -> LatencyTable | None:
    """Measures on a board over ssh or a phone over adb, writes a bundle to be measured, or reads what came back.

    Args:
        source: the run whose space to profile, or the space itself; None takes the newest run below ``runs/``.
        device: what the table is to be called; figures of a bundle know it.
        elsewhere: which way.
        settings: how carefully, and how many networks.
        path: the table to write; by default as in `profile`.
        progress: prints what is said to standard error.

    Returns:
        The table; None when only a bundle was written.
    """
    elsewhere.check(device)
    if not elsewhere.asked:
        raise SettingsError("Elsewhere() names no way to measure; give it bundle, figures, ssh or adb")
    say = teller(progress)
    run, space = source_of(source, say)
    settings = settings or ProfileSettings()
    refuse_missing(settings.loggers)

    def target(name: str) -> Path:
        file = table_file(run, space, name, path)
        profiling.refuse_loss(file, space)
        return file

    found = elsewhere.table(
        space,
        device,
        target,
        settings,
        lambda text: say(f"warning: {text}"),
    )
    if found is None:
        return None
    table, file = found
    _warn(table, say)
    try:
        with profile_loggers(settings, space, table.header.device, file) as loggers:
            for place in loggers.places:
                say(place)
            log_table(loggers, table, file)
    except LoggerError as error:
        say(f"warning: the table is written to '{file}', and nothing of it was logged: {error}")
    return table


def _warn(table: LatencyTable, say: Say) -> None:
    for warning in table.warnings:
        say(f"warning: {warning}")


def table_file(run: RunFolder | None, space: SearchSpace, device: str, path: str | Path | None = None) -> Path:
    """Where the table of a device lies unless a path is given."""
    if path is not None:
        return Path(path)
    base = space.base if isinstance(space, Compressed) else space  # whose rows in float are in the same table
    return run.latency_file(device) if run is not None else Path(f"{base.file_name}-{device}.parquet")
