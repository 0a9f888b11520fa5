"""From an arch to a folder of checked artefacts: extract, recalibrate, fine-tune, fold, export, verify, measure, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from vitnas import __version__
from vitnas.deployment.accuracies import accuracies, tested
from vitnas.deployment.agreement import Predicted
from vitnas.deployment.artefacts import folded, write_artefact
from vitnas.deployment.calibration import calibration_images
from vitnas.deployment.compressed.network import EXECUTED, check_level, reference, write_executed
from vitnas.deployment.exporters import Exporter, Facts
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.extraction import extract, plain_of
from vitnas.deployment.finetuning import finetuned
from vitnas.deployment.flips import flips_in_half, refuse_flips
from vitnas.deployment.folder import check_folder, whole_folder
from vitnas.deployment.latency import Then, compare_latencies, devices_here
from vitnas.deployment.latency_report import describe
from vitnas.deployment.logged import export_loggers, figures_of
from vitnas.deployment.model_card import CARD, DIAGRAM, model_card
from vitnas.deployment.settings import ExportSettings
from vitnas.deployment.verification import answers, at_size, images_compared
from vitnas.errors import ExportError
from vitnas.files import BLANK, KEY, seal_bytes, write_bytes, write_json
from vitnas.loggers.names import refuse_missing
from vitnas.loggers.opened import Loggers
from vitnas.run import RunFolder, processor
from vitnas.search_spaces import Arch, Blueprint, Compressed, SearchSpace
from vitnas.search_spaces.answers import CLASS, metric_of
from vitnas.supernets.counting.counts import count
from vitnas.supernets.data import Dataset
from vitnas.supernets.evaluation import judgement_of
from vitnas.supernets.precision.quantised import precisions_of
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.tested import add_tested
from vitnas.supernets.torch_device import describe_device, find_device
from vitnas.supernets.weights.exported import ARCH, REPORT, WEIGHTS

Report = dict[str, Any]
"""What `report.json` holds; see `export`."""


Draw = Callable[[Blueprint, Path, str], None]
"""Draws a network to a file, with a title."""


def export(
    space: SearchSpace,
    network: nn.Module,
    arch: Arch,
    dataset: Dataset,
    out: Path,
    settings: ExportSettings = ExportSettings(),
    *,
    force: bool = False,
    run: RunFolder | None = None,
    latency_ms: Mapping[str, float | Predicted] | None = None,
    tables: Mapping[str, Path] | None = None,
    chosen: str | None = None,
    draw: Draw | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Writes a folder with the plain weights, an artefact for each format, and the proof that they agree.

    The folder holds `arch.json`, `weights.safetensors` (the state of
    `build_network(space.lower(arch))`), the artefacts, `report.json` and a model card. It is there
    complete, or not at all: a limit that breaks raises ExportError and leaves nothing.

    Args:
        space: the space of the arch.
        network: a Supernet, or the plain network of this arch with weights of its own.
        arch: what to export.
        dataset: its training images recalibrate and calibrate, its validation images verify, its test images testify.
        out: a folder that does not exist or is empty.
        settings: formats and numbers of images.
        force: replace a folder that an earlier export wrote and nobody changed.
        run: where the weights come from; needed to fine-tune.
        latency_ms: predicted latency for each device; a `Predicted` also has its error and the limit of the search.
        tables: latency table for each device, which tells how fast the machine was; without, those of `run`.
        chosen: how the arch was chosen and what it gives up, for the model card.
        draw: draws the network for the model card.
        progress: told every step.
    """
    job = _Job(space, network, dataset, settings, choose_exporters(settings), run, dict(tables or {}), draw, progress)
    out = job.check(out, force)
    arch = job.check_arch(arch)
    check_level(settings.quantise, space)
    with job.logged([arch], out) as loggers:
        with whole_folder(out) as draft:
            report = job.write(arch, latency_ms or {}, draft, chosen)
        job.keep([report], out, loggers)
    return report


