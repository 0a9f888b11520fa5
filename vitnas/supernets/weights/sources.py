"""Where first weights lie: files of tensors, the hub of timm, exports and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vitnas.errors import CheckpointError, DataError
from vitnas.files import check_seal, read_json
from vitnas.run import RunFolder
from vitnas.search_spaces.recorded import run_around
from vitnas.supernets.weights.pretrained.hugging_face import is_hugging_face, to_timm
from vitnas.supernets.weights.pretrained.timm_package import import_timm

FORMS = (
    "timm:NAME, timm:NAME@FILE, a file of weights (safetensors, or of torch), or the folder of a Hugging Face ViT, an exported "
    "arch or a run"
)

TORCH = (".pt", ".pth", ".bin", ".ckpt")
"""Endings of files that torch.save wrote."""

INSIDE = ("state_dict", "model", "model_state")
"""Keys under which training programs keep the weights of a network beside other things."""


@dataclass(frozen=True)
class TimmState:
    """Tensors under the names of timm; with the configuration that lies beside them, if they are from Hugging Face."""

    state: Mapping[str, Tensor]
    config: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ExportedWeights:
    """The folder of an exported arch."""

    folder: Path


@dataclass(frozen=True)
class RunWeights:
    """A run, one of its checkpoints instead of the newest, and the arch that was named by its file."""

    run: RunFolder
    checkpoint: Path | None = None
    arch_file: Path | None = None


def find_weights(source: str) -> TimmState | ExportedWeights | RunWeights:
    """What a source of weights is, one of `FORMS`."""
    kind, _, rest = source.partition(":")
    name, _, file = rest.partition("@")
    if kind == "timm":
        return _in_file(Path(file)) if file else TimmState(download(name))
    path = Path(source)
    if (path / "config.toml").is_file():
        return RunWeights(RunFolder.open(path))
    if (path / "state.json").is_file() and (path.parent.parent / "config.toml").is_file():
        return RunWeights(RunFolder.open(path.parent.parent), path)
    if (path / "arch.json").is_file():
        return ExportedWeights(path)
    if (path / "model.safetensors").is_file():
        return _in_file(path / "model.safetensors")
    if path.name == "supernet.safetensors" and path.is_file():
        return find_weights(str(path.parent))
    if path.suffix == ".json" and path.is_file():
        return _around(path)
    if path.name == "weights.safetensors" and (path.parent / "arch.json").is_file():
        return ExportedWeights(path.parent)
    if path.is_file():
        return _in_file(path)
    raise CheckpointError(f"--init {source}: no such weights; give {FORMS}")


def _around(arch_file: Path) -> ExportedWeights | RunWeights:
    """The export or the run that the file of an arch lies in."""
    if (arch_file.parent / "weights.safetensors").is_file():
        return ExportedWeights(arch_file.parent)
    run = run_around(arch_file)
    if run is not None:
        return RunWeights(RunFolder.open(run), arch_file=arch_file)
    raise CheckpointError(f"--init {arch_file}: no export and no run lies around it; give {FORMS}")


def _in_file(file: Path) -> TimmState:
    state = read_state(file)
    if not is_hugging_face(state):
        return TimmState(state)
    config = file.parent / "config.json"
    return TimmState(to_timm(state), read_json(config) if config.is_file() else None)


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a file of safetensors, or of one that torch.save wrote, of which nothing but tensors is read."""
    if not file.is_file():
        raise CheckpointError(f"'{file}' does not exist; give a safetensors file of weights")
    if file.suffix in TORCH:
        return _of_torch(file)
    try:
        check_seal(file)
        return dict(load_file(file))
    except DataError as error:
        raise CheckpointError(str(error)) from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"'{file}' cannot be read as safetensors: {error}; save the weights in that format"
        ) from None


def _of_torch(file: Path) -> dict[str, Tensor]:
    try:
        read: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever its readers, one a format, stumble over
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise CheckpointError(
            f"'{file}' cannot be read as tensors of torch ({first}); only plain tensors are taken, so save model.state_dict()"
        ) from None
    for key in INSIDE:
        if isinstance(read, Mapping) and isinstance(read.get(key), Mapping):
            read = read[key]
    if not isinstance(read, Mapping) or not read or not all(isinstance(value, Tensor) for value in read.values()):
        raise CheckpointError(f"'{file}' holds no table of tensors; save model.state_dict()")
    return {str(name).removeprefix("module."): tensor for name, tensor in read.items()}


def by_site(state: Mapping[str, Tensor], sites: Sequence[str], source: str) -> dict[str, dict[str, Tensor]]:
    """The tensors of a network of ours, whose names begin with the site."""
    found: dict[str, dict[str, Tensor]] = {site: {} for site in sites}
    for name, tensor in state.items():
        site, _, leaf = name.partition(".")
        if site not in found:
            raise CheckpointError(
                f"--init {source}: its weights have '{name}', which the network has not; export anew, or name its arch"
            )
        found[site][leaf] = tensor
    return found


def download(name: str) -> dict[str, Tensor]:
    """The pretrained weights of a timm model, from its hub or the cache of this machine."""
    timm: Any = import_timm()
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.partition('_')[0]}*")[:5]
        raise CheckpointError(f"timm has no model '{name}'; near ones are {near}")
    try:
        model: nn.Module = timm.create_model(name, pretrained=True)
    except Exception as error:  # whatever the hub and the network raise
        raise CheckpointError(
            f"timm cannot fetch the weights of '{name}': {error}; fetch them where there is a network and give "
            f"--init timm:{name}@FILE"
        ) from None
    return dict(model.state_dict())
