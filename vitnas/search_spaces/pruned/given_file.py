"""GivenFile: a given network as text, read from the arch.json of a run or an export, and kept with what is made of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from vitnas.errors import InvalidArchError, SpaceError, VitnasError, suggest
from vitnas.files import read_json
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec
from vitnas.search_spaces.pruned.given import GivenArch, GivenLayers, GivenNetwork
from vitnas.search_spaces.pruned.pruned_space import PREFIXES, pruned
from vitnas.search_spaces.recorded import recorded_space, run_around
from vitnas.search_spaces.space import SearchSpace, Task
from vitnas.settings import Count

Load = Callable[[str, Task | None], SearchSpace]
"""A space by its name or file, for a task or for its own."""


_RAW = (KeyError, TypeError, ValueError)
"""What a layer without its attributes, or with others, leads to."""

_Shape = Annotated[list[Count], msgspec.Meta(min_length=1)]


class _Layer(msgspec.Struct):
    site: str
    kind: str
    in_: _Shape = msgspec.field(name="in")
    out: _Shape
    attrs: dict[str, int | float | str | bool]


_Layers = Annotated[list[_Layer], msgspec.Meta(min_length=1)]


class _Text(msgspec.Struct):
    """What the file of a pruned space holds."""

    prefix: str
    name: str
    family: str
    task: Task
    layers: _Layers
    arch: dict[str, Any] | None = None


class _ExportReport(msgspec.Struct):
    """What the report of an export says of its network."""

    task: Task
    blueprint: _Layers


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
            if read.prefix not in PREFIXES:
                raise SpaceError(f"its prefix is '{read.prefix}'; {suggest(read.prefix, PREFIXES)}")
            arch = Arch.from_json(read.arch) if read.arch else None
            given = _checked(GivenLayers(read.name, _blueprint(read.layers), read.task, read.family, arch))
            space = pruned(given, read.prefix)
        except (msgspec.DecodeError, InvalidArchError, SpaceError, *_RAW) as error:
            raise SpaceError(
                f"space file '{self.name}' holds no given network: {_told(error)}; name the space.json of a run"
            ) from None
        return replace(space, task=task or read.task, source=self)


def given_in(path: Path, load: Load) -> GivenNetwork:
    """The network of an arch.json: of an export by the layers beside it, else by the space of the run that it lies in."""
    arch = Arch.from_json(read_json(path))
    name = f"{arch.space}/{arch.id}"
    report = path.parent / "report.json"
    if report.is_file():
        return _exported(path, name, arch, read_json(report))
    run = run_around(path)
    space = recorded_space(run, load) if run is not None else _by_name(path, arch, load)
    return GivenArch(name, space, space.check(arch))


def _exported(path: Path, name: str, arch: Arch, report: Any) -> GivenNetwork:
    try:
        read = msgspec.convert(report, _ExportReport)
        return _checked(GivenLayers(name, _blueprint(read.blueprint), read.task, arch.space, arch))
    except (msgspec.ValidationError, SpaceError, *_RAW) as error:
        raise SpaceError(
            f"'{path.parent}' is no whole export, as its report.json has no layers or no task that make a network "
            f"({_told(error)}); export the network anew"
        ) from None


def _blueprint(rows: list[_Layer]) -> Blueprint:
    sites = [row.site for row in rows]
    if twice := {site for site in sites if sites.count(site) > 1}:
        raise SpaceError(f"it has two layers at site '{min(twice)}'")
    layers = [LayerSpec(row.kind, tuple(row.in_), tuple(row.out), tuple(sorted(row.attrs.items()))) for row in rows]
    return Blueprint(tuple(sites), tuple(layers))


def _checked(given: GivenLayers) -> GivenLayers:
    """The same, once it is clear what may shrink in it."""
    list(pruned(given).genes())
    return given


def _told(error: Exception) -> str:
    return f"a layer has no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)


def _by_name(path: Path, arch: Arch, load: Load) -> SearchSpace:
    try:
        return load(arch.space, None)
    except VitnasError as error:
        raise SpaceError(
            f"'{path}' holds an arch of space '{arch.space}', and no run or export lies around it that has this space ({error}); "
            "give the file in its run or export"
        ) from None
