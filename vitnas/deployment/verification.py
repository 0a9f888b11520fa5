"""Does an artefact answer as its network does, and if not, which layer is to blame?"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vitnas.deployment.exporters import Exporter, Facts, Tolerance
from vitnas.search_spaces import Blueprint, Task
from vitnas.search_spaces.answers import CLASS, metric_of
from vitnas.supernets.goals import goal_of
from vitnas.supernets.resolution import resized


@dataclass(frozen=True)
class Parity:
    """How an artefact's logits compare with those of its network on the same images.

    `top1_agreement` is the share of questions that both answer alike: images, labels of images, or pixels; `before` and `after`
    are the metric of network and artefact. Differences are absolute and divided by the root mean square of the network's logits, so that
    a limit asks the same of a network with small logits and of one with large ones.
    """

    num_images: int
    max_difference: float
    mean_difference: float
    top1_agreement: float
    before: float
    after: float
    answer: str = CLASS

    def to_json(self) -> dict[str, Any]:
        """As a report holds it, the metric by its name."""
        metric = metric_of(self.answer)
        return {
            "num_images": self.num_images,
            "max_difference": self.max_difference,
            "mean_difference": self.mean_difference,
            "top1_agreement": self.top1_agreement,
            f"{metric}_before": self.before,
            f"{metric}_after": self.after,
        }

    def breaches(self, limits: Tolerance) -> list[str]:
        """Every limit that does not hold, with value and limit; not-a-number holds nowhere."""
        drop, metric = self.before - self.after, metric_of(self.answer)
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
                f"{goal_of(self.answer).agrees_on} agrees on {self.top1_agreement:.2%} of {self.num_images} images, under the limit of {limits.top1_agreement:.2%}"
            )
        if not drop <= limits.accuracy_drop:
            found.append(
                f"{metric} falls by {drop:.2%} ({self.before:.2%} to {self.after:.2%}), over the limit of {limits.accuracy_drop:.2%}"
            )
        return found


def compare(expected: Tensor, found: Tensor, truth: Tensor, answer: str = CLASS) -> Parity:
    """Parity of two sets of logits (N, K, ...) for the same N images; an answer that is not finite is never right."""
    if found.shape != expected.shape:
        found = torch.full_like(expected, torch.nan)
    strays, goal = differences(expected, found), goal_of(answer)
    return Parity(
        num_images=len(truth),
        max_difference=float(strays.max()),
        mean_difference=float(strays.mean()),
        top1_agreement=goal.agreement(expected, found),
        before=goal.score(expected, truth),
        after=goal.score(found, truth),
        answer=answer,
    )


MOST_NUMBERS = 2**26
"""In the answers that are compared, a quarter of a GiB; there are fewer images where each takes more."""


def images_compared(task: Task, wanted: int) -> int:
    """On how many images an artefact and its network are compared."""
    return min(wanted, max(16, MOST_NUMBERS // prod(task.answer_shape)))


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
        difference = float(differences(expected, found).max())
        if not difference <= max_difference:
            return f"{where} differs by {difference:.3g} when exported alone"
        x = expected
    return None


def first_line(error: BaseException) -> str:
    """The gist of a message that may run over pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def differences(expected: Tensor, found: Tensor) -> Tensor:
    """Absolute differences in units of the expected values; infinite where the shapes differ."""
    if expected.shape != found.shape:
        return torch.tensor([torch.inf])
    unit = expected.double().square().mean().sqrt()
    return (expected.double() - found.double()).abs() / (unit if unit > 0 else 1.0)
