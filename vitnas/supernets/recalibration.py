"""Batch-norm statistics of a subnet, measured anew: those of the supernet mix all archs."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vitnas.supernets.data import Images

NUM_BATCHES, BATCH_SIZE = 16, 64


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """The layers whose running statistics `recalibrate` measures."""
    return [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


@torch.no_grad()
def recalibrate(
    network: nn.Module, images: Images, num_batches: int = NUM_BATCHES, batch_size: int = BATCH_SIZE, seed: int = 0
) -> None:
    """Sets the running statistics to the plain mean over some batches; changes nothing else.

    Only batch-norm layers run in training mode meanwhile, so dropout and the like stay off.

    Args:
        network: a subnet of its own, such as `Supernet.extract` gives.
        images: training images, of which a sample is looked at, each batch mixed in class.
        num_batches: at most so many full batches.
        batch_size: images a batch, or all there are.
        seed: of the sample.
    """
    norms = batch_norms(network)
    if not norms:
        return
    modes = [(m, m.training) for m in network.modules()]
    momenta = [m.momentum for m in norms]
    device = next(network.parameters()).device
    size = min(batch_size, len(images))
    # In this layout statistics take a third of the time on a processor.
    layout = torch.channels_last if device.type == "cpu" else torch.preserve_format
    weights = [(p, p.data) for p in network.parameters() if p.ndim == 4 and layout == torch.channels_last]
    network.eval()
    try:
        for parameter, data in weights:
            parameter.data = data.contiguous(memory_format=layout)
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # cumulative: every batch weighs the same
            norm.train()
        num_images = min(num_batches, len(images) // size) * size
        for x, _ in images.sample(num_images, seed).shuffled(seed).batches(size):
            network(x.to(device, memory_format=layout))
    finally:
        for parameter, data in weights:
            parameter.data = data
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes:
            module.training = training
