"""Bundles: the layers and networks of a space as files that any machine can time."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np

from vitnas.errors import DeviceError, ForeignFilesError
from vitnas.files import Ours, listed, new_folder, refuse_foreign, seals, write_bytes, write_json
from vitnas.latency_lut import protocol
from vitnas.latency_lut.assemble import layer_counts, work_of
from vitnas.latency_lut.devices import DEVICES, load_device
from vitnas.latency_lut.devices.device import reference_network
from vitnas.latency_lut.interpolation import Interpolator
from vitnas.latency_lut.remote import runner
from vitnas.latency_lut.remote.manifest import VERSION, Format, Item, Manifest, digest, read_manifest
from vitnas.latency_lut.sampling import sample_networks
from vitnas.latency_lut.settings import ProfileSettings, TimingSettings
from vitnas.latency_lut.timing_journal import blueprint_key
from vitnas.progress import Bar
from vitnas.search_spaces import Arch, Blueprint, Compressed, SearchSpace

MANIFEST = "manifest.json"
TERMS, RESULTS = "terms.json", "results.json"
"""What a bundle that waits for its results was written for, and those so far."""

LAYERS = 150
"""Layers in a bundle; the table interpolates the others."""


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk."""

    folder: Path
    manifest: Manifest


class NetworkFiles(Protocol):
    """Writes networks in the format of one runtime."""

    def file(self, blueprint: Blueprint) -> Path:
        """The file or folder of a network; of the empty one, what a call costs."""


@dataclass(frozen=True)
class Packager:
    """How networks are written for a runtime.

    Attributes:
        open: from a folder for files and the batch size to what writes them.
        suffix: of the files.
        idle: the shape of the input of the empty network.
        converter: the package that writes them.
        carry: files of ours that travel in the bundle, so that it can be timed where vitnas is not.
    """

    open: Callable[[Path, int], NetworkFiles]
    suffix: str
    idle: tuple[int, ...]
    converter: str
    carry: tuple[Path, ...] = ()


def _onnx(folder: Path, batch: int) -> NetworkFiles:
    from vitnas.latency_lut.runtimes.onnx import BlueprintFiles

    return BlueprintFiles(folder, batch)


def _coreml(folder: Path, batch: int) -> NetworkFiles:
    from vitnas.latency_lut.runtimes.coreml import CoreMLFiles

    return CoreMLFiles(folder, batch)


def _tflite(folder: Path, batch: int) -> NetworkFiles:
    from vitnas.latency_lut.runtimes.litert_files import LiteRTFiles

    return LiteRTFiles(folder, batch)


RUNNER_FILES = (Path(runner.__file__), Path(protocol.__file__), Path(seals.__file__))
"""All that a board with numpy and ONNX Runtime needs besides the networks."""

PACKAGERS: dict[Format, Packager] = {
    "onnx": Packager(_onnx, ".onnx", (1,), "torch", RUNNER_FILES),
    "coreml": Packager(_coreml, ".mlpackage", (1, 64, 8, 8), "coremltools"),
    "tflite": Packager(_tflite, ".tflite", (1, 1), "torch"),
}


