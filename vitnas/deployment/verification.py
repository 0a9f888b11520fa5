"""Does an artefact answer as its network does, and if not, which layer is to blame?"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vitnas.deployment.exporters import Exporter, Facts, Tolerance
from vitnas.search_spaces import Blueprint
from vitnas.supernets.resolution import resized


@dataclass(frozen=True)
class Parity:
    """How an artefact's logits compare with those of its network on the same images.

    Differences are absolute and divided by the root mean square of the network's logits, so that
    a limit asks the same of a network with small logits and of one with large ones.
    """

    num_images: int
    max_difference: float
    mean_difference: float
    top1_agreement: float
    accuracy_before: float
    accuracy_after: float

    def breaches(self, limits: Tolerance) -> list[str]:
        """Every limit that does not hold, with value and limit; not-a-number holds nowhere."""
        drop = self.accuracy_before - self.accuracy_after
        found = []
        if not self.max_difference <= limits.max_difference:
            found.append(
                f"the largest difference of logits is {self.max_difference:.3g}, over the limit of {limits.max_difference:.3g}"
            )
        if limits.mean_difference is not None and not self.mean_difference <= limits.mean_difference:
            found.append(
                f"the mean difference of logits is {self.mean_difference:.3g}, over the limit of {limits.mean_difference:.3g}"
            )
        if not self.top1_agreement >= limits.top1_agreement:
            found.append(
                f"the best class agrees on {self.top1_agreement:.2%} of {self.num_images} images, under the limit of {limits.top1_agreement:.2%}"
            )
        if not drop <= limits.accuracy_drop:
            found.append(
                f"accuracy falls by {drop:.2%} ({self.accuracy_before:.2%} to {self.accuracy_after:.2%}), over the limit of {limits.accuracy_drop:.2%}"
            )
        return found


def compare(expected_NK: Tensor, found_NK: Tensor, labels_N: Tensor) -> Parity:
    """Parity of two sets of logits for the same N images."""
    if found_NK.shape != expected_NK.shape:
        found_NK = torch.full_like(expected_NK, torch.nan)
    differences = _differences(expected_NK, found_NK)
    best = expected_NK.argmax(dim=1)
    found_best = found_NK.argmax(dim=1).where(found_NK.isfinite().all(dim=1), -1)  # such an answer is never right
    return Parity(
        num_images=len(labels_N),
        max_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        top1_agreement=_share(best == found_best),
        accuracy_before=_share(best == labels_N),
        accuracy_after=_share(found_best == labels_N),
    )


@torch.no_grad()
def answers(network: nn.Module, x: Tensor, batch_size: int = 64) -> Tensor:
    """What a network answers, in batches."""
    return torch.cat([network(batch) for batch in torch.split(x, batch_size)])


def at_size(x: Tensor, blueprint: Blueprint) -> Tensor:
    """Images as large as a network takes them: a space may have a gene for that."""
    size = blueprint.in_shape[-1]
    return x if x.shape[-1] == size else resized(x, size)


def blame(
    exporter: Exporter, network: nn.Module, x: Tensor, facts: Facts, max_difference: float, folder: Path
) -> str | None:
    """The first layer whose own artefact cannot be made or strays, or None when each alone is fine.

    Args:
        exporter: makes an artefact of every layer by itself.
        network: a chain of named layers.
        x: inputs of the network; each layer is given what the layers before it answer.
        facts: as for the whole network.
        max_difference: the limit on a layer's outputs, in units of the outputs.
        folder: takes the artefacts; the caller drops it.
    """
    for site, layer in network.named_children():
        expected = answers(layer, x)
        where = f"layer '{site}' ({getattr(getattr(layer, 'spec', None), 'key', type(layer).__name__)})"
        place = folder / site
        place.mkdir(parents=True)
        try:
            alone = nn.Sequential(OrderedDict([(site, layer)])).eval()
            found = exporter.run(exporter.export(alone, x, facts, place), x)
        except Exception as error:  # converters raise whatever they like
            return f"{where} cannot be taken: {first_line(error)}"
        difference = float(_differences(expected, found).max())
        if not difference <= max_difference:
            return f"{where} differs by {difference:.3g} when exported alone"
        x = expected
    return None


def first_line(error: BaseException) -> str:
    """The gist of a message that may run over pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _differences(expected: Tensor, found: Tensor) -> Tensor:
    """Absolute differences in units of the expected values; infinite where the shapes differ."""
    if expected.shape != found.shape:
        return torch.tensor([torch.inf])
    unit = expected.double().square().mean().sqrt()
    return (expected.double() - found.double()).abs() / (unit if unit > 0 else 1.0)


def _share(hits: Tensor) -> float:
    return float(hits.double().mean())
