"""The settings of cascades: table [cascade] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vitnas.errors import SettingsError, suggest
from vitnas.settings import Count, Natural, NotNegative, Settings, Share, about
from vitnas.supernets.cascades.rules import RULES


@dataclass(frozen=True)
class CascadeSettings(Settings):
    """How a cascade is chosen."""

    table = "cascade"

    max_drop: Annotated[
        Share,
        about("Accuracy that a cascade may lose against the arch that it stands in for, on the images that choose."),
    ] = 0.002
    margin: Annotated[
        NotNegative,
        about(
            "Standard errors, of the difference to that arch, by which a cascade is to be better than allowed, if one is: the best of "
            "many on some images is worse on others."
        ),
    ] = 1.0
    parts: Annotated[int, about("Archs of a cascade, at most.", ge=2, le=4)] = 3
    rules: Annotated[tuple[str, ...], about("Rules that are tried: confidence, entropy, gate.")] = (
        "confidence",
        "entropy",
        "gate",
    )
    archs: Annotated[Count, about("Archs of the front that are looked at, with all their prefixes.")] = 8
    patience: Annotated[
        Share, about("Accuracy that the milliseconds of the last arch are worth to the gate: the published beta.")
    ] = 0.02
    seed: Annotated[Natural, about("Of the halves of the validation images.")] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.demand("rules", 0 < len(self.rules) == len(set(self.rules)), "one or more rules, each once")
        for name in self.rules:
            if name not in RULES:
                raise SettingsError(f"[{self.table}] rules: no rule '{name}'; {suggest(name, RULES)}")