def export_all(
    space: SearchSpace,
    supernet: Supernet,
    archs: Sequence[Arch],
    dataset: Dataset,
    out: Path,
    settings: ExportSettings = ExportSettings(),
    *,
    force: bool = False,
    run: RunFolder | None = None,
    latency_ms: Sequence[Mapping[str, float | Predicted]] | None = None,
    tables: Mapping[str, Path] | None = None,
    draw: Draw | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Report]:
    """`export` for several archs, such as a front: one sub-folder each, named by rank and id.

    `report.json` of the whole folder lists them. All are written, or none.
    """
    job = _Job(space, supernet, dataset, settings, choose_exporters(settings), run, dict(tables or {}), draw, progress)
    out = job.check(out, force)
    if not archs:
        raise ExportError("there is no arch to export; give a front that has points")
    checked = [job.check_arch(arch) for arch in archs]
    check_level(settings.quantise, space)
    latencies = latency_ms or [{}] * len(checked)
    reports = {}
    with job.logged(checked, out) as loggers:
        with whole_folder(out) as draft:
            for rank, (arch, latency) in enumerate(zip(checked, latencies, strict=True)):
                folder = draft / f"{rank:03d}-{arch.id}"
                folder.mkdir()
                reports[folder.name] = job.write(arch, latency, folder)
            write_json(draft / REPORT, {**_provenance(), "exports": list(reports)})
        job.keep(list(reports.values()), out, loggers)
    return list(reports.values())


