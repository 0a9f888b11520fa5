"""SpaceFile: a search space that somebody wrote in a file of their own, TOML or Python."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vitnas.errors import SpaceError, suggest
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.files.from_python import space_from_python
from vitnas.search_spaces.files.from_toml import compression_of, space_from_toml
from vitnas.search_spaces.genome import Codes
from vitnas.search_spaces.published import SPACES
from vitnas.search_spaces.space import SearchSpace, Task

SUFFIXES = (".py", ".toml")
SAMPLES = 200


def is_file_name(name: str) -> bool:
    """Whether a name of a space is a path: no built-in space has a separator or such an ending."""
    return name.endswith(SUFFIXES) or "/" in name or os.sep in name


@dataclass(frozen=True)
class SpaceFile:
    """The text of a space, kept with the space, so that a run or another process can have it again.

    Attributes:
        name: the path as it was given, for messages.
        text: what the file held when it was read.
        plain: without the precisions of its table ``[compress]``.
    """

    name: str
    text: str
    plain: bool = False

    @classmethod
    def read(cls, path: Path) -> SpaceFile:
        if path.suffix not in SUFFIXES:
            raise SpaceError(f"'{path}': a space of your own is a .toml or .py file; rename it")
        try:
            return cls(str(path), path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            try:
                near = [p.name for p in path.parent.iterdir() if p.suffix in SUFFIXES]
            except OSError:
                near = []
            raise SpaceError(f"space file '{path}' does not exist; its folder: {suggest(path.name, near)}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise SpaceError(f"space file '{path}' cannot be read: {error}; write it as UTF-8 text") from None

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix

    def load(self, task: Task | None = None) -> SearchSpace:
        """The space, looked over as a whole; executes the code of a Python file."""
        read = space_from_python if self.suffix == ".py" else space_from_toml
        table = compression_of(self) if self.suffix == ".toml" and not self.plain else None
        space = replace(read(self, task), source=self if table is None else replace(self, plain=True))
        try:
            _check(space)
            return space if table is None else replace(space.compressed(table.menu, table.by, table.keep), source=self)
        except SpaceError as error:
            raise SpaceError(_with_place(self.name, error)) from None


def _with_place(name: str, error: SpaceError) -> str:
    return str(error) if str(error).startswith(name) else f"{name}: {error}"


def _check(space: SearchSpace) -> None:
    """What a built-in space is held to by its tests: shapes chain, weights can be shared, ends fit the task."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", space.name) or space.name in SPACES:
        taken = "the name of a space of vitnas" if space.name in SPACES else "no plain name"
        raise SpaceError(f"name '{space.name}' is {taken}; choose another of letters, digits, '-', '_' and '.'")
    for site, specs in space.lowering.specs_at().items():
        try:
            for kind in dict.fromkeys(spec.kind for spec in specs):
                LayerSpec.join(spec for spec in specs if spec.kind == kind)
        except SpaceError as error:
            raise SpaceError(f"site '{site}': {error}") from None
    image, answer = space.task.in_channels, space.task.answer_shape
    for row in _varied(space):
        arch = space.decode(row[None])[0]
        try:
            blueprint = space.lowering.blueprint(row)
        except SpaceError as error:
            raise SpaceError(f"the shapes of an arch do not chain: {error}; arch: {dict(arch.genes)}") from None
        if not len(blueprint):
            raise SpaceError(f"an arch has no layer at all: {dict(arch.genes)}; give it sites")
        first, last = blueprint.in_shape, blueprint.out_shape
        if len(first) != 3 or first[0] != image:
            raise SpaceError(
                f"site '{blueprint.sites[0]}' takes {first}, but the first layer takes the image: "
                f"({image}, height, breadth), {image} being in_channels of the task"
            )
        if last != answer:
            raise SpaceError(
                f"site '{blueprint.sites[-1]}' gives {last}, but the last layer answers the classes: {answer}, "
                "num_classes of the task"
            )


def _varied(space: SearchSpace) -> Codes:
    """Smallest, largest, all that differ from them in one choice, and random archs."""
    genome = space.genome
    ends = space.encode([space.smallest(), space.largest()])
    near = [genome.neighbours(end) for end in ends]
    return np.unique(np.concatenate([ends, *near, genome.sample(SAMPLES, np.random.default_rng(0))]), axis=0)
