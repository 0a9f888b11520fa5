"""RunFolder: where one supernet keeps everything that belongs to it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w

from vitnas import __version__
from vitnas.display import Shown
from vitnas.errors import CheckpointError
from vitnas.files import refuse_other, write_bytes, write_json
from vitnas.search_spaces import Compressed, SearchSpace, load_space
from vitnas.search_spaces.recorded import recorded_space
from vitnas.settings import read_toml


@dataclass(frozen=True)
class RunFolder(Shown, view="run"):
    """A folder with these entries, each written by the command that makes it.

    config.toml          everything a command was told or assumed, one table a command
    space.toml, space.py the file of a space of one's own; opening the run executes a space.py
    space.json           the layers of a given network, where the space is what that can be pruned to
    environment.json     versions, machine, git state
    metrics.jsonl        what training saw
    loggers.json         by which ids loggers know the run
    tested.json          what networks had right on the test images
    moments.safetensors  what passes through the products of the network; where it is, smaller archs are compensated
    ranges.safetensors   what passes into the products of some networks, by which those of a compressed space are judged
    sensitivities.json   what each precision of each layer alone does to the answers
    order.json           which channels were sorted before the first step, and which were not
    checkpoints/         step-00000100 folders of safetensors with their hashes
    latency/             DEVICE.parquet tables
    search-NAME/         study, front and evaluations of a search; search-NAME-compressed/ where layers have precisions
    predictor/           a fitted predictor; predictor-compressed/ where layers have precisions
    """

    path: Path

    @classmethod
    def create(cls, path: Path, space: SearchSpace, settings: Mapping[str, Mapping[str, Any]]) -> RunFolder:
        """Makes the folder of a new run and records how it came to be."""
        run = cls(path)
        run.check_free()
        _refuse_lost(space)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"cannot make the run folder '{path}': {error.strerror}; choose another with --out"
            ) from None
        table: dict[str, Any] = {"name": space.name, **space.task.to_json()}
        if space.only:
            table["only"] = {name: list(kept) for name, kept in space.only}
        if space.source is not None:
            table["file"] = f"space{space.source.suffix}"
        _refuse_others(path, table.get("file"), space)
        if space.source is not None:
            write_bytes(path / table["file"], space.source.text.encode())
        write_json(path / "environment.json", environment())
        run.save_config({"space": table, **settings})
        return run

    def check_free(self) -> None:
        """Refuses a folder that a new run would spoil."""
        if self.config_file.exists():
            raise CheckpointError(
                f"'{self.path}' already holds a run; resume it with --resume {self.path}, or choose another folder with --out"
            )

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        run = cls(path)
        if not run.config_file.is_file():
            raise CheckpointError(
                f"'{path}' is no run folder: it has no config.toml; make one with `vitnas train-supernet --out {path}`"
            )
        return run

    @property
    def config_file(self) -> Path:
        return self.path / "config.toml"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def moments_file(self) -> Path:
        return self.path / "moments.safetensors"

    @property
    def ranges_file(self) -> Path:
        return self.path / "ranges.safetensors"

    @property
    def sensitivities_file(self) -> Path:
        return self.path / "sensitivities.json"

    @property
    def order_file(self) -> Path:
        return self.path / "order.json"

    def latency_file(self, device: str) -> Path:
        return self.path / "latency" / f"{device}.parquet"

    def folder_of(self, what: str, space: SearchSpace) -> Path:
        """Where results of this kind lie: those of a space that compresses the run's have a folder of their own."""
        return self.path / (what if space.name == self.space.name else f"{what}-compressed")

    @property
    def config(self) -> dict[str, Any]:
        return read_toml(self.config_file)

    def save_config(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """Writes these tables, keeping the ones already there."""
        old = self.config if self.config_file.exists() else {}
        merged = {**old, **{name: _without_none(table) for name, table in tables.items()}}
        write_bytes(self.config_file, tomli_w.dumps(merged).encode())

    @cached_property
    def space(self) -> SearchSpace:
        """The space that this run's supernet was made for."""
        return recorded_space(self.path, load_space)


def _refuse_lost(space: SearchSpace) -> None:
    """Refuses a space that the folder could not name again."""
    if isinstance(space, Compressed) and space.source is None and space.base.source is not None:
        raise CheckpointError(
            f"a run of space '{space.name}' could not be opened again: precisions by name are for spaces by name. Train "
            f"'{space.base.source.name}', whose weights serve all precisions, and search its run with --compress; or write a table "
            "[compress] into the file"
        )


def _refuse_others(path: Path, file: str | None, space: SearchSpace) -> None:
    """Refuses a folder with files that a run would write over; what a killed start of this very run left may go."""
    text = space.source.text.encode() if space.source is not None else b""
    in_the_way = [name for name in ("metrics.jsonl", "checkpoints", "tensorboard") if (path / name).exists()]
    if file is not None and (path / file).exists() and (path / file).read_bytes() != text:
        in_the_way.append(file)
    if in_the_way:
        raise CheckpointError(
            f"'{path}' is no run, but has '{in_the_way[0]}', which a run would write over; choose another folder with --out"
        )
    refuse_other(path / "environment.json", b'"vitnas"', "record of an environment")
    refuse_other(path / "order.json", b'"importance"', "record of an order of channels")


def newest_run(root: Path) -> RunFolder | None:
    """The run below a folder whose weights are the newest; None when no run there has any."""
    runs = [RunFolder(file.parent) for file in root.glob("*/config.toml")]
    weights = {run: sorted(run.checkpoints.glob("step-*")) for run in runs}
    trained = [run for run in runs if weights[run]]
    return max(trained, key=lambda run: weights[run][-1].stat().st_mtime) if trained else None


def environment() -> dict[str, Any]:
    """What a result depends on besides its settings; no user name, path or variable is in it."""
    packages = {}
    for name in ("torch", "numpy", "onnx", "onnxruntime", "optuna", "pymoo", "ray"):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "vitnas": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": processor(),
        "cores": os.cpu_count(),
        "packages": packages,
        "git": _git_state(),
    }


def processor() -> str:
    """The processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git_state() -> dict[str, Any] | None:
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=10
        )
        dirty = subprocess.run(
            ["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": head.stdout.strip(), "changed": bool(dirty.stdout.strip())}


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
