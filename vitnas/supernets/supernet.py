"""Supernet: one set of weights for all archs of a space, and the plain networks cut from it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from vitnas.image_size import ImageSize
from vitnas.search_spaces import Arch, Blueprint, LayerSpec, SearchSpace
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.supernets.compensation import Compensation
from vitnas.supernets.drop_path import DropPath, drop_rates, is_residual
from vitnas.supernets.experts import Experts, ignore_experts
from vitnas.supernets.layers import Layer, build
from vitnas.supernets.precision.learning import at_precision
from vitnas.supernets.resolution import lower_at


def build_network(blueprint: Blueprint) -> nn.Sequential:
    """The plain network of a blueprint, freshly initialised; its modules carry the names of the sites."""
    return nn.Sequential(OrderedDict((site, build(spec)) for site, spec in blueprint.items()))


def deployed_network(blueprint: Blueprint) -> nn.Sequential:
    """The same in evaluation mode, its layers as they are deployed: to be timed, not to be trained."""
    layers = ((site, build(spec).eval().deployed()) for site, spec in blueprint.items())
    return nn.Sequential(OrderedDict(layers)).eval()


@dataclass(frozen=True)
class Donor:
    """A network that gave a supernet its first weights.

    Attributes:
        arch: what it is in the space.
        new_head: whether its classes were others, so that the classifier is as it was drawn.
    """

    arch: Arch
    new_head: bool = False


class Supernet(nn.Module):
    """The largest layer of every site; smaller ones are slices of it.

    There is no active subnet: every call names its arch, so two may run side by side. That of a compressed space computes
    layers at their precisions, so that they learn what they will be rounded to.

    Attributes:
        space: whose archs it holds.
        layers: the shared weights, by site and kind.
        experts: copies of some layers that training may keep beside them, see `use_experts`.
        compensation: makes up for what smaller archs lack, everywhere but in training; None leaves slices as they are.
            It knows the weights that it was measured on, and has to be measured anew when they change.
        donors: the networks that first weights came from, trained alone and not as one of many; two where they are stitched.
    """

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        self.experts: Experts | None = None
        self.compensation: Compensation | None = None
        self.donors: tuple[Donor, ...] = ()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.ModuleDict()
            for site, specs in space.lowering.specs_at().items():
                for kind in dict.fromkeys(spec.kind for spec in specs):
                    largest = LayerSpec.join(s for s in specs if s.kind == kind)
                    self.layers[f"{site}-{kind}"] = build(largest)
        self.register_load_state_dict_pre_hook(ignore_experts)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor, arch: Arch, drop_path: float = 0.0, image_size: ImageSize | None = None) -> Tensor:
        """The logits of an arch.

        Args:
            x: images (N, C, H, W).
            arch: of the space.
            drop_path: rate at which the last residual layer of the deepest arch is left out for an image, see
                `DropPath`; only in training mode.
            image_size: look at images of this size instead of the task's, see `vitnas.supernets.resolution`.
        """
        for module in self._modules_of(arch, drop_path, image_size):
            x = module(x)
        return x

    def at(self, arch: Arch, drop_path: float = 0.0, image_size: ImageSize | None = None) -> nn.Sequential:
        """The network of an arch on the shared weights, for one forward pass (see `Layer.at`)."""
        return nn.Sequential(*self._modules_of(arch, drop_path, image_size))

    def extract(self, arch: Arch) -> nn.Sequential:
        """The network of an arch in float, as a plain module with its own copy of the weights."""
        network = self.uncompensated(arch)
        if self.compensation is not None:
            for (site, spec), small in zip(self.space.lower(arch).items(), network, strict=True):
                self._compensate(site, spec.at(FLOAT.name), small)
        return network

    def uncompensated(self, arch: Arch) -> nn.Sequential:
        """As `extract`, with nothing made up for."""
        return nn.Sequential(
            OrderedDict(
                (site, self._layer(site, spec).narrow(spec.at(FLOAT.name)))
                for site, spec in self.space.lower(arch).items()
            )
        )

    def use_experts(self, num: int) -> Experts:
        """From now on, training sends each token to one of `num` copies of the feed-forward layers (see `Experts`).

        To be called before an optimiser is made, which shall see the copies too.
        """
        self.experts = Experts(self.layers, num)
        return self.experts

    def _modules_of(self, arch: Arch, drop_path: float, image_size: ImageSize | None) -> Iterator[nn.Module]:
        blueprint = lower_at(self.space, arch, image_size)
        experts = self.experts if self.training else None
        layers: Iterator[nn.Module] = (
            at_precision(
                self._at(site, spec.at(FLOAT.name))
                if experts is None or f"{site}-{spec.kind}" not in experts
                else experts.at(f"{site}-{spec.kind}", spec.at(FLOAT.name)),
                Precision.of(spec.precision),
            )
            for site, spec in blueprint.items()
        )
        if not (drop_path and self.training):
            return layers
        rates = drop_rates(blueprint, drop_path, self._depth)
        return (DropPath(layer, rate) if rate else layer for layer, rate in zip(layers, rates, strict=True))

    @cached_property
    def _depth(self) -> int:
        """The residual layers of the largest arch."""
        return sum(map(is_residual, self.space.lower(self.space.largest())))

    def _at(self, site: str, spec: LayerSpec) -> Layer:
        small = self._layer(site, spec).at(spec)
        if self.compensation is not None and not self.training:
            self._compensate(site, spec, small)
        return small

    def _compensate(self, site: str, spec: LayerSpec, small: nn.Module) -> None:
        assert self.compensation is not None
        assert isinstance(small, Layer)
        self.compensation.apply(f"{site}-{spec.kind}", self._layer(site, spec), small)

    def _layer(self, site: str, spec: LayerSpec) -> Layer:
        layer = self.layers[f"{site}-{spec.kind}"]
        assert isinstance(layer, Layer)
        return layer
