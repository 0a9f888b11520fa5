"""The settings of measuring: how a timing is taken, and table [profile] of a settings file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from vitnas.errors import SettingsError
from vitnas.loggers.names import LoggerNames, refuse_unknown
from vitnas.settings import Count, Natural, Positive, Settings, Share, about

Int8Range = Literal["auto", "full", "reduced"]
"""Weights of int8 files: 8 bits, 7 bits, or what the self-test of their runtime decides."""


@dataclass(frozen=True)
class TimingSettings(Settings):
    """How carefully to measure; the defaults follow the published protocols."""

    table = "profile"

    block_ms: Annotated[Positive, about("A block holds as many calls as fill this time.")] = 50.0
    blocks: Annotated[Count, about("Steady blocks for each candidate.")] = 20
    warmup_ms: Annotated[Positive, about("Least time of warming up for each candidate.")] = 500.0
    max_warmup_ms: Annotated[Positive, about("Most time of warming up, steady or not.")] = 3000.0
    max_drift: Annotated[
        Positive, about("A block is repeated if the reference next to it ran slower by more than this fraction.")
    ] = 0.05
    max_spread: Annotated[
        Positive,
        about("A candidate is measured on while the IQR of its steady blocks exceeds this fraction of their median."),
    ] = 0.05
    max_repeats: Annotated[Count, about("At most this many times `blocks` are tried; the steadiest are kept.")] = 4
    group: Annotated[Count, about("Candidates measured in turns; a kill loses the work on one group at most.")] = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_warmup_ms < self.warmup_ms:
            raise SettingsError(
                f"[profile] max_warmup_ms ({self.max_warmup_ms:g}) must be at least warmup_ms ({self.warmup_ms:g}); "
                f"change one of them"
            )


@dataclass(frozen=True)
class ProfileSettings(TimingSettings):
    """How a latency table is measured."""

    fit_networks: Annotated[Count, about("Whole networks that the calibration is fitted to.")] = 30
    test_networks: Annotated[Count, about("Whole networks held out to state the table's error.")] = 50
    max_mape: Annotated[Positive, about("A table whose error is above this is marked.")] = 0.1
    tolerance: Annotated[
        Share,
        about(
            "Layers are measured until those that are not add less than this fraction to the error of a network; 0 "
            "measures every layer."
        ),
    ] = 0.01
    max_passes: Annotated[Count, about("How often layers are measured in all, if the machine was slow meanwhile.")] = 2
    seed: Annotated[Natural, about("Random seed for the networks.")] = 0
    loggers: LoggerNames = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unknown(self.loggers, self.table)

    def protocol(self) -> dict[str, Any]:
        """What figures depend on: not where numbers go."""
        kept = asdict(self)
        del kept["loggers"]
        return kept

    @classmethod
    def quick(cls) -> ProfileSettings:
        """Short blocks and few networks: a small space in under a minute, with a spread of some percent."""
        return cls(
            block_ms=4.0,
            blocks=15,
            max_repeats=2,
            warmup_ms=30.0,
            max_warmup_ms=200.0,
            fit_networks=8,
            test_networks=8,
        )
