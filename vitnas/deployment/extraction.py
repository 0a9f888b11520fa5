"""Extraction: the plain network of an arch, checked against the supernet it is cut from."""

from __future__ import annotations

import copy

import torch
from torch import nn

from vitnas.deployment.verification import answers, differences, images_compared
from vitnas.errors import ExportError
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.search_spaces.compressed import Compressed
from vitnas.supernets.data import Images
from vitnas.supernets.recalibration import batch_norms, recalibrate
from vitnas.supernets.supernet import Supernet, build_network

MAX_DIFFERENCE = 1e-4
"""Between an extracted network and its supernet, in units of the logits (see `Parity`)."""


def plain_of(space: SearchSpace, arch: Arch) -> tuple[SearchSpace, Arch]:
    """The space whose weights a supernet holds, and the arch of it: of a compressed space the base, without precisions."""
    return (space.base, space.plain(arch)) if isinstance(space, Compressed) else (space, arch)


def extract(space: SearchSpace, source: nn.Module, arch: Arch, train: Images, val: Images) -> tuple[nn.Module, bool]:
    """A network with its own weights in evaluation mode, and whether its batch norm was recalibrated.

    Args:
        space: the space of the arch.
        source: a Supernet, or a plain network of this arch, which is copied.
        arch: what to extract.
        train: images that batch-norm statistics are measured on.
        val: images that supernet and network are compared on.
    """
    if isinstance(source, Supernet):
        supernet = copy.deepcopy(source).cpu().eval()  # the caller's keeps its device and mode
        network: nn.Module = supernet.extract(arch)
        sample, _ = val.sample(images_compared(space.task, 64)).all()
        with torch.no_grad():
            expected = supernet(sample, arch)
        if not expected.isfinite().all():
            raise ExportError(
                f"arch {arch.id} answers with numbers that are not finite: its training went astray; lower the learning rate and train again"
            )
        most = float(differences(expected, answers(network, sample)).max())
        if not most <= MAX_DIFFERENCE:
            raise ExportError(
                f"arch {arch.id}: the extracted network differs from its supernet by {most:.3g}, over the limit of {MAX_DIFFERENCE:.3g}; report this as a bug with the arch file"
            )
    else:
        network = _copy(space, source, arch)
    recalibrate(network, train)
    return network, bool(batch_norms(network))


def _copy(space: SearchSpace, source: nn.Module, arch: Arch) -> nn.Module:
    network = build_network(space.lower(arch))
    try:
        network.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise ExportError(
            f"the network given is not arch {arch.id} of space '{space.name}': {' '.join(str(error).split())}; give the arch that it was built for"
        ) from None
    return network.eval()
