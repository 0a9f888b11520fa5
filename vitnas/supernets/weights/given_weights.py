"""The networks that a space was made of, with their weights, and how they come into the supernet of that space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.errors import CheckpointError
from vitnas.files import read_json
from vitnas.search_spaces import Arch, Blueprint, LayerSpec, Pruned, Task
from vitnas.search_spaces.pruned.given import GivenNetwork
from vitnas.supernets.layers import Layer, outline
from vitnas.supernets.supernet import Supernet, build_network
from vitnas.supernets.weights.checkpoints import load_supernet, load_supernet_at
from vitnas.supernets.weights.overlap import common_tensors
from vitnas.supernets.weights.pretrained import write_weights
from vitnas.supernets.weights.pretrained.deit import slimmed
from vitnas.supernets.weights.pretrained.families import rules_of_family
from vitnas.supernets.weights.pretrained.hugging_face import check_config
from vitnas.supernets.weights.pretrained.low_rank import at_full_rank
from vitnas.supernets.weights.pretrained.matching import class_tensors
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights
from vitnas.supernets.weights.sources import ExportedWeights, RunWeights, TimmState, by_site, find_weights, read_state

Tensors = Mapping[str, Mapping[str, Tensor]]
"""Site and name -> value."""


@dataclass(frozen=True)
class Wanted:
    """A network whose weights are looked for.

    Attributes:
        space: the name of the space that is made of it, for messages.
        given: the network.
        task: what it is for.
        layers: its layers in the kinds in which the space has them.
    """

    space: str
    given: GivenNetwork
    task: Task
    layers: Blueprint

    @property
    def blueprint(self) -> Blueprint:
        """Its layers in the kinds in which it was given."""
        return self.given.blueprint(self.task)


@dataclass(frozen=True)
class GivenWeights:
    """A given network with its weights.

    Attributes:
        network: its layers by site, in the kinds in which its space has them.
        new_head: whether its classes are others, so that the last product is as it was drawn.
        resampled: the side that its grid of positions had, if it was another one.
    """

    network: nn.Sequential
    new_head: bool = False
    resampled: int | None = None


def given_network(
    space: Pruned, source: str | TimmState | ExportedWeights | RunWeights, name: str | None = None
) -> GivenWeights:
    """The network that a space was made of.

    Args:
        space: of all that the network becomes.
        source: one of `FORMS`, or what was found there.
        name: the source as it was given, for messages.
    """
    return read_network(Wanted(space.name, space.given, space.task, space.whole), source, name)


def read_network(
    wanted: Wanted, source: str | TimmState | ExportedWeights | RunWeights, name: str | None = None
) -> GivenWeights:
    """A given network with the weights that lie in a source."""
    name = name or str(source)
    found = find_weights(source) if isinstance(source, str) else source
    match found:
        case TimmState(state, config):
            tensors = _of_timm(wanted, state, name)
            if config is not None:
                kinds = ("attention", "slim_attention", "low_rank_attention")
                for spec in (spec for spec in wanted.layers if spec.kind in kinds):
                    check_config(config, spec["head_width"])
        case ExportedWeights(folder):
            tensors = by_site(read_state(folder / "weights.safetensors"), wanted.blueprint.sites, name)
        case RunWeights():
            tensors = _of_run(wanted, found, name)
    return _built(wanted, tensors)


def take_given(net: Supernet, given: GivenWeights, source: str) -> str:
    """Writes a given network into the supernet of its space, as far as the supernet goes; says what was done."""
    take_layers(net, layers_of(given))
    told = f"took the weights of {source}: the network that space '{net.space.name}' was made of"
    return told + told_of(given)


def layers_of(given: GivenWeights) -> dict[str, tuple[Layer, set[str]]]:
    """The layers of a given network by site, and which tensors of each are not its own."""
    found = {}
    head = list(dict(given.network.named_children()))[-1]
    for site, layer in given.network.named_children():
        assert isinstance(layer, Layer)
        found[site] = layer, class_tensors(layer.spec) if given.new_head and site == head else set()
    return found


@torch.no_grad()
def take_layers(net: Supernet, layers: Mapping[str, tuple[Layer, set[str]]]) -> None:
    """Writes layers into a supernet by site, as far as both go; sites that none of them has stay as they are."""
    training = net.training
    net.eval()  # so that slices of running statistics are the shared ones
    for key, layer in net.layers.items():
        site = key.rpartition("-")[0]
        if site not in layers:
            continue
        assert isinstance(layer, Layer)
        donor, fresh = layers[site]
        for (own, value), name in zip(common_tensors(key, layer, donor, exact=False), layer.state_dict(), strict=True):
            if name not in fresh:
                own.copy_(value)
    net.train(training)


def told_of(given: GivenWeights) -> str:
    """What was changed about a given network."""
    told = ""
    if given.resampled is not None:
        told = f"; its {given.resampled} x {given.resampled} positions were resampled to these images"
    return told + ("; its classes are others, so the head is new" if given.new_head else "")


def _of_timm(wanted: Wanted, state: Mapping[str, Tensor], source: str) -> Tensors:
    if "dist_token" in state:
        raise CheckpointError(
            f"--init {source}: the model has a distillation token, which no network of space '{wanted.space}' reads; "
            f"choose a model without one"
        )
    weights, blueprint = TimmWeights(state), wanted.blueprint
    try:
        found = dict(rules_of_family(wanted.given.family, blueprint)(blueprint, weights))
    except RuntimeError as error:  # a tensor that cannot be reshaped to what the network asks for
        raise CheckpointError(
            f"--init {source}: it is not the network that space '{wanted.space}' was made of ({error}); name that network"
        ) from None
    weights.require_all_read()
    return found


def _of_run(wanted: Wanted, found: RunWeights, source: str) -> Tensors:
    run = found.run
    arch = Arch.from_json(read_json(found.arch_file)) if found.arch_file is not None else wanted.given.arch
    if arch is None or arch.space != run.space.name:
        raise CheckpointError(
            f"--init {source}: it is a run of space '{run.space.name}', of which the network that space '{wanted.space}' was made "
            f"of is none; give the run or the export that this network is from"
        )
    if _classless(run.space.lower(run.space.check(arch))) != _classless(wanted.blueprint):
        raise CheckpointError(
            f"--init {source}: arch {arch.id} of the run is not the network that space '{wanted.space}' was made of; name the "
            f"space by that arch, and look at images of the same size"
        )
    net = load_supernet(run) if found.checkpoint is None else load_supernet_at(run, found.checkpoint)
    return by_site(net.extract(arch).state_dict(), wanted.blueprint.sites, source)


def _classless(blueprint: Blueprint) -> tuple[object, ...]:
    *body, head = blueprint.items()
    return (*body, head[0], replace(head[1], out_shape=(1,)))


def _built(wanted: Wanted, tensors: Tensors) -> GivenWeights:
    """The given network in the kinds that are wanted; its tensors are those of the kinds in which it was given."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(wanted.layers)
    given, resampled = {}, None
    for (site, spec), was in zip(wanted.layers.items(), wanted.blueprint, strict=True):
        own = dict(tensors[site])
        if spec.kind != was.kind:
            own = slimmed(own) if spec.kind == "slim_attention" else at_full_rank(spec, own)
        own, side = _resampled(spec, own)
        given[site], resampled = own, resampled or side
    head, last = wanted.layers.sites[-1], wanted.layers.layers[-1]
    names, fresh = class_tensors(last), network.get_submodule(head).state_dict()
    new_head = any(name not in given[head] or given[head][name].shape != fresh[name].shape for name in names)
    if new_head:
        given[head] |= {name: fresh[name] for name in names}
    write_weights(dict(network.named_children()), wanted.layers, given)
    return GivenWeights(network.eval(), new_head, resampled)


def _resampled(spec: LayerSpec, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], int | None]:
    """Absolute positions on the grid of these images, as timm and DINOv2 resample them."""
    layer, side = outline(spec), None
    for name, axes in layer.averaged.items():
        if name not in tensors:
            continue
        size = [layer.state_dict()[name].shape[axis] for axis in axes]
        grid = tensors[name]
        if axes != (0, 1) or list(grid.shape[:2]) == size:
            continue
        side = grid.shape[0]
        maps = F.interpolate(grid.permute(2, 0, 1)[None].float(), size=size, mode="bicubic", antialias=True)
        tensors = tensors | {name: maps[0].permute(1, 2, 0)}
    return tensors, side
