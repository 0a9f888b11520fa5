"""The words in which settings are declared, and their common base, which checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from vitnas.errors import SettingsError
from vitnas.settings.kind import check


def about(text: str, **bounds: Any) -> Meta:
    """What a setting means, beside its bounds: `ge`, `gt`, `le`, `lt`.

    The text is the help of its flag and its row in the reference.
    """
    return Meta(description=text, **bounds)


Count = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Probability = Annotated[float, Meta(ge=0, le=1)]
TORCH_DEVICES = r"^(auto|cpu|mps|cuda(:[0-9]+)?)\Z"
TorchDevice = Annotated[str, Meta(pattern=TORCH_DEVICES, examples=["cuda:1"])]
"""Where torch computes: ``auto``, ``cpu``, ``cuda``, one GPU by its number, or ``mps``."""
Seconds = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]
"""Seconds in a file; flags take them with a unit, such as ``10m``."""


class Settings:
    """Base of the settings dataclasses: an instance holds what its fields declare, or is never made.

    Attributes:
        table: of a settings file, such as "train.augment".
        replaced: keys of earlier versions, with a value and what it says in the keys of this one.
    """

    table: ClassVar[str]
    replaced: ClassVar[tuple[tuple[str, object, Mapping[str, Any]], ...]] = ()

    def __post_init__(self) -> None:
        check(type(self), {field.name: getattr(self, field.name) for field in fields(self)}, f"[{self.table}]")  # type: ignore[arg-type]

    def demand(self, name: str, holds: bool, rule: str) -> None:
        """Refuses a field whose value breaks a rule that no bound can state, such as one between two fields."""
        if not holds:
            raise SettingsError(f"[{self.table}] {name} must be {rule}; got {getattr(self, name)!r}, change it")
