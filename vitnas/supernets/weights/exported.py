"""Networks that an export left: what its folder says of them, and the network itself with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from safetensors.torch import load_file
from torch import nn

from vitnas.errors import ExportError
from vitnas.files import check_seal, read_json
from vitnas.search_spaces import Blueprint, LayerSpec, Task
from vitnas.supernets.settings.data import Fit
from vitnas.supernets.supernet import build_network

REPORT = "report.json"
"""What an export says of its folder; a folder without it is none of an export."""

ARCH, WEIGHTS = "arch.json", "weights.safetensors"
"""The network as it was trained."""

FileName = Annotated[str, msgspec.Meta(pattern=r"^\w[\w.-]*$")]
"""Of something in the folder itself."""


class _File(msgspec.Struct):
    file: FileName


class _Artefact(_File):
    num_images: int


class _Normalisation(msgspec.Struct):
    mean: tuple[float, ...]
    std: tuple[float, ...]


class _Division(msgspec.Struct):
    val_share: float
    test_share: float
    seed: int
    val: bool
    test: bool
    fit: Fit = "crop"


class _Network(msgspec.Struct):
    """What is read again of the report of one network."""

    arch_id: str
    dataset: str
    classes: tuple[str, ...]
    task: Task
    normalisation: _Normalisation
    blueprint: list[dict[str, Any]]
    weights: _File
    formats: dict[str, _Artefact]
    predicted_latency_ms: dict[str, float]
    measured_latency_ms: dict[str, float]
    division: _Division | msgspec.UnsetType = msgspec.UNSET
    latency: dict[str, dict[str, Any]] = {}


class _Networks(msgspec.Struct):
    """Of several."""

    exports: list[FileName]


def input_shape(report: Mapping[str, Any]) -> tuple[int, ...]:
    """Of one image as the network of a report takes it, which may be smaller than the images of its task."""
    return tuple(report["blueprint"][0]["in"])


def read_report(folder: Path) -> dict[str, Any]:
    """What an export of one network or of several says of itself."""
    report: dict[str, Any] = read_json(folder / REPORT)
    several = isinstance(report, dict) and "exports" in report
    try:
        msgspec.convert(report, _Networks if several else _Network)
    except msgspec.ValidationError as error:
        raise ExportError(
            f"'{folder / REPORT}' is no report of an export ({error}); name a folder that `vitnas export` wrote"
        ) from None
    return report


def exported_folders(folder: Path, report: dict[str, Any]) -> list[Path]:
    """The folder of every network of an export: of one it is the folder itself."""
    return [folder / name for name in report["exports"]] if "exports" in report else [folder]


def rebuild(folder: Path, report: dict[str, Any]) -> tuple[Blueprint, nn.Module]:
    """The network that a report speaks of, with the weights that lie beside it."""
    try:
        rows = report["blueprint"]
        blueprint = Blueprint(tuple(row["site"] for row in rows), tuple(LayerSpec.from_json(row) for row in rows))
        network = build_network(blueprint)
        weights = folder / report["weights"]["file"]
        check_seal(weights)
        network.load_state_dict(load_file(weights))
    except Exception as error:  # whatever a layer makes of a spec that vitnas did not write
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ExportError(f"'{folder}' is not a whole export ({reason}); export the network anew") from error
    return blueprint, network.eval()
