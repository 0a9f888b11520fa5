"""Settings: frozen dataclasses whose fields declare bounds and meaning, read from TOML with strict keys and types."""

from vitnas.settings.declared import (
    TORCH_DEVICES,
    Count,
    Natural,
    NotNegative,
    Positive,
    Probability,
    Seconds,
    Settings,
    Share,
    TorchDevice,
    about,
)
from vitnas.settings.kind import Kind, check, declared
from vitnas.settings.toml import TABLES, make_settings, read_settings, read_toml

__all__ = [
    "TABLES",
    "TORCH_DEVICES",
    "Count",
    "Kind",
    "Natural",
    "NotNegative",
    "Positive",
    "Probability",
    "Seconds",
    "Settings",
    "Share",
    "TorchDevice",
    "about",
    "check",
    "declared",
    "make_settings",
    "read_settings",
    "read_toml",
]
