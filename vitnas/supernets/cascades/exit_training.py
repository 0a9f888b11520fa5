"""Exits for a trained supernet: heads that learn from labels and from the deepest head, on blocks that stay as they are (LGViT)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import Arch, Exits
from vitnas.search_spaces.cascades.exits import DEPTH
from vitnas.search_spaces.cascades.prefixes import prefixes
from vitnas.supernets.augment import augment, batch_seed_of, seeds_of
from vitnas.supernets.data import Dataset
from vitnas.supernets.data.batches import Batches, fitting_size
from vitnas.supernets.settings.augment import Augment
from vitnas.supernets.settings.exits import ExitSettings
from vitnas.supernets.supernet import Supernet

NUM_ARCHS = 16
"""Deepest archs that take turns, where the space has several."""


def supernet_with_exits(space: Exits, trained: Supernet, seed: int) -> Supernet:
    """The weights of a supernet of the base; heads of the space's own kind begin as that of the deepest archs."""
    net = Supernet(space, seed)
    state = {**net.state_dict(), **trained.state_dict()}
    head = trained.space.lowering.sites[-1].name
    for key, layer in trained.layers.items():
        site, _, kind = key.rpartition("-")
        for at in space.at if site == head else ():
            if f"exit{at}-{kind}" in net.layers:
                state |= {f"layers.exit{at}-{kind}.{name}": tensor for name, tensor in layer.state_dict().items()}
    net.load_state_dict(state)
    return net


def train_exits(
    net: Supernet,
    dataset: Dataset,
    settings: ExitSettings,
    changes: Augment = Augment(),
    progress: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Trains the heads of all exits; nothing else changes, not to a bit.

    Every step looks at one of the deepest archs: its blocks run once without gradients, each head looks at what it finds on
    the way, and the last head teaches.

    Args:
        net: of a space with exits.
        dataset: whose training images.
        settings: how.
        changes: to the images, as in the training of the blocks.
        progress: told each step and its loss.
    """
    space = net.space
    assert isinstance(space, Exits)
    heads = [layer for name, layer in net.layers.items() if name.partition("-")[0] in {f"exit{at}" for at in space.at}]
    net.eval().requires_grad_(False)
    for layer in heads:
        layer.train().requires_grad_(True)
    weights = [p for layer in heads for p in layer.parameters()]
    decayed = [p for p in weights if p.ndim > 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate)
    images, archs = dataset.train, _deepest(space, settings.seed)
    ways = [[(arch, *_place(space, arch)) for arch in prefixes(space, deep)] for deep in archs]
    batches = Batches(len(images), fitting_size(settings.batch_size, len(images)), settings.seed)
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * (1 + math.cos(math.pi * step / settings.steps)) / 2
        rows = batches[step]
        pixels, labels = images.pixels(rows)
        seeds = torch.from_numpy(seeds_of(settings.seed, step // batches.per_epoch, rows))
        x, target = augment(
            pixels, labels, seeds, batch_seed_of(settings.seed, step), changes, dataset.task.num_classes
        )
        which = step % len(archs)
        loss = _loss(net, archs[which], ways[which], images.normalise(x), target, settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()
        progress(step + 1, float(loss.detach()))
    net.eval().requires_grad_(True)


def _deepest(space: Exits, seed: int) -> list[Arch]:
    """Archs of the greatest depth that have a head of their own there, drawn at random."""
    depth = max(int(choice) for gene in space.all_genes if gene.name == DEPTH for choice in gene.choices)
    deep = space.restrict(**{DEPTH: (depth,)})
    found = [space.largest(), *deep.sample(NUM_ARCHS - 1, np.random.default_rng(seed))]
    return list(dict.fromkeys(space.check(arch) for arch in found))


def _place(space: Exits, arch: Arch) -> tuple[str, int]:
    """The key of the head of an arch, and how many layers run before it."""
    blueprint = space.lower(arch)
    return f"{blueprint.sites[-1]}-{blueprint.layers[-1].kind}", len(blueprint) - 1


def _loss(
    net: Supernet,
    deep: Arch,
    ways: Sequence[tuple[Arch, str, int]],
    x: Tensor,
    target: Tensor,
    settings: ExitSettings,
) -> Tensor:
    space, hot = net.space, settings.temperature
    wanted, states = {before for _, _, before in ways}, {}
    with torch.no_grad():
        for i, layer in enumerate(net.at(deep)):
            if i in wanted:
                states[i] = x
            x = layer(x)
    taught = (x / hot).softmax(dim=1)
    losses = []
    for arch, key, before in ways:
        head = net.layers[key]
        logits = head.at(space.lower(arch).layers[-1])(states[before])  # type: ignore[operator]
        labelled = F.cross_entropy(logits, target)
        distilled = F.kl_div((logits / hot).log_softmax(dim=1), taught, reduction="batchmean") * hot**2
        losses.append((1 - settings.distil) * labelled + settings.distil * distilled)
    return torch.stack(losses).sum()
