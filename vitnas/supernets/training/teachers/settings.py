"""The settings of teaching by an outside network: table [train.distil] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass

from vitnas.errors import SettingsError


@dataclass(frozen=True)
class Distil:
    """Who teaches lessons that no other subnet teaches. By default the labels alone do.

    Attributes:
        teacher: "timm:NAME", "timm:NAME@FILE.safetensors", "run:FOLDER", "run:FOLDER@ARCH.json" or "export:FOLDER".
        logits: a folder that `vitnas teach` wrote, instead of a teacher at work.
        weight: share of the teacher in the target; the rest is the labels'.
        temperature: of the teacher; less than 1 makes it surer.
    """

    teacher: str | None = None
    logits: str | None = None
    weight: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.teacher is not None and self.logits is not None:
            raise SettingsError(
                f"[train.distil] names teacher '{self.teacher}' and logits '{self.logits}'; give one of the two"
            )
        self._demand("weight", 0 < self.weight <= 1, "a share: more than 0, at most 1")
        self._demand("temperature", 0.01 <= self.temperature <= 100, "from 0.01 to 100")

    def _demand(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise SettingsError(f"[train.distil] {name} must be {rule}; got {getattr(self, name)!r}, change it")
