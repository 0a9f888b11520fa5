"""From a cascade to a folder: a checked file for every part and format, thresholds of each format, and a runner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vitnas import __version__
from vitnas.deployment.artefacts import folded
from vitnas.deployment.calibration import calibration_images
from vitnas.deployment.cascades.decided import PartAnswers, decide, given_by_files, given_by_network
from vitnas.deployment.cascades.part_formats import OnnxParts, PartFormat, part_format
from vitnas.deployment.cascades.runner import NAME, runner
from vitnas.deployment.exporters import Facts
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.extraction import extract
from vitnas.deployment.folder import check_folder, whole_folder
from vitnas.deployment.settings import ExportSettings
from vitnas.deployment.verification import answers
from vitnas.errors import ExportError
from vitnas.files import write_bytes, write_json
from vitnas.nas.cascades.judged import halves
from vitnas.search_spaces import Cascade, SearchSpace
from vitnas.supernets.cascades.network import NEXT, CascadeNetwork, PartNetwork, cascade_network
from vitnas.supernets.data import Dataset
from vitnas.supernets.supernet import Supernet

FILE, RULE = "cascade.json", "rule.json"
FORMAT = "vitnas-rule/1"
ON_FOLDING = 64
"""Images on which folded networks are held against networks as they were."""


def export_cascade(
    space: SearchSpace,
    supernet: Supernet,
    cascade: Cascade,
    dataset: Dataset,
    out: Path,
    settings: ExportSettings = ExportSettings(),
    *,
    force: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Writes cascade.json, rule.json, a file of every part in every format, and for ONNX a runner in Python.

    It is there complete, or not at all.

    Args:
        space: of the archs.
        supernet: with their weights.
        cascade: to write.
        dataset: its validation images verify: one half chooses the thresholds of a format, the other judges.
        out: a folder that does not exist or is empty.
        settings: formats, and how many images.
        force: replace a folder that an earlier export wrote and nobody changed.
        progress: told every step.

    Returns:
        What rule.json holds.
    """
    job = _Exporting(space, supernet, cascade, dataset, settings, progress)
    out = check_folder(out, force)
    forms = [part_format(exporter) for exporter in choose_exporters(settings)]  # refuses before long work
    with whole_folder(out) as draft:
        return job.write(forms, draft)


@dataclass(frozen=True, eq=False)
class _Exporting:
    space: SearchSpace
    supernet: Supernet
    cascade: Cascade
    dataset: Dataset
    settings: ExportSettings
    progress: Callable[[str], None]

    def write(self, forms: Sequence[PartFormat], folder: Path) -> dict[str, Any]:
        cascade, dataset = self.cascade, self.dataset
        example = calibration_images(self.settings, dataset)
        network = self._network(example)
        images = (
            dataset.val if self.settings.accuracy_images is None else dataset.val.sample(self.settings.accuracy_images)
        )
        choosing, judging = halves(images, int(cascade.origin.get("seed", 0)))
        x, labels = images.all()
        parts = [part for part in network.parts if isinstance(part, PartNetwork)]
        parts_ms = np.array(cascade.figures.get("parts_ms", [1.0] * len(parts)))
        expected = PartAnswers.of(given_by_network(parts, x), labels, parts_ms)
        examples = self._examples(parts, example)
        titles = (self.space.name, f"cascade {cascade.id}", dataset.name, tuple(dataset.mean), tuple(dataset.std))
        facts = Facts(*titles, self.space.task.num_classes, dataset.classes, cascade.origin.get("device"))
        formats: dict[str, Any] = {}
        for form in forms:
            name = form.exporter.name
            self.progress(f"exporting cascade {cascade.id} to {name}")
            paths = [
                self._part(form, part, own, facts, folder, i)
                for i, (part, own) in enumerate(zip(parts, examples, strict=True))
            ]
            found = PartAnswers.of(given_by_files(form, paths, parts, x), labels, parts_ms)
            slack = float(cascade.origin.get("slack", 0.0))
            told = decide(form, found, expected, cascade.thresholds, slack, labels, choosing, judging)
            measured = (
                [form.latency_ms(path, own) for path, own in zip(paths, examples, strict=True)]
                if self.settings.measure
                else []
            )
            formats[name] = {
                "files": [path.name for path in paths],
                "size_bytes": sum(map(size_bytes, paths)),
                **told,
                "measured_parts_ms": measured if measured and None not in measured else None,
            }
        rule = {
            "format": FORMAT,
            "vitnas": __version__,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "cascade": cascade.id,
            "rule": cascade.rule,
            "image_shape": list(parts[0].in_shape),
            "mean": list(dataset.mean),
            "std": list(dataset.std),
            "classes": list(dataset.classes),
            "formats": formats,
        }
        cascade.save(folder / FILE)
        write_json(folder / RULE, rule)
        onnx = [form.exporter.name for form in forms if isinstance(form, OnnxParts)]
        if onnx:
            write_bytes(folder / NAME, runner(onnx[0]).encode())
        return rule

    def _network(self, example: torch.Tensor) -> CascadeNetwork:
        """The parts of the folded networks of the archs."""
        train, val = self.dataset.train, self.dataset.val
        networks = []
        x, _ = val.sample(ON_FOLDING).all()
        for arch in self.cascade.archs:
            self.progress(f"extracting {arch.id}")
            network, _ = extract(self.space, self.supernet, arch, train, val)
            networks.append(folded(network, example, x, answers(network, x)))
        return cascade_network(self.cascade, self.space, networks)

    def _examples(self, parts: Sequence[PartNetwork], example: torch.Tensor) -> list[torch.Tensor]:
        """Inputs of every part."""
        found, state = [], example
        for part, given in zip(parts, given_by_network(parts, example), strict=True):
            found.append(example if part.takes_image else state)
            state = given.get(NEXT, state)
        return found

    def _part(
        self, form: PartFormat, part: PartNetwork, example: torch.Tensor, facts: Facts, folder: Path, number: int
    ) -> Path:
        try:
            return form.write(part, example, facts, folder, number)
        except (ExportError, OSError):
            raise
        except Exception as error:  # converters raise whatever they like
            reason = " ".join(str(error).split())[:300]
            raise ExportError(
                f"part {number} of cascade {self.cascade.id}, format '{form.exporter.name}': {reason}; choose another format or "
                "another cascade"
            ) from error


__all__ = ["FILE", "RULE", "export_cascade"]
