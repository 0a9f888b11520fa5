"""GivenFile: a given network as text, read from the arch.json of a run or an export, and kept with what is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from vitnas.errors import SpaceError, VitnasError
from vitnas.files import read_json
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec
from vitnas.search_spaces.pruned.given import GivenArch, GivenLayers, GivenNetwork
from vitnas.search_spaces.pruned.pruned_space import pruned
from vitnas.search_spaces.recorded import recorded_space
from vitnas.search_spaces.space import SearchSpace, Task

Load = Callable[[str, Task | None], SearchSpace]
"""A space by its name or file, for a task or for its own."""

NEAR = 3
"""How many folders up from an arch its run may be."""


class _Layer(msgspec.Struct):
    site: str
    kind: str
    in_: list[int] = msgspec.field(name="in")
    out: list[int]
    attrs: dict[str, int | float | str | bool]


class _Text(msgspec.Struct):
    """What the file of a pruned space holds."""

    prefix: str
    name: str
    family: str
    task: Task
    layers: list[_Layer]
    arch: dict[str, Any] | None = None


@dataclass(frozen=True)
class GivenFile:
    """The text of a given network, from which its space can be made again, in another process or from a run folder.

    Attributes:
        name: the path as it was given, for messages.
        text: JSON: its name, its task and its layers.
    """

    name: str
    text: str

    @property
    def suffix(self) -> str:
        return ".json"

    @classmethod
    def read(cls, path: Path) -> GivenFile:
        try:
            return cls(str(path), path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SpaceError(f"space file '{path}' cannot be read: {error}; name the space.json of a run") from None

    @classmethod
    def of(cls, path: Path, prefix: str, given: GivenNetwork, task: Task) -> GivenFile:
        told: dict[str, Any] = {"prefix": prefix, "name": given.name, "family": given.family, "task": asdict(task)}
        if given.arch is not None:
            told["arch"] = given.arch.to_json()
        return cls(str(path), json.dumps({**told, "layers": given.blueprint(task).to_json()}, indent=1) + "\n")

    def load(self, task: Task | None = None) -> SearchSpace:
        """The space of all that the network becomes."""
        try:
            read = msgspec.json.decode(self.text.encode(), type=_Text)
        except msgspec.DecodeError as error:
            raise SpaceError(
                f"space file '{self.name}' holds no given network: {error}; name the space.json of a run"
            ) from None
        layers = [LayerSpec.of(row.kind, row.in_, row.out, **row.attrs) for row in read.layers]
        blueprint = Blueprint(tuple(row.site for row in read.layers), tuple(layers))
        given = GivenLayers(
            read.name, blueprint, read.task, read.family, Arch.from_json(read.arch) if read.arch else None
        )
        return replace(pruned(given, read.prefix), task=task or read.task, source=self)


def given_in(path: Path, load: Load) -> GivenNetwork:
    """The network of an arch.json: of an export by the layers beside it, else by the space of the run that it lies in."""
    arch = Arch.from_json(read_json(path))
    name = f"{arch.space}/{arch.id}"
    report = path.parent / "report.json"
    if report.is_file():
        return _exported(path, name, arch, read_json(report))
    space = _space_near(path, load) or _by_name(path, arch, load)
    return GivenArch(name, space, space.check(arch))


def _exported(path: Path, name: str, arch: Arch, report: Any) -> GivenNetwork:
    try:
        rows = report["blueprint"]
        layers = Blueprint(tuple(row["site"] for row in rows), tuple(LayerSpec.from_json(row) for row in rows))
        task = msgspec.convert(report["task"], Task)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise SpaceError(
            f"'{path.parent}' is no whole export, as its report.json has no layers or no task ({error}); export the network anew"
        ) from None
    return GivenLayers(name, layers, task, arch.space, arch)


def _space_near(path: Path, load: Load) -> SearchSpace | None:
    """The space of the run that a file lies in."""
    for folder in list(path.resolve().parents)[:NEAR]:
        if (folder / "config.toml").is_file():
            return recorded_space(folder, load)
    return None


def _by_name(path: Path, arch: Arch, load: Load) -> SearchSpace:
    try:
        return load(arch.space, None)
    except VitnasError as error:
        raise SpaceError(
            f"'{path}' holds an arch of space '{arch.space}', and no run or export lies around it that has this space ({error}); "
            "give the file in its run or export"
        ) from None
