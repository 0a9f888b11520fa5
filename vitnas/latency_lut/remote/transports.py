"""The ways to measure on another machine, as `vitnas profile` offers them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vitnas.errors import DeviceError, SettingsError
from vitnas.latency_lut.assemble import Origin
from vitnas.latency_lut.importers import import_table
from vitnas.latency_lut.importers.plain_csv import read_csv
from vitnas.latency_lut.remote.adb import profile_over_adb
from vitnas.latency_lut.remote.board import check_cores
from vitnas.latency_lut.remote.bundle import PACKAGERS, write_bundle
from vitnas.latency_lut.remote.reports import read_figures
from vitnas.latency_lut.remote.results import import_results, warnings_of
from vitnas.latency_lut.remote.ssh import profile_over_ssh
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import SearchSpace


@dataclass(frozen=True)
class Elsewhere:
    """What a command was told; one way at a time.

    Attributes:
        bundle: the folder to write, or with `figures` the one that was measured.
        figures: what came back.
        ssh: a Linux board.
        adb: the benchmark_model program for the phone at the cable.
        runtime: what a bundle is for.
        threads: that a call may use there; by default 1, and as Core ML decides.
        cores: that a board or a phone keeps to, such as 4,5.
    """

    bundle: Path | None = None
    figures: Path | None = None
    ssh: str | None = None
    adb: Path | None = None
    runtime: str = "coreml"
    threads: int | None = None
    cores: str = ""

    @property
    def asked(self) -> bool:
        return any(way is not None for way in (self.bundle, self.figures, self.ssh, self.adb))

    @property
    def _threads(self) -> int:
        return 1 if self.threads is None else self.threads

    def check(self, device: str | None) -> None:
        """Refuses ways that exclude each other, before anything is read or converted."""
        given = [("--bundle", self.bundle), ("--import", self.figures), ("--ssh", self.ssh), ("--adb", self.adb)]
        names = [name for name, way in given if way is not None]
        if len(names) > 1 and names != ["--bundle", "--import"]:
            raise SettingsError(f"{' and '.join(names)} are different ways to measure; choose one")
        if self.threads is not None and (not names or self.figures is not None):
            raise SettingsError(
                "--threads is for --bundle, --ssh and --adb; here it is part of a device's name, such as cpu-2threads, and what "
                "was measured already keeps its own"
            )
        if self.threads is not None and self.bundle is not None and self.runtime == "coreml":
            raise SettingsError(
                "--threads: Core ML decides that itself; leave it out, or write a bundle of another --runtime"
            )
        if self.cores and self.ssh is None and self.adb is None:
            raise SettingsError("--cores is for --ssh and --adb; leave it out")
        check_cores(self.cores, self._threads)
        if not names:
            return
        if device is None and self.figures is None:
            raise SettingsError(
                f"{names[0]} needs --device NAME, what the table is to be called, such as raspberry-pi-5"
            )
        if self.runtime not in PACKAGERS:
            raise SettingsError(f"--runtime {self.runtime}: a bundle is for one of {', '.join(PACKAGERS)}")

    def table(
        self,
        space: SearchSpace,
        device: str | None,
        path_of: Callable[[str], Path],
        settings: ProfileSettings,
        warn: Callable[[str], None],
    ) -> tuple[LatencyTable, Path] | None:
        """The table and where it was written; None when only a bundle was.

        Args:
            space: to measure.
            device: what the table is to be called; figures of a bundle know it.
            path_of: the file for the table of a device.
            settings: how carefully, and how many networks.
            warn: takes what users should know.
        """
        self.check(device)
        if self.figures is not None:
            return self._imported(space, self.figures, device, path_of, settings, warn)
        assert device is not None
        if self.ssh is not None:
            path = path_of(device)
            return profile_over_ssh(
                space, device, self.ssh, path, settings, threads=self._threads, cores=self.cores
            ), path
        if self.adb is not None:
            path = path_of(device)
            return profile_over_adb(
                space, device, self.adb, path, settings, threads=self._threads, cores=self.cores
            ), path
        assert self.bundle is not None
        runtime = next(name for name in PACKAGERS if name == self.runtime)
        write_bundle(space, device, self.bundle, settings, runtime, threads=self.threads)
        return None

    def _imported(
        self,
        space: SearchSpace,
        figures: Path,
        device: str | None,
        path_of: Callable[[str], Path],
        settings: ProfileSettings,
        warn: Callable[[str], None],
    ) -> tuple[LatencyTable, Path]:
        if figures.suffix == ".csv" and self.bundle is None:
            if device is None:
                raise SettingsError(f"'{figures}' does not say where it was measured; name it with --device")
            rows = read_csv(figures)
            origin = Origin(
                device,
                {"runtime": "not told", "file": hashlib.sha256(figures.read_bytes()).hexdigest()[:16]},
                settings.max_mape,
                source=f"imported from {figures.name}",
            )
            table = import_table(space, origin, rows)
            table.write(path_of(device))
            return table, path_of(device)
        results = read_figures(figures, self.bundle)
        if device not in (None, results.manifest.device):
            raise DeviceError(
                f"'{figures}' was measured for device '{results.manifest.device}', not '{device}'; leave out --device, or write a "
                "bundle under the other name"
            )
        for warning in warnings_of(results):
            warn(warning)
        path = path_of(results.manifest.device)
        return import_results(space, results, path), path
