"""Proxy: what every training-free score promises, and the little that several of them share."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from vitnas.errors import SearchError
from vitnas.predictors.proxies.intercept import NORMS
from vitnas.search_spaces import Blueprint
from vitnas.supernets.layers import Layer
from vitnas.supernets.layers.residual_scale import SLOTS, ResidualScale


class Proxy(ABC):
    """Scores a freshly initialised network; a higher score promises a better one.

    A subclass says how to measure one network. It may do to the network whatever it likes: it is given a copy.
    """

    name: ClassVar[str]
    """The name in the registry."""

    num_images: ClassVar[int] = 0
    """How many images it looks at; chosen so that a tiny ViT at 224 px takes less than 3 s on one core."""

    def score(self, network: nn.Module, blueprint: Blueprint, images: Tensor, seed: int = 0) -> float:
        """The score; neither the network nor any global random state is changed.

        Args:
            network: what `build_network` made of the blueprint.
            blueprint: its layers.
            images: ``(N, C, H, W)``; the first `num_images` are used.
            seed: of whatever else is drawn.
        """
        if len(images) < self.num_images:
            raise SearchError(f"proxy '{self.name}' looks at {self.num_images} images, got {len(images)}; give more")
        layers = open_gates(copy.deepcopy(network))
        devices = [images.device] if images.device.type == "cuda" else []
        # A GPU rounds convolutions to ten bits, and takes the quickest of them, unless told not to.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.random.fork_rng(devices=devices), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), exact:
            torch.manual_seed(seed)
            return float(self._score(layers, blueprint, images[: self.num_images].to(next(layers.parameters()).dtype)))

    @abstractmethod
    def _score(self, network: nn.Sequential, blueprint: Blueprint, images: Tensor) -> float: ...


def open_gates(network: nn.Module) -> nn.Sequential:
    """Sets gains of norms and of layers that begin at or near zero to one.

    Trained networks like to begin as their shortcuts; what is left out then could not be scored.
    """
    assert isinstance(network, nn.Sequential)
    for module in network.modules():
        scale = getattr(module, "scale", None)
        if isinstance(scale, nn.Parameter) and float(scale.detach().abs().max()) < 1e-2:
            nn.init.constant_(scale, scale.numel() / SLOTS if isinstance(module, ResidualScale) else 1.0)
        elif isinstance(module, NORMS) and isinstance(module.weight, nn.Parameter) and not module.weight.detach().any():
            nn.init.ones_(module.weight)
    return network


def weights(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """What multiplies features: no biases, gains of norms, tokens or tables of positions."""
    for name, parameter in network.named_parameters():
        own = name.rpartition(".")[2]
        if parameter.ndim >= 2 and not any(
            word in own for word in ("bias", "position", "token", "relative", "register")
        ):
            yield name, parameter


def pooled(features: Tensor, layer: nn.Module) -> Tensor:
    """(B, ...) -> (B, C): the mean over places of what a layer gives."""
    return by_place(features, layer).mean(dim=1)


def by_place(features: Tensor, layer: nn.Module) -> Tensor:
    """(B, T, C) of tokens or of a map (C, H, W)."""
    assert isinstance(layer, Layer)
    shape = layer.spec.out_shape
    return features.flatten(2).transpose(1, 2) if len(shape) == 3 else features


def random_labels(logits: Tensor) -> Tensor:
    """A class for each answer (N, K, ...)."""
    return torch.randint(logits.shape[1], (len(logits), *logits.shape[2:])).to(logits.device)


def loss_gradients(network: nn.Module, images: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Weights and the gradients of the cross-entropy with random labels, by name."""
    found = dict(weights(network))
    logits = network(images)
    loss = F.cross_entropy(logits, random_labels(logits))
    grads = torch.autograd.grad(loss, list(found.values()), allow_unused=True)
    return {
        name: (weight.detach(), torch.zeros_like(weight) if grad is None else grad)
        for (name, weight), grad in zip(found.items(), grads, strict=True)
    }
