"""Published measurements on iPhones: which rows are used, what they measured, and which networks fell back.

The file is data to fit to and is not part of vitnas; see docs/iphone-estimate.md for its columns.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitnas.errors import DataError
from vitnas.latency_lut.estimate.cost import BYTES
from vitnas.latency_lut.estimate.ops import Op

DEVICES = {
    "iphone12": ("iPhone 12", "iPhone 12 Pro", "iPhone 12 Pro Max"),
    "iphone13": ("iPhone 13",),
    "iphone14": ("iPhone 14",),
    "iphone14-pro": ("iPhone 14 Pro",),
    "iphone15-pro": ("iPhone 15 Pro",),
}
"""Phones of one chip that cool alike count as one device."""
CHIPS = {"iphone12": "A14", "iphone13": "A15", "iphone14": "A15", "iphone14-pro": "A16", "iphone15-pro": "A17 Pro"}
FAMILIES = (
    "efficientformerv2", "efficientformer", "efficientnet", "efficientvit_b", "efficientvit_m", "repvit", "mobileone",
    "mobilenetv1", "mobilenetv2", "mobilenetv3", "mobilenetv4", "poolformer", "convnext", "fastvit", "mobilevitv2",
    "mobilevit", "ghostnetv3", "ghostnet", "iformer", "deit", "vit", "pit", "pvt_v2", "resnet", "inception", "swin",
    "starnet", "shvit", "swiftformer",
)  # fmt: skip
"""Beginnings of timm's names, the longer ones first; MobileCLIP's towers are FastViTs."""
SAME_FAMILY = {"deit": "vit"}
RENAMED = {"vit_base_patch16_224 (clip stem variant)": "vit_base_mci_224"}
NOT_TRUSTED = ("transcription error",)
FELL_BACK = ("fallback",)
UNSUPPORTED = ("reported 'NS'", "reported 'NA'", "reported 'Failed'")
"""What the notes of a row say."""

NOMINAL_MACS = 5.5e12
NOMINAL_BANDWIDTH = 34.1e9
NOMINAL_START_MS = 0.28
"""An A14 by its maker's figures: 11 TOPS, LPDDR4X on 64 bits, and a call's constant from earlier fits."""
CLIFF = 1.5
"""Slower than this many times a machine without any memory on the chip: the network is elsewhere."""


@dataclass(frozen=True)
class Row:
    """One published figure.

    Attributes:
        device: as vitnas calls it.
        model: timm's name.
        image_size: side in pixels.
        family: what is left out together.
        source: the publication, without table or version.
        citation: the same as the file gives it.
        ms: milliseconds; None where the phone refused the network.
        noted_fallback: the file says that the network fell back.
    """

    device: str
    model: str
    image_size: int
    family: str
    source: str
    citation: str
    ms: float | None
    noted_fallback: bool

    @property
    def network(self) -> tuple[str, int]:
        return self.model, self.image_size


def read_rows(path: Path) -> list[Row]:
    """Rows in fp16 with a timm name, measured with all units allowed; what the file itself doubts is left out."""
    if not path.is_file():
        raise DataError(
            f"'{path}' does not exist; it is the CSV file of published latencies, which vitnas does not ship"
        )
    device_of = {phone: name for name, phones in DEVICES.items() for phone in phones}
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = {
            "device",
            "timm_name",
            "resolution",
            "latency_ms",
            "compute_unit",
            "precision",
            "source",
            "notes",
        } - {*(reader.fieldnames or ())}
        if missing:
            raise DataError(f"'{path}' lacks the columns {sorted(missing)}; it has {reader.fieldnames}")
        for record in reader:
            notes, precision = record["notes"], record["precision"]
            if (
                record["device"] not in device_of
                or not record["timm_name"]
                or record["compute_unit"] == "CPU"
                or not precision.startswith("fp16")
                or "sparse" in precision
                or any(word in notes for word in NOT_TRUSTED)
            ):
                continue
            refused = any(word in notes for word in UNSUPPORTED)
            if not record["latency_ms"] and not refused:
                continue
            model = RENAMED.get(record["timm_name"], record["timm_name"])
            found.append(
                Row(
                    device_of[record["device"]], model, int(record["resolution"]), family(model),
                    " ".join(record["source"].split()[:2]).rstrip(","), record["source"],
                    float(record["latency_ms"]) if record["latency_ms"] else None,
                    refused or any(word in notes for word in FELL_BACK),
                )
            )  # fmt: skip
    return found


def family(model: str) -> str:
    """What a model is kin to; its own name where that is not known."""
    for start in FAMILIES:
        if model.startswith(start):
            return SAME_FAMILY.get(start, start)
    return model


def nominal_ms(ops: Sequence[Op]) -> float:
    """What a machine of the maker's figures takes that sends every tensor through its main memory, nothing fitted."""
    seconds = sum(
        max(op.macs / NOMINAL_MACS, BYTES * (op.read + op.written + op.weights) / NOMINAL_BANDWIDTH) for op in ops
    )
    return NOMINAL_START_MS + 1e3 * seconds


def fell_back(row: Row, ops: Sequence[Op]) -> bool:
    """Whether a row was not measured on the Neural Engine: its note says so, or it is too slow for any such machine."""
    return row.noted_fallback or row.ms is None or row.ms > CLIFF * nominal_ms(ops)