def write_bundle(
    space: SearchSpace,
    device: str,
    folder: Path,
    settings: ProfileSettings = ProfileSettings(),
    runtime: Format = "coreml",
    layers: int = LAYERS,
    threads: int | None = None,
    batch: int = 1,
    progress: bool = True,
    beside: Mapping[str, bytes] | None = None,
) -> Bundle:
    """Converts layers and networks of a space into a folder with a manifest.

    Args:
        space: whose layers.
        device: what the table is to be called; a device that vitnas can only estimate, or a new name.
        folder: becomes the bundle, or stays as it was when anything fails; of an older one only what vitnas wrote goes.
        settings: how carefully to measure, and how many networks.
        runtime: what the files are for.
        layers: as many of the space, but never fewer than interpolation needs.
        threads: that a call may use; by default 1, and 0 where the runtime decides.
        batch: images a call takes.
        progress: shows a bar on standard error.
        beside: other files of ours in the folder, by name.
    """
    check_name(device)
    try:
        refuse_foreign(folder, bundled_files)
    except ForeignFilesError as error:
        raise DeviceError(f"{error}, so that nothing is lost") from None
    if isinstance(space, Compressed):
        raise DeviceError(f"layers of a bundle are in float; write one of space '{space.base.name}'")
    packager = PACKAGERS[runtime]
    plan = _plan(space, settings, layers)
    shown = Bar(f"{runtime} files", len(plan), progress, passing=True)
    with new_folder(folder, bundled_files) as draft, shown as bar:
        (work := draft / "work").mkdir()
        files = packager.open(work, batch)
        items = []
        for item, blueprint in plan:
            path = draft / f"{item.id}{packager.suffix}"
            _put(files.file(blueprint), path, blueprint)
            shape = (batch, *blueprint.in_shape) if len(blueprint) else packager.idle
            items.append(msgspec.structs.replace(item, file=path.name, sha256=digest(path), shape=shape))
            bar.advance()
        shutil.rmtree(work)
        for path in packager.carry:
            write_bytes(draft / path.name, path.read_bytes())
        manifest = Manifest(
            format="vitnas bundle",
            version=VERSION,
            id="",
            device=device,
            runtime=runtime,
            threads=(0 if runtime == "coreml" else 1) if threads is None else threads,
            batch=batch,
            space=space.name,
            space_fingerprint=space.fingerprint,
            task=space.task.to_json(),
            settings={f.name: getattr(settings, f.name) for f in fields(TimingSettings)},
            max_mape=settings.max_mape,
            converter=f"{packager.converter} {metadata.version(packager.converter)}",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            items=tuple(items),
        )
        manifest = msgspec.structs.replace(manifest, id=manifest.expected_id)
        write_json(draft / MANIFEST, msgspec.to_builtins(manifest))
        for name, content in (beside or {}).items():
            write_bytes(draft / name, content)
    return Bundle(folder, manifest)


def bundled_files(folder: Path) -> Ours | None:
    """The files of a bundle that may go: those of its list; without one, those its manifest speaks of."""
    found = listed(folder)
    if found is None:
        try:
            manifest = read_manifest(folder)
        except DeviceError:
            return None
        names = [MANIFEST, *(path.name for path in RUNNER_FILES)]
        for item in manifest.items:
            path = folder / item.file
            if path.exists() and digest(path) == item.sha256:
                files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
                names += [file.relative_to(folder).as_posix() for file in files]
        found = dict.fromkeys(names)
    return {**found, RESULTS: None, TERMS: None}


def check_name(device: str) -> None:
    """Refuses the name of a device that is measured here, and names that make no file name."""
    from vitnas.latency_lut.estimate.device import EstimatedDevice

    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", device):
        raise DeviceError(
            f"'{device}' cannot name a table; use lower-case letters, digits, '-', '_' and '.', such as 'raspberry-pi-5'"
        )
    if device in DEVICES and not isinstance(load_device(device), EstimatedDevice):
        raise DeviceError(
            f"'{device}' is a device of this machine, so its table is measured here with `vitnas profile --device {device}`; "
            "give the other machine a name of its own"
        )


def _put(source: Path, target: Path, blueprint: Blueprint) -> None:
    """Moves networks; layers stay where they are as well, since networks are made of them."""
    if len(blueprint) != 1:
        shutil.move(source, target)
    elif source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def _plan(space: SearchSpace, settings: ProfileSettings, layers: int) -> list[tuple[Item, Blueprint]]:
    """What to convert, the cheapest first; files are still to be named."""
    networks = sample_networks(space, settings.fit_networks, settings.test_networks, settings.seed)
    chosen = _choose(space, [arch for arch, _ in networks], layers)
    plan = [
        _item("overhead", "overhead", Blueprint((), ())),
        _item("reference", "reference", reference_network()),
    ]
    for i in chosen:
        plan.append(_item(f"layer-{i:05d}", "layer", Blueprint.single(space.lowering.specs[i])))
    for i, (arch, held_out) in enumerate(networks):
        item, blueprint = _item(f"network-{i:03d}", "network", space.lower(arch))
        plan.append((msgspec.structs.replace(item, genes=arch.to_json(), held_out=held_out), blueprint))
    return plan


def _item(name: str, kind: Any, blueprint: Blueprint) -> tuple[Item, Blueprint]:
    return Item(name, kind, "", "", (), blueprint_key(blueprint)), blueprint


def _choose(space: SearchSpace, archs: Sequence[Arch], layers: int) -> list[int]:
    """Layers that tell the others of their kind, then those that networks spend most on."""
    work = work_of(space)
    used = layer_counts(space, space.encode(archs)).sum(axis=0) + 0.1
    needed = Interpolator(space.lowering.specs, work).first(used)
    dearest = np.argsort(-used * (work.macs + work.traffic), kind="stable").tolist()
    return sorted(list(dict.fromkeys([*needed, *dearest]))[: max(layers, len(needed))])
