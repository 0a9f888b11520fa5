"""Published measurements: of which machines rows are used, what they measured, and which networks fell back.

The file is data to fit to and is not part of vitnas; see docs/iphone-estimate.md for its columns.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vitnas.errors import DataError
from vitnas.latency_lut.estimate.cost import BYTES
from vitnas.latency_lut.estimate.ops import Op


@dataclass(frozen=True)
class Machine:
    """A device as published figures have it.

    Attributes:
        called: what the file calls it; machines of one chip that cool alike count as one.
        chip: of all of them.
        factor: a first guess of its latencies beside those of the first machine of its group.
    """

    called: tuple[str, ...]
    chip: str
    factor: float = 1.0


@dataclass(frozen=True)
class MachineGroup:
    """Machines whose operators have the same prices up to one factor a machine.

    Attributes:
        machines: by the name that vitnas gives them; prices are those of the first.
        runtime: what ran the networks.
        precision: in which.
        shipped: the machines that can be estimated, the others only help to fit.
        batch: images of a call, which is what a latency is of.
        rows: what columns of the file must match, as regular expressions.
        falls_back: some networks leave the accelerator, and rows and notes show which.
        by_maker: the maker's figures are a guess of the prices; otherwise the guess is brought to the scale of the rows.
    """

    machines: Mapping[str, Machine]
    runtime: str
    precision: str
    shipped: tuple[str, ...]
    batch: int = 1
    rows: Mapping[str, str] = field(default_factory=dict)
    falls_back: bool = False
    by_maker: bool = False

    def device_of(self, record: Mapping[str, str]) -> str | None:
        """The machine that a row of the file was measured on as this group wants it, if any."""
        if not all(re.fullmatch(pattern, record[column]) for column, pattern in self.rows.items()):
            return None
        return next((name for name, machine in self.machines.items() if record["device"] in machine.called), None)


GROUPS = {
    "apple": MachineGroup(
        {
            "iphone12": Machine(("iPhone 12", "iPhone 12 Pro", "iPhone 12 Pro Max"), "A14"),
            "iphone13": Machine(("iPhone 13",), "A15", 0.85),
            "iphone14": Machine(("iPhone 14",), "A15", 0.85),
            "iphone14-pro": Machine(("iPhone 14 Pro",), "A16", 0.6),
            "iphone15-pro": Machine(("iPhone 15 Pro",), "A17 Pro", 0.5),
        },
        "Core ML",
        "fp16",
        ("iphone12", "iphone13", "iphone14"),
        rows={"compute_unit": "(?!CPU$).*", "precision": "fp16(?!.*sparse).*"},
        falls_back=True,
        by_maker=True,
    ),
    "galaxy-s24-npu": MachineGroup(
        {"galaxy-s24-npu": Machine(("Samsung Galaxy S24",), "Snapdragon 8 Gen 3")},
        "LiteRT on the NPU",
        "fp16",
        ("galaxy-s24-npu",),
        rows={"compute_unit": "NPU", "precision": "float", "runtime": "QAIRT/tflite"},
    ),
    "i7-12700h": MachineGroup(
        {"i7-12700h": Machine(("Intel i7-12700H",), "Intel i7-12700H")},
        "torch.compile",
        "fp32",
        ("i7-12700h",),
        rows={"runtime": ".*torch.compile"},
    ),
    "rtx4090": MachineGroup(
        {"rtx4090": Machine(("NVIDIA RTX 4090",), "NVIDIA RTX 4090")},
        "torch.compile",
        "amp",
        ("rtx4090",),
        batch=1024,
        rows={"runtime": ".*torch.compile", "batch": "1024", "precision": "amp"},
    ),
}
"""A fitted model each. Tried and not good enough: see docs/iphone-estimate.md."""
FAMILIES = (
    "efficientformerv2", "efficientformer", "efficientnetv2", "tf_efficientnetv2", "tf_efficientnet", "efficientnet",
    "efficientvit_b", "efficientvit_l", "efficientvit_m", "repvit", "mobileone", "mobilenetv1", "mobilenetv2",
    "mobilenetv3", "mobilenetv4", "poolformer", "caformer", "convformer", "convnextv2", "convnext", "fastvit",
    "mobilevitv2", "mobilevit", "ghostnetv3", "ghostnet", "repghost", "iformer", "deit3", "deit", "beit", "eva", "vit",
    "pit", "pvt_v2", "resnetv2", "resnext", "resnest", "resnet", "seresnext", "seresnet", "wide_resnet", "skresne",
    "ecaresnet", "res2net", "regnet", "repvgg", "vgg", "inception", "swinv2", "swin", "starnet", "shvit", "swiftformer",
    "cspresnet", "cspdarknet", "darknet", "densenet", "hgnetv2", "hgnet", "hrnet", "dla", "dpn", "rexnet", "lcnet",
    "mixnet", "mnasnet", "semnasnet", "spnasnet", "fbnet", "tinynet", "cait", "xcit", "twins", "nextvit", "edgenext",
    "tiny_vit", "levit", "coatnet", "coat", "maxvit", "maxxvit", "davit", "focalnet", "hiera", "mvitv2", "gcvit",
    "crossvit", "visformer", "sequencer", "volo", "xception", "nfnet", "dm_nf", "eca_nf", "nf_", "gernet", "tresnet",
    "selecsls", "fasternet", "rdnet", "mambaout", "hardcore", "peleenet", "test_",
)  # fmt: skip
"""Beginnings of timm's names, the longer ones first; MobileCLIP's towers are FastViTs."""
SAME_FAMILY = {
    "deit": "vit", "deit3": "vit", "beit": "vit", "eva": "vit", "tf_efficientnet": "efficientnet", "wide_resnet": "resnet",
    "tf_efficientnetv2": "efficientnetv2", "caformer": "poolformer", "convformer": "poolformer",
}  # fmt: skip
RENAMED = {"vit_base_patch16_224 (clip stem variant)": "vit_base_mci_224"}
COLUMNS = ("device", "timm_name", "resolution", "latency_ms", "compute_unit", "precision", "source", "notes")
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
class PublishedRow:
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


def read_rows(path: Path, group: MachineGroup = GROUPS["apple"]) -> list[PublishedRow]:
    """Rows of a group's machines with a timm name; what the file itself doubts is left out."""
    if not path.is_file():
        raise DataError(
            f"'{path}' does not exist; it is the CSV file of published latencies, which vitnas does not ship"
        )
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = {*COLUMNS, *group.rows} - {*(reader.fieldnames or ())}
        if missing:
            raise DataError(f"'{path}' lacks the columns {sorted(missing)}; it has {reader.fieldnames}")
        for record in reader:
            notes, device, sizes = record["notes"], group.device_of(record), re.findall(r"\d+", record["resolution"])
            doubted = any(word in notes for word in NOT_TRUSTED)
            if device is None or not record["timm_name"] or not sizes or doubted:
                continue
            refused = any(word in notes for word in UNSUPPORTED)
            if not record["latency_ms"] and not refused:
                continue
            model = RENAMED.get(record["timm_name"], record["timm_name"])
            found.append(
                PublishedRow(
                    device, model, int(sizes[-1]), family(model),
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


def fell_back(row: PublishedRow, ops: Sequence[Op]) -> bool:
    """Whether a row was not measured on the Neural Engine: its note says so, or it is too slow for any such machine."""
    return row.noted_fallback or row.ms is None or row.ms > CLIFF * nominal_ms(ops)
