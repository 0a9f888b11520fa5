"""Manifest: what a bundle holds, as the wire format of docs/measuring-elsewhere.md. Needs no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from vitnas.errors import DataError, DeviceError
from vitnas.files import sha256, unsealed

VERSION = 1

Format = Literal["onnx", "coreml", "tflite"]


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One network to time.

    Attributes:
        id: names it in results.
        kind: a call that computes nothing, the network whose drift tells what happens to the machine, one
            layer, or a whole network.
        file: its path in the bundle; a folder for Core ML.
        sha256: of the file, see `digest`.
        shape: of its one input, the batch first.
        key: the network as `vitnas.latency_lut.timing_journal.blueprint_key` writes it.
        genes: of the arch it was lowered from.
        held_out: it tests the table and does not calibrate it.
    """

    id: str
    kind: Literal["overhead", "reference", "layer", "network"]
    file: str
    sha256: str
    shape: tuple[int, ...]
    key: str
    genes: dict[str, Any] | None = None
    held_out: bool = False


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file manifest.json of a bundle.

    Attributes:
        format: tells these files from others.
        version: of the wire format.
        id: changes with anything that timings depend on.
        device: what the table is to be called.
        runtime: what the files are for.
        threads: that a call may use, 0 where the runtime decides.
        batch: images a call takes.
        space: with fingerprint and task, whose layers these are.
        settings: how carefully to measure, see `TimingSettings`.
        max_mape: the error that the table promises to stay under.
        converter: what wrote the files.
        created: date and time, UTC.
        items: what to time.
    """

    format: Literal["vitnas bundle"]
    version: int
    id: str
    device: str
    runtime: Format
    threads: int
    batch: int
    space: str
    space_fingerprint: str
    task: dict[str, Any]
    settings: dict[str, float | int]
    max_mape: float
    converter: str
    created: str
    items: tuple[Item, ...]

    @property
    def expected_id(self) -> str:
        """What `id` is of a manifest that nobody changed."""
        facts = [self.device, self.runtime, str(self.threads), str(self.batch), self.space_fingerprint]
        facts += [f"{item.id} {item.kind} {item.held_out} {item.sha256} {item.key}" for item in self.items]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle."""
    path = folder / "manifest.json"
    try:
        content = path.read_bytes()
    except OSError:
        raise DeviceError(
            f"'{folder}' is no bundle: it has no manifest.json; write one with `vitnas profile --device NAME --bundle {folder}`"
        ) from None
    return decode_manifest(content, f"'{path}'")


def decode_manifest(content: bytes, where: str) -> Manifest:
    """A manifest that is of this version and as it was written."""
    try:
        check_version(content, where, "use the vitnas that wrote it, or write the bundle anew")
        manifest = msgspec.convert(unsealed(content, where), Manifest)
    except DataError as error:
        raise DeviceError(str(error)) from None
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        raise DeviceError(f"{where} is no manifest of a bundle: {error}; write the bundle anew") from None
    if manifest.id != manifest.expected_id:
        raise DeviceError(
            f"{where} was changed after it was written: its items give id {manifest.expected_id}, it says {manifest.id}; "
            "copy the bundle again, or write it anew"
        )
    return manifest


class Versioned(msgspec.Struct):
    """What every version of the wire format has."""

    version: int


def check_version(content: bytes, where: str, remedy: str) -> None:
    """Refuses a file of another version of the wire format."""
    version = msgspec.json.decode(content, type=Versioned).version
    if version != VERSION:
        raise DeviceError(
            f"{where} has version {version} of the wire format, this vitnas knows version {VERSION}; {remedy}"
        )


def digest(path: Path) -> str:
    """SHA-256 of a file; of a folder, of the lines that `sha256sum` prints for its files in the order of their paths."""
    if path.is_file():
        return sha256(path)
    files = sorted((p.relative_to(path).as_posix(), p) for p in path.rglob("*") if p.is_file())
    return hashlib.sha256("".join(f"{sha256(p)}  {name}\n" for name, p in files).encode()).hexdigest()
