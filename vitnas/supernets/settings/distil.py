"""The settings of teaching by an outside network: table [train.distil] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vitnas.errors import SettingsError
from vitnas.settings import Settings, about


@dataclass(frozen=True)
class Distil(Settings):
    """Who teaches lessons that no other subnet teaches. By default the labels alone do."""

    table = "train.distil"

    teacher: Annotated[
        str | None,
        about("timm:NAME, timm:NAME@FILE.safetensors, run:FOLDER, run:FOLDER@ARCH.json or export:FOLDER."),
    ] = None
    logits: Annotated[str | None, about("Folder that `vitnas teach` wrote, in place of a teacher at work.")] = None
    weight: Annotated[float, about("Share of the teacher in the target; the labels have the rest.", gt=0, le=1)] = 1.0
    temperature: Annotated[float, about("Temperature of the teacher; less than 1 makes it surer.", ge=0.01, le=100)] = (
        1.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher is not None and self.logits is not None:
            raise SettingsError(
                f"[train.distil] names teacher '{self.teacher}' and logits '{self.logits}'; give one of the two"
            )
