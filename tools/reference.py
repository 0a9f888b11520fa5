"""Writes docs/reference/ from the code: commands and their options, settings and their keys, layers and their attributes.

Usage: python tools/reference.py
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from vitnas.automation.pruning.settings import FamilySettings, PruneSettings
from vitnas.automation.settings import AutoSettings
from vitnas.cli import app
from vitnas.deployment.settings import ExportSettings
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.nas.cascades.settings import CascadeSettings
from vitnas.nas.settings import FitSettings, SearchSettings
from vitnas.settings import Kind, declared
from vitnas.supernets.layers import LAYERS
from vitnas.supernets.layers.attributes import declared_by
from vitnas.supernets.settings.data import DataSettings
from vitnas.supernets.settings.exits import ExitSettings
from vitnas.supernets.settings.train import TrainSettings

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
TABLES = {
    "data": DataSettings,
    "train": TrainSettings,
    "profile": ProfileSettings,
    "predictor": FitSettings,
    "search": SearchSettings,
    "exits": ExitSettings,
    "cascade": CascadeSettings,
    "export": ExportSettings,
    "auto": AutoSettings,
    "family": FamilySettings,
    "prune": PruneSettings,
}
NOTE = "<!-- Written by tools/reference.py; edit the code and run `make reference`. -->"


def commands_page() -> str:
    """Every command: what it does, its example, its options."""
    root: Any = typer.main.get_command(app)
    parts = [
        "# Commands",
        NOTE,
        "Results go to standard output, everything said on the way to standard error. Exit codes: 0, it worked; 1, a "
        "defect of vitnas, with its traceback; 2, something in the command, a file or the machine has to be changed, "
        "with what and how; 130, interrupted.\n\n"
        "`vitnas --install-completion` teaches your shell to complete commands and options.",
    ]
    parts += [_command_part(name, command) for name, command in sorted(_leaves(root, ""))]
    return "\n\n".join(parts) + "\n"


def _leaves(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _command_part(name: str, command: Any) -> str:
    text = inspect.cleandoc(command.help or "")
    summary, _, example = text.partition("Example:")
    lines = [f"## vitnas {name}", " ".join(summary.split())]
    if example:
        lines.append(f"```sh\n{example.strip()}\n```")
    rows = ["| option | default | |", "|---|---|---|"]
    for parameter in command.params:
        if parameter.name == "help":
            continue
        names = ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])
        if parameter.param_type_name == "argument":
            names = f"`{parameter.name.upper()}`"
        default = parameter.default
        left_out = default is None or default is False or default == ()
        shown = "required" if parameter.required else "" if left_out else f"`{default}`"
        rows.append(f"| {names} | {shown} | {_cell(parameter.help or '')} |")
    return "\n\n".join([*lines, "\n".join(rows)] if len(rows) > 2 else lines)


def settings_page() -> str:
    """Every table of a settings file: its keys, their defaults and what they mean."""
    parts = [
        "# Settings",
        NOTE,
        "One TOML file, `vitnas.toml` in the folder where you work or `--config FILE`, with a table for each command. "
        "Flags win over it; keys that do not exist and values of another type are refused. Every run keeps what it was "
        "told and what it assumed in its `config.toml`.",
    ]
    for name, cls in TABLES.items():
        parts += _table_parts(name, cls)
    return "\n\n".join(parts) + "\n"


def _table_parts(name: str, cls: Any) -> Iterator[str]:
    yield f"## [{name}]"
    yield " ".join((cls.__doc__ or "").split())
    inner = {}
    rows = ["| key | default | values | |", "|---|---|---|---|"]
    for field in dataclasses.fields(cls):
        kind = declared(cls)[field.name]
        if dataclasses.is_dataclass(kind.base):
            inner[field.name] = kind.base
            continue
        rows.append(f"| `{field.name}` | {_default(field)} | {_values(kind)} | {_cell(kind.about)} |")
    yield "\n".join(rows)
    for key, table in inner.items():
        yield from _table_parts(f"{name}.{key}", table)


def _values(kind: Kind) -> str:
    """Which values may be given, where the type leaves a doubt."""
    return ", ".join(f"`{choice}`" for choice in kind.choices) or kind.rule


def layers_page() -> str:
    """Every kind of layer: its attributes, their rules and what they mean."""
    parts = [
        "# Layer kinds",
        NOTE,
        "What a site of a search space may name as its `kind`, and the `attrs` that the kind takes; an attribute with a default may be "
        "left out. [Mixers and layers](../mixers.md) tells where each is from, [Adding your own](../extending.md) how to write one.",
    ]
    for name in LAYERS.names():
        kind = LAYERS.load(name)
        summary = (inspect.getdoc(kind) or "").partition("\n\n")[0]
        rows = [
            f"| `{key}` | {attribute.kind.wanted} | {'' if attribute.default is None else f'`{attribute.default}`'} | {_cell(attribute.kind.about)} |"
            for key, attribute in declared_by(kind.Attrs).items()
        ]
        table = "\n".join(["| attribute | | default | |", "|---|---|---|---|", *rows]) if rows else "No attributes."
        parts += [f"## {name}", " ".join(summary.split()), table]
    return "\n\n".join(parts) + "\n"


def _default(field: dataclasses.Field[Any]) -> str:
    make = field.default_factory
    value = field.default if make is dataclasses.MISSING else make()
    if value is dataclasses.MISSING:
        return "required"
    if value is None or value in ("", {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else list(value) if isinstance(value, tuple) else value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "commands.md").write_text(commands_page(), encoding="utf-8")
    (FOLDER / "layers.md").write_text(layers_page(), encoding="utf-8")
    (FOLDER / "settings.md").write_text(settings_page(), encoding="utf-8")
