"""GivenNetwork: a network that somebody has, as layers, for the task that it was made for or for another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from vitnas.errors import InvalidArchError, SpaceError
from vitnas.image_size import in_short
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import Blueprint
from vitnas.search_spaces.space import SearchSpace, Task


class GivenNetwork(Protocol):
    """A network that somebody has."""

    @property
    def name(self) -> str:
        """How people and files call it, as ``deit/DeiT-Ti``."""

    @property
    def task(self) -> Task:
        """What it was made for."""

    @property
    def family(self) -> str:
        """The space among whose networks it is, whose rules read pretrained weights of it."""

    @property
    def arch(self) -> Arch | None:
        """What it is in its space, if it is of one."""

    def blueprint(self, task: Task) -> Blueprint:
        """Its layers."""


@dataclass(frozen=True)
class GivenArch:
    """An arch of a space."""

    name: str
    space: SearchSpace
    arch: Arch

    @property
    def task(self) -> Task:
        return self.space.task

    @property
    def family(self) -> str:
        return self.space.name

    def blueprint(self, task: Task) -> Blueprint:
        if task == self.task:
            return self.space.lower(self.arch)
        try:
            return replace(self.space, task=task).lower(self.arch)
        except (InvalidArchError, SpaceError) as error:
            raise SpaceError(
                f"network '{self.name}' cannot look at images of {in_short(task.image_size)} with {task.in_channels} channels: {error}"
            ) from None


@dataclass(frozen=True)
class GivenLayers:
    """Layers alone, of a space that is not there; of the task only the classes can become others."""

    name: str
    layers: Blueprint
    task: Task
    family: str
    arch: Arch | None = None

    def blueprint(self, task: Task) -> Blueprint:
        if replace(task, num_classes=self.task.num_classes, answer=self.task.answer) != self.task:
            size, channels = in_short(self.task.image_size), self.task.in_channels
            raise SpaceError(
                f"network '{self.name}' is known for images of {size} with {channels} channels alone, not for images of "
                f"{in_short(task.image_size)} with {task.in_channels}; give images of that size, or name a network of a space of vitnas"
            )
        *body, head = self.layers.layers
        return Blueprint(self.layers.sites, (*body, replace(head, out_shape=(task.num_classes, *head.out_shape[1:]))))
