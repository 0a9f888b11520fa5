"""The settings of an export: table [export] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vitnas.deployment.exporters import EXPORTERS, Exporter
from vitnas.errors import ExportError, SettingsError


@dataclass(frozen=True)
class ExportSettings:
    """How to export; TOML table [export].

    Attributes:
        formats: names from `EXPORTERS`.
        int8: "static" or "dynamic" writes an int8 file beside that of every format that has such a variant.
        verify_images: validation images that artefact and network are compared on, a sample.
        accuracy_images: so many of the validation and of the test images tell the accuracy, a sample; None takes all.
        calibration_images: images on which ranges of activations are measured.
        calibration: a folder of images for that; None takes training images.
        finetune: epochs that the extracted network is trained for by itself, on the weights it shares no longer.
        teacher: who teaches meanwhile, as in table [train.distil]; None leaves it to the labels.
        devices: where the network is timed, besides the devices that it has a predicted latency for.
        measure: whether it is timed at all.
        licence: of the weights, for the model card, as Hugging Face names it.
    """

    formats: tuple[str, ...] = ("onnx",)
    int8: Literal["static", "dynamic"] | None = None
    verify_images: int = 1024
    accuracy_images: int | None = None
    calibration_images: int = 128
    calibration: str | None = None
    finetune: int = 0
    teacher: str | None = None
    devices: tuple[str, ...] = ()
    measure: bool = True
    licence: str = "other"

    def __post_init__(self) -> None:
        if not self.formats or len(set(self.formats)) < len(self.formats):
            raise SettingsError(
                f"formats must name one or more formats, each once; got {list(self.formats)}, have {EXPORTERS.names()}"
            )
        for name in ("verify_images", "calibration_images"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1; got {getattr(self, name)}")
        if self.accuracy_images is not None and self.accuracy_images < 1:
            raise SettingsError(f"accuracy_images must be at least 1, or left out; got {self.accuracy_images}")
        if self.finetune < 0:
            raise SettingsError(f"finetune must be 0 or more epochs; got {self.finetune}")
        if self.teacher is not None and not self.finetune:
            raise SettingsError(f"teacher '{self.teacher}' has nothing to teach; give finetune, the epochs, as well")
        if self.calibration is not None and not Path(self.calibration).is_dir():
            raise SettingsError(f"calibration folder '{self.calibration}' does not exist; name a folder of images")

    def exporters(self) -> list[Exporter]:
        """All formats in order, int8 variants after what they are variants of; refuses what cannot be written here."""
        names = list(self.formats)
        if self.int8 is not None:
            ending = "-int8" if self.int8 == "static" else "-int8-dynamic"
            variants = [name + ending for name in self.formats if name + ending in EXPORTERS]
            if not variants:
                raise SettingsError(
                    f"int8 = '{self.int8}': none of the formats {list(self.formats)} has a variant of that kind; "
                    f"have {[name for name in EXPORTERS if name.endswith(ending)]}"
                )
            names += [name for name in variants if name not in names]
        found = [EXPORTERS.load(name)() for name in names]
        for exporter in found:
            if missing := exporter.missing():
                raise ExportError(f"format '{exporter.name}' cannot be written here: {missing}")
        return found
