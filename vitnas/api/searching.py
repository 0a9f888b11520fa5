"""Searching the best networks of a run or of a space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vitnas.api.archs import OneArch
from vitnas.api.loading import RUNS, Source, load_arch, load_space, source_of
from vitnas.api.telling import Say, teller
from vitnas.errors import SettingsError
from vitnas.interruption import going_on
from vitnas.latency_lut.devices.menus import Compression
from vitnas.nas.run_search import SearchRequest, SearchResult, start_search
from vitnas.nas.settings import UNTRAINED, SearchSettings
from vitnas.run import RunFolder, newest_run
from vitnas.search_spaces import Arch, SearchSpace

DEFAULT_SPACE = "efficientformerv2"
"""What is searched where nothing says what: published for phones, and it stays on their neural engines."""


def search(
    source: Source | None = None,
    devices: str | Sequence[str] = "cpu",
    settings: SearchSettings | None = None,
    *,
    tables: Sequence[str | Path] = (),
    folder: str | Path | None = None,
    warm_start: str | Path | None = None,
    include: Sequence[OneArch] = (),
    fitted: str | Path | None = None,
    ray_address: str | None = None,
    compress: bool | Sequence[str] = False,
    simulate: bool = False,
    progress: bool = False,
) -> SearchResult:
    """Searches the networks that no other beats, under the limits of the settings.

    Killed at any moment, the same call goes on where it stopped and ends with the same front.

    Args:
        source: the run whose supernet judges, or a space to search without training; None takes the newest run below
            ``runs/``, and without one the space "efficientformerv2".
        devices: whose latency counts, from `list_devices` or with a table of their own.
        settings: objectives, limits, budget; by default those of `SearchSettings`, or `SearchSettings.untrained`
            without a run.
        tables: latency tables to use before those of the run.
        folder: of the result; by default ``search-DEVICE`` in the run (``search-DEVICE-compressed`` where it compresses
            the run's space), or ``searches/SPACE-DEVICE``.
        warm_start: a front.json, or its folder, whose archs are evaluated early.
        include: archs to evaluate in any case.
        fitted: folder of a fitted predictor that judges instead of a supernet, without torch.
        ray_address: Ray cluster to join.
        compress: whether layers have precisions too: all that the devices have in common, or those of these names.
        simulate: precisions may be ones that the devices do not compute; nothing has a latency then.
        progress: shows a bar, and prints what the result rests on to standard error.
    """
    say = teller(progress)
    run, space = judge_of(source, say, fitted is not None)
    compression = compression_of(compress, simulate)
    names = (devices,) if isinstance(devices, str) else tuple(devices)
    request = SearchRequest(
        devices=names,
        run=run,
        space=None if run is not None else space,
        tables=tuple(map(Path, tables)),
        folder=Path(folder) if folder is not None else None,
        warm=Path(warm_start) if warm_start is not None else None,
        include=tuple(_included(space, arch, compression, names) for arch in include),
        ray_address=ray_address,
        fitted=Path(fitted) if fitted is not None else None,
        compression=compression,
    )
    if settings is None:
        settings = SearchSettings(**defaults_for(run, fitted is not None))
    with going_on("the archs evaluated so far are kept; the same command goes on"):
        return start_search(request, settings, say, progress)


def compression_of(compress: bool | Sequence[str], simulate: bool) -> Compression | None:
    """How a space is to be compressed, if it is."""
    if simulate and not compress:
        raise SettingsError("simulate is for precisions; give compress as well, with the names of some")
    if not compress:
        return None
    return Compression(() if isinstance(compress, bool) else tuple(compress), simulate)


def _included(space: SearchSpace, arch: OneArch, compression: Compression | None, devices: Sequence[str]) -> Arch:
    """An arch to evaluate in any case: of a compressed space, or of its base in float."""
    found = load_arch(space, arch)
    if compression is None:
        return found
    compressed = compression.of(space, devices)
    return found if found.space == compressed.name else compressed.compress(found)


def defaults_for(run: RunFolder | None, fitted: bool) -> dict[str, Any]:
    """Settings that a search takes unless told otherwise: without training an evaluation takes seconds, so there are fewer."""
    return {} if run is not None or fitted else UNTRAINED


def judge_of(source: Source | None, say: Say, fitted: bool = False) -> tuple[RunFolder | None, SearchSpace]:
    """The run that judges, if there is one, and the space; what is assumed is said."""
    if source is not None:
        return source_of(source, say)
    run = newest_run(RUNS)
    if run is not None:
        judge = "the predictor in the space" if fitted else "the supernet"
        say(f"judged by {judge} of '{run.path}', the newest run below {RUNS}/")
        return run, run.space
    say(f"no trained run below {RUNS}/: searching space '{DEFAULT_SPACE}'{'' if fitted else ' without training'}")
    return None, load_space(DEFAULT_SPACE)
