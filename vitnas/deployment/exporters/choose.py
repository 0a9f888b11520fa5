"""The exporters that settings ask for."""

from __future__ import annotations

from vitnas.deployment.exporters import EXPORTERS, Exporter
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import ExportError, SettingsError


def choose_exporters(settings: ExportSettings) -> list[Exporter]:
    """All formats in order, int8 variants after what they are variants of; refuses what cannot be written here."""
    names = list(settings.formats)
    if settings.int8 is not None:
        ending = "-int8" if settings.int8 == "static" else "-int8-dynamic"
        variants = [name + ending for name in settings.formats if name + ending in EXPORTERS]
        if not variants:
            raise SettingsError(
                f"int8 = '{settings.int8}': none of the formats {list(settings.formats)} has a variant of that kind; "
                f"have {[name for name in EXPORTERS if name.endswith(ending)]}"
            )
        names += [name for name in variants if name not in names]
    found = [EXPORTERS.load(name)() for name in names]
    for exporter in found:
        exporter.int8_range = settings.int8_range
        if missing := exporter.missing():
            raise ExportError(f"format '{exporter.name}' cannot be written here: {missing}")
    return found
