"""Initial weights of a supernet: from timm, Hugging Face, an exported arch or another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vitnas.errors import CheckpointError, DataError
from vitnas.files import check_seal, read_json, sha256
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, LayerSpec
from vitnas.supernets.layers import Layer
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.pretrained import find_arch, load_timm, shared_layers, write_weights
from vitnas.supernets.weights.pretrained.hugging_face import check_config, is_hugging_face, to_timm
from vitnas.supernets.weights.pretrained.matching import class_tensors
from vitnas.supernets.weights.pretrained.timm_package import import_timm

FORMS = "timm:NAME, timm:NAME@FILE, a safetensors file, or the folder of a Hugging Face ViT, an exported arch or a run"


def initialise(net: Supernet, source: str) -> str:
    """Writes pretrained weights into a supernet and says which arch of it they are.

    What the pretrained network does not have stays as it was drawn, the head too if its classes are others. A source
    that does not fit changes nothing.

    Args:
        net: a fresh supernet.
        source: one of `FORMS`.
    """
    kind, _, rest = source.partition(":")
    name, _, file = rest.partition("@")
    if kind == "timm":
        return _from_timm(net, _read(Path(file)) if file else _download(name), source)
    path = Path(source)
    if (path / "config.toml").is_file():
        return _from_run(net, RunFolder.open(path), source)
    if (path / "state.json").is_file() and (path.parent.parent / "config.toml").is_file():
        return _from_run(net, RunFolder.open(path.parent.parent), source, path)
    if (path / "arch.json").is_file():
        return _from_export(net, path, source)
    if (path / "model.safetensors").is_file():
        return _from_file(net, path / "model.safetensors", source)
    if path.is_file():
        return _from_file(net, path, source)
    raise CheckpointError(f"--init {source}: no such weights; give {FORMS}")


def _from_file(net: Supernet, file: Path, source: str) -> str:
    if file.name == "supernet.safetensors":
        return initialise(net, str(file.parent))
    if file.name == "weights.safetensors" and (file.parent / "arch.json").is_file():
        return _from_export(net, file.parent, source)
    state = _read(file)
    if not is_hugging_face(state):
        return _from_timm(net, state, source)
    config = file.parent / "config.json"
    if config.is_file():
        widths = {spec["head_width"] for spec in net.space.lowering.specs if spec.kind == "attention"}
        for width in widths:
            check_config(read_json(config), width)
    return _from_timm(net, to_timm(state), source)


def _from_timm(net: Supernet, state: Mapping[str, Tensor], source: str) -> str:
    if "dist_token" in state:
        raise CheckpointError(
            f"--init {source}: the model has a distillation token, which no network of space '{net.space.name}' reads; "
            f"choose a model without one"
        )
    arch, classes = find_arch(net.space, state)
    new_head = classes != net.space.task.num_classes
    load_timm(net, arch, state, new_head)
    net.given = arch
    return _told(net, arch, source, classes if new_head else None)


def _from_export(net: Supernet, folder: Path, source: str) -> str:
    arch = net.space.check(Arch.from_json(read_json(folder / "arch.json")))
    blueprint = net.space.lower(arch)
    given: dict[str, dict[str, Tensor]] = {site: {} for site in blueprint.sites}
    for name, tensor in _read(folder / "weights.safetensors").items():
        site, _, leaf = name.partition(".")
        if site not in given:
            raise CheckpointError(
                f"--init {source}: its weights have '{name}', which arch {arch.id} has not; export anew"
            )
        given[site][leaf] = tensor
    classes = _task(folder / "report.json").get("num_classes", net.space.task.num_classes)
    new_head = classes != net.space.task.num_classes
    write_weights(shared_layers(net, arch), blueprint, given, new_head)
    net.given = arch
    return _told(net, arch, source, classes if new_head else None)


def _from_run(net: Supernet, run: RunFolder, source: str, checkpoint: Path | None = None) -> str:
    """Every layer that both supernets have, as far as both go."""
    theirs = load_supernet(run) if checkpoint is None else _supernet_at(run, checkpoint)
    space, task, other = net.space, net.space.task, run.space.task
    if run.space.name != space.name:
        raise CheckpointError(
            f"--init {source}: it is a run of space '{run.space.name}', not of '{space.name}'; give a run of that space"
        )
    new_head = other.num_classes != task.num_classes
    plan: list[tuple[Tensor, Tensor]] = []
    training = net.training
    net.eval()  # so that slices of running statistics are the shared ones
    for key, layer in net.layers.items():
        if key in theirs.layers:
            donor = theirs.layers[key]
            assert isinstance(layer, Layer)
            assert isinstance(donor, Layer)
            plan += _common(key, layer, donor, exact=replace(task, num_classes=1) != replace(other, num_classes=1))
    net.train(training)
    if not plan:
        raise CheckpointError(f"--init {source}: the two supernets have no layer in common; give a run of this space")
    with torch.no_grad():
        for own, value in plan:
            own.copy_(value)
    head = f"; its {other.num_classes} classes are others, so the head is new" if new_head else ""
    return f"took the shared weights of run '{run.path}'{head}"


def _common(key: str, own: Layer, donor: Layer, exact: bool) -> list[tuple[Tensor, Tensor]]:
    """Pairs of tensors, ours and theirs, of the largest layer that lies in both.

    With other images (`exact`) the layers must be of one shape: positions of one grid mean nothing on another.
    """
    wanted, given = own.state_dict(), donor.state_dict()
    classifies = len(own.spec.out_shape) == 1
    kept = class_tensors(own.spec) if classifies and own.spec.out_shape != donor.spec.out_shape else set()
    odd = [
        name for name in wanted if name not in kept and (name not in given or wanted[name].shape != given[name].shape)
    ]
    if not odd:
        return [(wanted[name], given[name]) for name in wanted if name not in kept]
    name = odd[0]
    if exact or name not in given:
        there = f"shape {tuple(given[name].shape)}" if name in given else "no such tensor"
        raise CheckpointError(
            f"layer '{key}': '{name}' has shape {tuple(wanted[name].shape)} here and {there} in the run; there is no "
            f"exact rule from one to the other, so give a run of the same image size and channels"
        )
    common = _meet(own.spec, donor.spec)
    small, large = own.at(common).state_dict(), donor.at(common).state_dict()
    return [(small[name], large[name]) for name in small if name not in kept]


def _meet(left: LayerSpec, right: LayerSpec) -> LayerSpec:
    """The largest spec within both: every number at its smaller value."""
    attrs: dict[str, Any] = {
        name: min(value, right[name]) if isinstance(value, int | float) else value for name, value in left.attrs
    }
    return LayerSpec.of(
        left.kind,
        [min(pair) for pair in zip(left.in_shape, right.in_shape, strict=True)],
        [min(pair) for pair in zip(left.out_shape, right.out_shape, strict=True)],
        **attrs,
    )


def _supernet_at(run: RunFolder, checkpoint: Path) -> Supernet:
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
    net.load_state_dict(_read(file))
    return net


def _told(net: Supernet, arch: Arch, source: str, other_classes: int | None) -> str:
    head = f"; its {other_classes} classes are others, so the head is new" if other_classes else ""
    return f"took the weights of {source}: arch {net.space.name_of(arch) or arch.id} of space '{net.space.name}'{head}"


def _task(report: Path) -> dict[str, Any]:
    found = read_json(report).get("task", {}) if report.is_file() else {}
    return dict(found)


def _read(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise CheckpointError(f"'{file}' does not exist; give a safetensors file of weights")
    try:
        check_seal(file)
        return dict(load_file(file))
    except DataError as error:
        raise CheckpointError(str(error)) from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"'{file}' cannot be read as safetensors: {error}; save the weights in that format"
        ) from None


def _download(name: str) -> dict[str, Tensor]:
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


__all__ = ["initialise"]
