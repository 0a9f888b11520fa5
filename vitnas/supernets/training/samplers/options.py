"""Making a sampler from a settings file: its options are the keywords of its constructor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec

from vitnas.errors import SettingsError, suggest
from vitnas.search_spaces import SearchSpace
from vitnas.settings import Kind
from vitnas.supernets.training.samplers import SAMPLERS, Sampler

SCHEDULE = ("steps_per_epoch", "num_steps")
"""What a sampler may want to know of the training; no options."""
WHERE = "[train.sampler_options]"


def read_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a sampler in their types; unknown names and wrong types are refused."""
    if name not in SAMPLERS:
        raise SettingsError(f"[train] sampler: no sampler named '{name}'; {suggest(name, SAMPLERS)}")
    kinds = _kinds(name)
    found = {}
    for key, value in options.items():
        if key not in kinds:
            raise SettingsError(f"{WHERE}: sampler '{name}' has no option '{key}'; {suggest(key, kinds)}")
        Kind.of(kinds[key]).check(value, f"{WHERE} sampler '{name}': {key}")
        try:
            found[key] = msgspec.convert(value, kinds[key])
        except msgspec.ValidationError as error:
            raise SettingsError(f"{WHERE}: option '{key}' of sampler '{name}' is {value!r}: {error}") from None
    return found


def make_sampler(
    name: str, space: SearchSpace, seed: int, options: Mapping[str, Any], steps_per_epoch: int, num_steps: int
) -> Sampler:
    """The sampler of this name with its options.

    Args:
        name: in `SAMPLERS`.
        space: where its archs come from.
        seed: of its draws.
        options: keywords of its constructor, as a settings file gives them.
        steps_per_epoch: of the training.
        num_steps: of the training.
    """
    given = read_options(name, options)
    schedule = {"steps_per_epoch": steps_per_epoch, "num_steps": num_steps}
    make = SAMPLERS.load(name)
    wanted = inspect.signature(make).parameters
    return make(space, seed, **given, **{key: value for key, value in schedule.items() if key in wanted})


def _kinds(name: str) -> dict[str, Any]:
    """The options of a sampler and their types."""
    make = SAMPLERS.load(name)
    hints = get_type_hints(make.__init__, include_extras=True)
    parameters = list(inspect.signature(make).parameters)[2:]
    return {key: hints.get(key, Any) for key in parameters if key not in SCHEDULE}
