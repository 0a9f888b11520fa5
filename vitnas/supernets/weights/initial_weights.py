"""Initial weights of a supernet: from timm, Hugging Face, an exported arch or another run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vitnas.errors import CheckpointError
from vitnas.files import read_json
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Pruned, SearchSpace, Stitched, is_given_name
from vitnas.search_spaces.answers import ANSWERS, CLASS, reads_a_classifier
from vitnas.search_spaces.compressed import Compressed
from vitnas.supernets.layers import Layer
from vitnas.supernets.supernet import Donor, Supernet
from vitnas.supernets.weights.checkpoints import load_supernet, load_supernet_at
from vitnas.supernets.weights.given_weights import given_network, take_given
from vitnas.supernets.weights.overlap import common_tensors
from vitnas.supernets.weights.pretrained import (
    classifying,
    find_arch,
    load_timm,
    shared_layers,
    without_head,
    write_weights,
)
from vitnas.supernets.weights.pretrained.hugging_face import check_config
from vitnas.supernets.weights.sources import ExportedWeights, RunWeights, TimmState, by_site, find_weights, read_state
from vitnas.supernets.weights.stitched_weights import take_stitched


def initialise(net: Supernet, source: str) -> str:
    """Writes pretrained weights into a supernet and says which arch of it they are.

    What the pretrained network does not have stays as it was drawn, the head too if its classes are others. A source
    that does not fit changes nothing.

    Args:
        net: a fresh supernet.
        source: one of `vitnas.supernets.weights.sources.FORMS`, or two of them as stitch:A+B for a space of two networks.
    """
    space = net.space
    if is_given_name(source):
        return take_stitched(net, source)
    found = find_weights(source)
    if isinstance(space, Stitched) and not isinstance(found, RunWeights):
        raise CheckpointError(
            f"--init {source}: it is one network, and space '{space.name}' was made of two; give stitch:A+B with the weights of both"
        )
    if isinstance(space, Pruned) and not is_run_of(space, found):
        given = given_network(space, found, source)
        net.donors = (Donor(space.largest(), given.new_head),)
        return take_given(net, given, source)
    match found:
        case TimmState(state, config):
            return _from_timm(net, state, config, source)
        case ExportedWeights(folder):
            return _from_export(net, folder, source)
        case RunWeights(run, checkpoint):
            return _from_run(net, run, source, checkpoint)


def is_run_of(space: SearchSpace, found: object) -> bool:
    """Whether weights lie in a run of this space, or of a part of it, in the order that they have there."""
    return isinstance(found, RunWeights) and found.run.space.name == space.name


def _from_timm(net: Supernet, state: Mapping[str, Tensor], config: Mapping[str, Any] | None, source: str) -> str:
    heads = ("attention", "low_rank_attention", "reducing_attention", "windowed_attention")
    widths = {spec["head_width"] for spec in net.space.lowering.specs if spec.kind in heads}
    for width in widths if config is not None else ():
        check_config(config or {}, width)
    if "dist_token" in state:
        raise CheckpointError(
            f"--init {source}: the model has a distillation token, which no network of space '{net.space.name}' reads; "
            f"choose a model without one"
        )
    arch, classes = find_arch(classifying(net.space), state)
    new_head = classes != net.space.task.num_classes or not reads_a_classifier(net.space.task)
    load_timm(net, arch, state, new_head)
    net.donors = (Donor(arch, new_head),)
    return _told(net, arch, source, classes if new_head else None)


def _from_export(net: Supernet, folder: Path, source: str) -> str:
    arch = net.space.check(Arch.from_json(read_json(folder / "arch.json")))
    blueprint = net.space.lower(arch)
    given = by_site(read_state(folder / "weights.safetensors"), blueprint.sites, source)
    told = _task(folder / "report.json")
    task, classes = net.space.task, told.get("num_classes", net.space.task.num_classes)
    other_kind = ANSWERS.load(task.answer).head is not ANSWERS.load(told.get("answer", CLASS)).head
    new_head = classes != task.num_classes or other_kind
    body = without_head(blueprint) if other_kind else blueprint
    write_weights(shared_layers(net, arch), body, given, new_head and not other_kind)
    net.donors = (Donor(arch, new_head),)
    return _told(net, arch, source, classes if new_head else None)


def _from_run(net: Supernet, run: RunFolder, source: str, checkpoint: Path | None = None) -> str:
    """Every layer that both supernets have, as far as both go, compensated where the run compensates."""
    theirs = load_supernet(run) if checkpoint is None else load_supernet_at(run, checkpoint)
    space, task, other = net.space, net.space.task, run.space.task
    if run.space.name not in (space.name, space.base.name if isinstance(space, Compressed) else space.name):
        raise CheckpointError(
            f"--init {source}: it is a run of space '{run.space.name}', not of '{space.name}'; give a run of that space"
        )
    new_head = other.answer_shape != task.answer_shape
    plan: list[tuple[Tensor, Tensor]] = []
    training = net.training
    net.eval()  # so that slices of running statistics are the shared ones
    for key, layer in net.layers.items():
        if key in theirs.layers:
            donor = theirs.layers[key]
            assert isinstance(layer, Layer)
            assert isinstance(donor, Layer)
            other_images = task.image_shape != other.image_shape
            plan += common_tensors(key, layer, donor, other_images, theirs.compensation)
    net.train(training)
    if not plan:
        raise CheckpointError(f"--init {source}: the two supernets have no layer in common; give a run of this space")
    with torch.no_grad():
        for own, value in plan:
            own.copy_(value)
    head = f"; its {other.num_classes} classes are others, so the head is new" if new_head else ""
    return f"took the shared weights of run '{run.path}'{head}"


def _told(net: Supernet, arch: Arch, source: str, other_classes: int | None) -> str:
    task = net.space.task
    others = f"its {other_classes} classes are others"
    why = others if reads_a_classifier(task) else f"networks here answer '{task.answer}'"
    head = f"; {why}, so the head is new" if other_classes else ""
    return f"took the weights of {source}: arch {net.space.name_of(arch) or arch.id} of space '{net.space.name}'{head}"


def _task(report: Path) -> dict[str, Any]:
    found = read_json(report).get("task", {}) if report.is_file() else {}
    return dict(found)


__all__ = ["initialise", "is_run_of"]
