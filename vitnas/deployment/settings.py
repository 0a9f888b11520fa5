"""The settings of an export: table [export] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from vitnas.errors import SettingsError
from vitnas.latency_lut.settings import Int8Range
from vitnas.loggers.names import LoggerNames, refuse_unknown
from vitnas.settings import Count, Natural, Positive, Settings, TorchDevice, about

Level = Literal["L0", "L1", "L2"]
"""How much work is done so that layers in integers answer as they do in float."""
LEAST: Level = "L0"


@dataclass(frozen=True)
class ExportSettings(Settings):
    """How to export."""

    table = "export"

    formats: Annotated[tuple[str, ...], about("Formats, see docs/export.md.")] = ("onnx",)
    int8: Annotated[
        Literal["static", "dynamic"] | None,
        about("Write an int8 file beside that of every format that has such a variant."),
    ] = None
    int8_range: Annotated[
        Int8Range,
        about(
            "Weights of int8 files for processors: full takes 8 bits, reduced 7, for x86 processors without VNNI, and "
            "auto what this processor needs."
        ),
    ] = "auto"
    quantise: Annotated[
        Level,
        about(
            "What is done for layers that the arch has in integers: L0 smooths norms and chooses ranges, as a search does; L1 also "
            "fits weights to rounded activations and corrects biases; L2 also lets each layer learn its float answers."
        ),
    ] = LEAST
    verify_images: Annotated[
        Count, about("Validation images on which artefact and network are compared, a stratified sample.")
    ] = 1024
    accuracy_images: Annotated[
        Count | None,
        about("Images of each split on which accuracy is stated, a stratified sample; left out, all of them."),
    ] = None
    calibration_images: Annotated[Count, about("Images on which ranges of activations are measured.")] = 128
    calibration: Annotated[str | None, about("Folder of images for calibration; left out, training images.")] = None
    finetune: Annotated[Natural, about("Epochs that the extracted network is trained for by itself.")] = 0
    finetune_rate: Annotated[
        Positive | None, about("Peak learning rate of that training; left out, that of the run.")
    ] = None
    teacher: Annotated[
        str | None,
        about("Who teaches meanwhile, as in table train.distil, such as run:FOLDER; left out, the labels alone."),
    ] = None
    devices: Annotated[
        tuple[str, ...],
        about("Where the network is timed, besides the devices that it has a predicted latency for."),
    ] = ()
    measure: Annotated[bool, about("Time the network on the devices of its predictions that are here.")] = True
    torch_device: Annotated[
        TorchDevice,
        about(
            "Where the network is fine-tuned and judged: cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one."
        ),
    ] = "auto"
    loggers: LoggerNames = ()
    licence: Annotated[str, about("Licence of the weights, for the model card, as Hugging Face names it.")] = "other"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.demand("formats", 0 < len(self.formats) == len(set(self.formats)), "one or more formats, each once")
        refuse_unknown(self.loggers, self.table)
        if self.teacher is not None and not self.finetune:
            raise SettingsError(
                f"[export] teacher '{self.teacher}' has nothing to teach; give finetune, the epochs, as well"
            )
        if self.finetune_rate is not None and not self.finetune:
            raise SettingsError(
                f"[export] finetune_rate {self.finetune_rate:g} is of no training; give finetune, the epochs, as well"
            )
        if self.calibration is not None and not Path(self.calibration).is_dir():
            raise SettingsError(
                f"[export] calibration folder '{self.calibration}' does not exist; name a folder of images"
            )
