"""Checkpoints: the shared weights and all that training needs to go on from them, bit for bit."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vitnas.errors import CheckpointError, DataError
from vitnas.files import Ours, disk_trouble, foreign, new_folder, read_json, remove_folder, sha256, tidy, write_json
from vitnas.run import RunFolder
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.averaging import WeightAverage
from vitnas.supernets.weights.compensated import load_compensation

KEEP = 3
"""How many checkpoints of a run are kept, so that a damaged one has predecessors."""

_WEIGHTS, _OPTIMIZER, _AVERAGE = "supernet.safetensors", "optimizer.safetensors", "average.safetensors"
_STATE = "state.json"


@dataclass(frozen=True)
class TrainingProgress:
    """How far training has come.

    Attributes:
        step: steps made.
        bad_steps: of these the latest ones in a row that had no finite loss.
        sampler: what the sampler has learnt.
        learner: the scale of half-precision losses.
    """

    step: int = 0
    bad_steps: int = 0
    sampler: Mapping[str, Any] = field(default_factory=dict)
    learner: Mapping[str, Any] = field(default_factory=dict)


def checkpoint_folders(run: RunFolder) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    return sorted(path for path in run.checkpoints.glob("step-*") if path.name.removeprefix("step-").isdecimal())


def newest_weights(run: RunFolder) -> str:
    """What archs of a run are judged on: its newest checkpoint, and whether they are compensated."""
    return checkpoint_folders(run)[-1].name + (", compensated" if run.moments_file.exists() else "")


def _ours(checkpoint: Path) -> Ours:
    """The files of a checkpoint that may go, damaged or not."""
    return dict.fromkeys((_WEIGHTS, _OPTIMIZER, _AVERAGE, _STATE))


def save_checkpoint(
    run: RunFolder,
    net: Supernet,
    optimizer: torch.optim.Optimizer,
    progress: TrainingProgress,
    average: WeightAverage | None = None,
    planned: bool = True,
    made_by: Mapping[str, int] | None = None,
) -> Path:
    """Writes a checkpoint as a whole or not at all, then drops the oldest ones.

    Args:
        run: whose checkpoint it is.
        net: with its weights, and statistics of batch norms.
        optimizer: whose moments go with them.
        progress: how far training has come.
        average: of the weights.
        planned: whether it comes at its step, not in between; one in between stays until the next checkpoint.
        made_by: how many processes, threads and GPUs, which decide how sums are rounded.
    """
    path = run.checkpoints / f"step-{progress.step:08d}"
    tensors = {_WEIGHTS: _on_cpu(net.state_dict()), _OPTIMIZER: _on_cpu(_optimizer_tensors(net, optimizer))}
    if average is not None:
        tensors[_AVERAGE] = _on_cpu(average.weights)
    try:
        with new_folder(path, _ours, with_list=False) as draft:
            for name, content in tensors.items():
                save_file(content, draft / name)
            state = {
                **asdict(progress),
                "updates": average.updates if average is not None else 0,
                "space": net.space.fingerprint,
                "planned": planned,
                "made_by": dict(made_by or {}),
                "sha256": {name: sha256(draft / name) for name in tensors},
            }
            write_json(draft / _STATE, state)
    except (OSError, SafetensorError) as error:
        number = disk_trouble(error) or getattr(error, "errno", None)
        reason = os.strerror(number) if number else str(error)
        raise CheckpointError(
            f"cannot write checkpoint '{path}': {reason}; earlier checkpoints are as they were: free some space, "
            f"then resume with --resume {run.path}"
        ) from None
    tidy(run.checkpoints, r"step-\d+", _ours)
    for old in _outdated(run, path, planned):
        if not foreign(old, _ours(old)):
            remove_folder(old, _ours(old))
    return path


def _outdated(run: RunFolder, newest: Path, planned: bool) -> list[Path]:
    """The oldest checkpoints, and those in between, when a new one is there."""
    before = [folder for folder in checkpoint_folders(run) if folder < newest]
    kept = [folder for folder in before if _is_planned(folder)][-(KEEP - planned) :]
    return [folder for folder in before if folder not in kept]


def _is_planned(path: Path) -> bool:
    try:
        return bool(read_json(path / _STATE).get("planned", True))
    except (DataError, OSError, AttributeError):
        return True  # damaged or not, it has its turn


def made_by(run: RunFolder) -> dict[str, int]:
    """How many processes, threads each and GPUs wrote the newest checkpoint; empty where there is none, or an old one."""
    for path in reversed(checkpoint_folders(run)):
        try:
            return {str(name): int(count) for name, count in read_json(path / _STATE)["made_by"].items()}
        except (DataError, OSError, KeyError, TypeError, ValueError, AttributeError):
            continue
    return {}


def resume(
    run: RunFolder, net: Supernet, optimizer: torch.optim.Optimizer, average: WeightAverage | None = None
) -> TrainingProgress | None:
    """Takes up the newest good checkpoint; None if the run has none yet."""
    if not checkpoint_folders(run):
        return None

    def read(path: Path, state: Mapping[str, Any]) -> None:
        weights, moments = load_file(path / _WEIGHTS), load_file(path / _OPTIMIZER)
        net.load_state_dict(weights)
        _restore_optimizer(net, optimizer, moments)
        if average is not None:
            average.load(load_file(path / _AVERAGE), state["updates"])

    files = (_WEIGHTS, _OPTIMIZER) if average is None else (_WEIGHTS, _OPTIMIZER, _AVERAGE)
    state = _read_newest(run, files, read)
    return TrainingProgress(**{field.name: state[field.name] for field in fields(TrainingProgress)})


def load_supernet(run: RunFolder) -> Supernet:
    """The supernet with the weights of the newest good checkpoint, in evaluation mode.

    Where training kept an average of the weights, that is what it gives. Where moments were measured, smaller archs are
    compensated.
    """
    if not checkpoint_folders(run):
        raise CheckpointError(
            f"run '{run.path}' has no checkpoint yet; train it with `vitnas train-supernet --resume {run.path}`"
        )
    net = Supernet(run.space)

    def read(path: Path, state: Mapping[str, Any]) -> None:
        averaged = load_file(path / _AVERAGE) if _AVERAGE in state["sha256"] else {}
        net.load_state_dict({**load_file(path / _WEIGHTS), **averaged})

    _read_newest(run, (_WEIGHTS, _AVERAGE), read)
    net.compensation = load_compensation(run, net)
    return net.eval()


def load_supernet_at(run: RunFolder, checkpoint: Path) -> Supernet:
    """The supernet of one checkpoint, which must be as it was written."""
    state, file = read_json(checkpoint / "state.json"), checkpoint / "supernet.safetensors"
    if not file.is_file() or state.get("sha256", {}).get(file.name) != sha256(file):
        raise CheckpointError(
            f"checkpoint '{checkpoint}' is damaged; give the run '{run.path}', and its newest good one counts"
        )
    if state.get("space") != run.space.fingerprint:
        raise CheckpointError(
            f"checkpoint '{checkpoint}' was made for space {state.get('space')}, but run '{run.path}' is of space "
            f"'{run.space.name}' {run.space.fingerprint}; use the version of vitnas that made it"
        )
    net = Supernet(run.space)
    net.load_state_dict(load_file(file))
    return net


def _read_newest(
    run: RunFolder, files: tuple[str, ...], read: Callable[[Path, Mapping[str, Any]], object]
) -> dict[str, Any]:
    """Reads the newest checkpoint in which those of the `files` that it has are what was written; returns its state."""
    damaged = []
    for path in reversed(checkpoint_folders(run)):
        try:
            state = _read_state(path, files)
        except (DataError, OSError) as error:
            warnings.warn(f"skipped damaged checkpoint '{path}': {error}", stacklevel=3)
            damaged.append(path.name)
            continue
        if state["space"] != run.space.fingerprint:
            raise CheckpointError(
                f"checkpoint '{path}' was made for space {state['space']}, but run '{run.path}' is of space "
                f"'{run.space.name}' {run.space.fingerprint}; use the checkpoints of this run, or the version of "
                f"vitnas that made them"
            )
        read(path, state)
        return state
    raise CheckpointError(
        f"run '{run.path}' has no checkpoint that can be read, damaged are {damaged}; delete the folder "
        f"'{run.checkpoints}' to train from the beginning"
    )


def _read_state(path: Path, files: tuple[str, ...]) -> dict[str, Any]:
    state = read_json(path / _STATE)
    try:
        if path.name != f"step-{state['step']:08d}":
            raise DataError(f"its {_STATE} is of step {state['step']}")
        if _WEIGHTS not in state["sha256"]:
            raise DataError(f"its {_STATE} names no weights")
        for name in state["sha256"].keys() & set(files):
            if sha256(path / name) != state["sha256"][name]:
                raise DataError(f"the content of {name} is not what was written")
        return {"learner": {}, "updates": 0, **state, "space": state["space"], "bad_steps": state["bad_steps"]}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"its {_STATE} is incomplete: {error!r}") from None


def _optimizer_tensors(net: Supernet, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All state as tensors named "key:parameter"; the hyper-parameters follow from the settings."""
    names = {id(p): name for name, p in net.named_parameters()}
    found = {}
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if value is None:  # momentum that has not begun
                continue
            assert isinstance(value, Tensor), f"optimiser state '{key}' is no tensor"
            found[f"{key}:{names[id(parameter)]}"] = value
    return found


def _restore_optimizer(net: Supernet, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    states: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        key, _, parameter = name.partition(":")
        states.setdefault(parameter, {})[key] = value
    names = {id(p): name for name, p in net.named_parameters()}
    plan = optimizer.state_dict()
    order = [names[id(p)] for group in optimizer.param_groups for p in group["params"]]
    plan["state"] = {i: states[name] for i, name in enumerate(order) if name in states}
    optimizer.load_state_dict(plan)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


__all__ = [
    "TrainingProgress",
    "checkpoint_folders",
    "load_supernet",
    "made_by",
    "newest_weights",
    "resume",
    "save_checkpoint",
]
