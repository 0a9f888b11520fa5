"""From an arch to a folder of checked artefacts: extract, recalibrate, export, verify, report."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from vitnas import __version__
from vitnas.deployment.exporters import EXPORTERS, Exporter, Facts
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.extraction import extract
from vitnas.deployment.folder import REPORT, check_folder, whole_folder
from vitnas.deployment.verification import answers, blame, compare, first_line
from vitnas.errors import ExportError, SettingsError
from vitnas.files import write_bytes, write_json
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.counting import count
from vitnas.supernets.data import Dataset
from vitnas.supernets.supernet import Supernet

WEIGHTS = "weights.safetensors"
ARCH = "arch.json"

Report = dict[str, Any]
"""What `report.json` holds; see `export`."""


@dataclass(frozen=True)
class ExportSettings:
    """How to export; TOML table [export].

    Attributes:
        formats: names from `EXPORTERS`.
        verify_images: validation images that artefact and network are compared on.
    """

    formats: tuple[str, ...] = ("onnx",)
    verify_images: int = 1024

    def __post_init__(self) -> None:
        if not self.formats or len(set(self.formats)) < len(self.formats):
            raise SettingsError(
                f"formats must name one or more formats, each once; got {list(self.formats)}, have {EXPORTERS.names()}"
            )
        if self.verify_images < 1:
            raise SettingsError(f"verify_images must be at least 1; got {self.verify_images}")


def export(
    space: SearchSpace,
    network: nn.Module,
    arch: Arch,
    dataset: Dataset,
    out: Path,
    settings: ExportSettings = ExportSettings(),
    *,
    force: bool = False,
    latency_ms: Mapping[str, float] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Writes a folder with the plain weights, an artefact for each format, and the proof that they agree.

    The folder holds `arch.json`, `weights.safetensors` (the state of
    `build_network(space.lower(arch))`), the artefacts and `report.json`. It is there complete, or
    not at all: a limit that breaks raises ExportError and leaves nothing.

    Args:
        space: the space of the arch.
        network: a Supernet, or the plain network of this arch with weights of its own.
        arch: what to export.
        dataset: its training images recalibrate and calibrate, its validation images verify.
        out: a folder that does not exist or is empty.
        settings: formats and numbers of images.
        force: replace a folder that an earlier export wrote.
        latency_ms: predicted latency for each device, for the report.
        progress: told every step.
    """
    exporters = _exporters(settings)
    out = check_folder(out, force)
    arch = _check(space, arch, dataset)
    with whole_folder(out) as draft:
        return _write(space, network, arch, dataset, exporters, settings, latency_ms or {}, draft, progress)


def export_all(
    space: SearchSpace,
    supernet: Supernet,
    archs: Sequence[Arch],
    dataset: Dataset,
    out: Path,
    settings: ExportSettings = ExportSettings(),
    *,
    force: bool = False,
    latency_ms: Sequence[Mapping[str, float]] | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Report]:
    """`export` for several archs, such as a front: one sub-folder each, named by rank and id.

    `report.json` of the whole folder lists them. All are written, or none.
    """
    exporters = _exporters(settings)
    out = check_folder(out, force)
    if not archs:
        raise ExportError("there is no arch to export; give a front that has points")
    checked = [_check(space, arch, dataset) for arch in archs]
    latencies = latency_ms or [{}] * len(checked)
    reports = {}
    with whole_folder(out) as draft:
        for rank, (arch, latency) in enumerate(zip(checked, latencies, strict=True)):
            folder = draft / f"{rank:03d}-{arch.id}"
            folder.mkdir()
            reports[folder.name] = _write(
                space, supernet, arch, dataset, exporters, settings, latency, folder, progress
            )
        write_json(draft / REPORT, {**_provenance(), "exports": list(reports)})
    return list(reports.values())


def _write(
    space: SearchSpace,
    source: nn.Module,
    arch: Arch,
    dataset: Dataset,
    exporters: Sequence[Exporter],
    settings: ExportSettings,
    latency_ms: Mapping[str, float],
    folder: Path,
    progress: Callable[[str], None] | None,
) -> Report:
    say = progress or (lambda step: None)
    say(f"extracting {arch.id}")
    network, recalibrated = extract(space, source, arch, dataset.train, dataset.val)
    example, _ = dataset.train.first(128)
    val = dataset.val.first(settings.verify_images)
    blueprint = space.lower(arch)
    facts = Facts(space.name, arch.id, dataset.name, tuple(dataset.mean), tuple(dataset.std), space.task.num_classes)
    write_json(folder / ARCH, arch.to_json())
    write_bytes(folder / WEIGHTS, save({name: t.contiguous() for name, t in network.state_dict().items()}))
    formats = {}
    for exporter in exporters:
        say(f"exporting {arch.id} to {exporter.name}")
        formats[exporter.name] = _write_format(exporter, network, example, val, facts, folder)
    report = {
        **_provenance(),
        "space": {"name": space.name, "fingerprint": space.fingerprint},
        "arch_id": arch.id,
        "arch": arch.to_json(),
        "task": asdict(space.task),
        "dataset": dataset.name,
        "normalisation": {"mean": list(dataset.mean), "std": list(dataset.std)},
        "counts": asdict(count(blueprint)),
        "weights": {"file": WEIGHTS, "size_bytes": size_bytes(folder / WEIGHTS), "recalibrated": recalibrated},
        "formats": formats,
        "predicted_latency_ms": dict(latency_ms),
        "blueprint": blueprint.to_json(),
    }
    write_json(folder / REPORT, report)
    return report


def _write_format(
    exporter: Exporter, network: nn.Module, example: Tensor, val: tuple[Tensor, Tensor], facts: Facts, folder: Path
) -> Report:
    """One artefact in the folder, verified; its part of the report."""
    where = f"arch {facts.arch_id}, format '{exporter.name}'"
    x, labels = val
    try:
        path = exporter.export(network, example, facts, folder)
        found = exporter.run(path, x)
    except OSError:
        raise  # the disk, not the network
    except Exception as error:  # converters raise whatever they like
        reason = _blame(exporter, network, example, facts) or first_line(error)
        raise ExportError(f"{where}: {reason}; choose another format or another arch") from error
    parity = compare(answers(network, x), found, labels)
    breaches = parity.breaches(exporter.limits)
    if breaches:
        culprit = _blame(exporter, network, example, facts) or "no layer strays when exported alone"
        raise ExportError(
            f"{where}: {'; '.join(breaches)}; {culprit}. Nothing was written; choose another format or another arch"
        )
    return {
        "file": path.name,
        "size_bytes": size_bytes(path),
        **asdict(parity),
        "limits": {**asdict(exporter.limits), "hold": not breaches},
    }


def _blame(exporter: Exporter, network: nn.Module, example: Tensor, facts: Facts) -> str | None:
    with tempfile.TemporaryDirectory() as scratch:
        return blame(exporter, network, example[:8], facts, exporter.limits.max_difference, Path(scratch))


def _exporters(settings: ExportSettings) -> list[Exporter]:
    return [EXPORTERS.load(name)() for name in settings.formats]


def _check(space: SearchSpace, arch: Arch, dataset: Dataset) -> Arch:
    arch = space.check(arch)
    dataset.check(space)
    for split, images in (("train", dataset.train), ("val", dataset.val)):
        if len(images) < 2:
            raise ExportError(
                f"dataset '{dataset.name}' has {len(images)} images in split '{split}', and an export needs 2 or more to calibrate and verify; add images"
            )
    return arch


def _provenance() -> Report:
    return {"vitnas": __version__, "date": datetime.now(UTC).isoformat(timespec="seconds")}
