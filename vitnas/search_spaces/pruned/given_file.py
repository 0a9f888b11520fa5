"""GivenFile: given networks as text, read from the arch.json of a run or an export, and kept with what is made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec

from vitnas.errors import InvalidArchError, SpaceError, VitnasError, suggest
from vitnas.files import read_json
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import Blueprint, LayerSpec
from vitnas.search_spaces.pruned.given import GivenArch, GivenLayers, GivenNetwork
from vitnas.search_spaces.pruned.given_space import NETWORKS, space_of_given
from vitnas.search_spaces.pruned.pruned_space import pruned
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


class _OneText(msgspec.Struct):
    """One network."""

    name: str
    family: str
    task: Task
    layers: _Layers
    arch: dict[str, Any] | None = None

    def given(self) -> GivenNetwork:
        arch = Arch.from_json(self.arch) if self.arch else None
        return _checked(GivenLayers(self.name, _blueprint(self.layers), self.task, self.family, arch))


class _Beginning(msgspec.Struct):
    """Of which kind a space is; beside it stands its network."""

    prefix: str


class _SeveralTexts(msgspec.Struct):
    """What stands there if the space is made of several networks."""

    networks: list[_OneText]


class _ExportReport(msgspec.Struct):
    """What the report of an export says of its network."""

    task: Task
    blueprint: _Layers


@dataclass(frozen=True)
class GivenFile:
    """The text of given networks, from which their space can be made again, in another process or from a run folder.

    Attributes:
        name: the path as it was given, for messages.
        text: JSON: of each its name, its task and its layers.
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
    def of(cls, path: Path, prefix: str, networks: Sequence[GivenNetwork], task: Task) -> GivenFile:
        each = [_described(given, task) for given in networks]
        told = {"prefix": prefix, **each[0]} if len(each) == 1 else {"prefix": prefix, "networks": each}
        return cls(str(path), json.dumps(told, indent=1) + "\n")

    def load(self, task: Task | None = None) -> SearchSpace:
        """The space that is made of the networks."""
        try:
            prefix, networks = self._read()
            space = space_of_given(prefix, [network.given() for network in networks])
        except (msgspec.DecodeError, InvalidArchError, SpaceError, *_RAW) as error:
            raise SpaceError(
                f"space file '{self.name}' holds no given network: {_told(error)}; name the space.json of a run"
            ) from None
        return replace(space, task=task or networks[0].task, source=self)

    def _read(self) -> tuple[str, list[_OneText]]:
        text = self.text.encode()
        prefix = msgspec.json.decode(text, type=_Beginning).prefix
        if prefix not in NETWORKS:
            raise SpaceError(f"its prefix is '{prefix}'; {suggest(prefix, NETWORKS)}")
        if NETWORKS[prefix] == 1:
            return prefix, [msgspec.json.decode(text, type=_OneText)]
        return prefix, msgspec.json.decode(text, type=_SeveralTexts).networks


def _described(given: GivenNetwork, task: Task) -> dict[str, Any]:
    told: dict[str, Any] = {"name": given.name, "family": given.family, "task": task.to_json()}
    if given.arch is not None:
        told["arch"] = given.arch.to_json()
    return {**told, "layers": given.blueprint(task).to_json()}


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