@dataclass(frozen=True)
class _Job:
    """What the exports of one call have in common."""

    space: SearchSpace
    source: nn.Module
    dataset: Dataset
    settings: ExportSettings
    exporters: Sequence[Exporter]
    run: RunFolder | None
    tables: Mapping[str, Path]
    draw: Draw | None
    progress: Callable[[str], None] | None

    def say(self, step: str) -> None:
        if self.progress is not None:
            self.progress(step)

    def check(self, out: Path, force: bool) -> Path:
        """The folder, free to be written, once the settings can be followed."""
        out = check_folder(out, force)
        find_device(self.settings.torch_device, "[export] torch_device")
        refuse_missing(self.settings.loggers)
        if self.settings.measure:
            devices_here(self.settings.devices, ())
        if self.settings.finetune and self.run is None:
            raise ExportError(
                "fine-tuning goes on as the supernet was trained, so it needs the run; give run=RunFolder"
            )
        return out

    def check_arch(self, arch: Arch) -> Arch:
        dataset, arch = self.dataset, self.space.check(arch)
        dataset.check(self.space)
        for split, images in (("train", dataset.train), ("val", dataset.val)):
            if len(images) < 2:
                raise ExportError(
                    f"dataset '{dataset.name}' has {len(images)} images in split '{split}', and an export needs 2 or more to calibrate and verify; add images"
                )
        for site, precision in precisions_of(self.space.lower(arch)).items():
            for exporter in self.exporters:
                if reason := exporter.refuses(precision):
                    raise ExportError(
                        f"arch {arch.id} has layer '{site}' at '{precision}', which format '{exporter.name}' cannot hold: {reason}; "
                        "choose another format or another arch"
                    )
        return arch

    def logged(self, archs: Sequence[Arch], out: Path) -> Loggers:
        loggers = export_loggers(self.settings, self.space, archs, out)
        for place in loggers.places:
            self.say(place)
        return loggers

    def keep(self, reports: Sequence[Report], out: Path, loggers: Loggers) -> None:
        """What the test images say goes to the run, whose page shows it; loggers get all, the arch's rank as its step."""
        if self.run is not None:
            add_tested(self.run, [one for report in reports for one in tested(report)])
        for rank, report in enumerate(reports):
            loggers.numbers(rank, figures_of(report))
        loggers.artefact(out)

    def write(
        self, arch: Arch, latency_ms: Mapping[str, float | Predicted], folder: Path, chosen: str | None = None
    ) -> Report:
        space, dataset, settings = self.space, self.dataset, self.settings
        blueprint, device = space.lower(arch), find_device(settings.torch_device, "[export] torch_device")
        task = space.task
        x, truth = dataset.val.sample(images_compared(task, settings.verify_images)).shuffled().all()
        x = at_size(x, blueprint)
        example = at_size(calibration_images(settings, dataset), blueprint)
        self.say(f"extracting {arch.id}")
        base, plain = plain_of(space, arch)
        network, recalibrated = extract(base, self.source, plain, dataset.train, dataset.val)
        shared = None
        if settings.finetune:
            assert self.run is not None
            self.say(f"fine-tuning {arch.id}")
            shared = judgement_of(network, dataset.val, settings.accuracy_images, device)
            trained = finetuned(self.run, arch, settings, space=space)
            network, _ = extract(base, trained, plain, dataset.train, dataset.val)
        in_half = any(exporter.most_flips is not None for exporter in self.exporters)
        flips = flips_in_half(network, x) if in_half else None
        if flips is not None:
            self.say(f"{arch.id}: {flips}")
        for exporter in self.exporters:
            refuse_flips(exporter, flips, f"arch {arch.id}")
        expected = answers(network, x)
        deployed = folded(network, example, x, expected)
        judged, compression, in_float = network, None, expected
        if low := reference(deployed, blueprint, example, settings.quantise):
            self.say(f"{arch.id} at its precisions: {settings.quantise}")
            compression = low.report(settings.quantise, (x, expected, truth), task.answer)
            write_executed(low.executed, folder / EXECUTED)
            judged = deployed = low.network
            expected = answers(deployed, x)
        elif isinstance(space, Compressed):
            self.say(f"{arch.id} has all its layers in float")
        titles = space.name, arch.id, dataset.name
        pixels = tuple(dataset.mean), tuple(dataset.std)
        asked, metric = None if task.answer == CLASS else task.answer, metric_of(task.answer)
        facts = Facts(*titles, *pixels, task.num_classes, dataset.classes, next(iter(latency_ms), None), asked)
        write_json(folder / ARCH, arch.to_json())
        state = {name: t.contiguous() for name, t in network.state_dict().items()}
        write_bytes(folder / WEIGHTS, seal_bytes(save(state, {KEY: BLANK})))
        formats = {}
        for exporter in self.exporters:
            self.say(f"exporting {arch.id} to {exporter.name}")
            val = x, expected, truth
            formats[exporter.name] = write_artefact(exporter, deployed, example, val, facts, folder, in_float)
        self.say(f"judging {arch.id}")
        accuracy = accuracies(judged, dataset, settings.accuracy_images, shared, device)
        predicted = {name: ms if isinstance(ms, Predicted) else Predicted(ms) for name, ms in latency_ms.items()}
        timers = devices_here(settings.devices, predicted) if settings.measure else []
        if timers:
            self.say(f"measuring {arch.id}")
        then = Then.of_tables(space, [*predicted, *(timer.name for timer in timers)], self.tables, self.run)
        latencies = compare_latencies(blueprint, timers, predicted, then, settings.measure, self.say)
        report = {
            **_provenance(),
            "space": {"name": space.name, "fingerprint": space.fingerprint},
            "arch_id": arch.id,
            "arch": arch.to_json(),
            "chosen": chosen,
            "task": task.to_json(),
            "dataset": dataset.name,
            "classes": list(dataset.classes),
            "normalisation": {"mean": list(dataset.mean), "std": list(dataset.std)},
            "counts": asdict(count(blueprint)),
            "weights": {"file": WEIGHTS, "size_bytes": size_bytes(folder / WEIGHTS), "recalibrated": recalibrated},
            "finetuned_epochs": settings.finetune,
            "compression": compression,
            "division": dataset.division.told(),
            **({} if asked is None else {"metric": metric}),
            metric: accuracy,
            "judged_on": describe_device(device),
            "formats": formats,
            "flips": None if flips is None else asdict(flips),
            "predicted_latency_ms": {name: told.ms for name, told in predicted.items()},
            "measured_latency_ms": {n: one.reading.raw_ms for n, one in latencies.items() if one.reading is not None},
            "latency": {name: describe(one) for name, one in latencies.items()},
            "processor": processor(),
            "licence": settings.licence,
            "blueprint": blueprint.to_json(),
        }
        write_json(folder / REPORT, report)
        if self.draw is not None:
            self.draw(blueprint, folder / DIAGRAM, f"{space.name} {arch.id}")
        write_bytes(folder / CARD, model_card(report, has_diagram=self.draw is not None).encode())
        return report


def _provenance() -> Report:
    return {"vitnas": __version__, "date": datetime.now(UTC).isoformat(timespec="seconds")}


__all__ = ["Draw", "ExportSettings", "Report", "export", "export_all"]
