"""What a format makes of a cascade: its own thresholds, and whether it decides as the network does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.deployment.cascades.part_formats import Given, PartFormat
from vitnas.deployment.verification import compare
from vitnas.errors import ExportError
from vitnas.nas.cascades.costs import milliseconds, reach
from vitnas.nas.cascades.thresholds import Stages, cheapest
from vitnas.supernets.cascades.network import LOGITS, NEXT, SURE, PartNetwork


@dataclass(frozen=True, eq=False)
class PartAnswers:
    """What every part gives to the same images, as if none before it had been sure.

    Attributes:
        logits: one tensor a part.
        stages: scores and right answers, with what the parts take by the table.
    """

    logits: Sequence[Tensor]
    stages: Stages

    @classmethod
    def of(cls, given: Sequence[Given], labels: Tensor, parts_ms: NDArray[np.float64]) -> PartAnswers:
        sure = np.stack([one[SURE].double().numpy() for one in given[:-1]])
        right = np.stack([(one[LOGITS].argmax(dim=1) == labels).numpy() for one in given])
        return cls([one[LOGITS] for one in given], Stages(sure, right, parts_ms))


def given_by_network(parts: Sequence[PartNetwork], x: Tensor, batch_size: int = 64) -> list[Given]:
    """What the parts give as networks, one after the other."""
    found: list[Given] = []
    state = x
    with torch.no_grad():
        for part in parts:
            batches = [part(batch) for batch in torch.split(x if part.takes_image else state, batch_size)]
            columns = (torch.cat(own) for own in zip(*batches, strict=True))
            found.append(dict(zip(part.outputs, columns, strict=True)))
            state = found[-1].get(NEXT, state)
    return found


def given_by_files(form: PartFormat, paths: Sequence[Path], parts: Sequence[PartNetwork], x: Tensor) -> list[Given]:
    """What the files give, each taking what the files before it left."""
    found: list[Given] = []
    state = x
    for path, part in zip(paths, parts, strict=True):
        found.append(form.run(path, x if part.takes_image else state))
        state = found[-1].get(NEXT, state)
    return found


def decide(
    form: PartFormat,
    files: PartAnswers,
    network: PartAnswers,
    thresholds: tuple[float, ...],
    slack: float,
    labels: Tensor,
    choosing: NDArray[np.int64],
    judging: NDArray[np.int64],
) -> dict[str, Any]:
    """What `rule.json` says of a format.

    The thresholds of the network stay where they divide the choosing images as they do there. Otherwise they are chosen
    anew: as cheap as can be with as little lost against the last arch in this format as the cascade loses in the network.

    Args:
        form: of the files.
        files: what they answer.
        network: what the network answers.
        thresholds: of the network.
        slack: accuracy that the cascade may lose against its last arch.
        labels: of the images.
        choosing: images that choose thresholds.
        judging: the others.
    """
    name, limits = form.exporter.name, form.exporter.limits
    own, wanted = files.stages, network.stages.exits(thresholds)
    for number, (expected, found) in enumerate(zip(network.logits, files.logits, strict=True)):
        breaches = compare(expected, found, labels).breaches(limits)
        if breaches:
            raise ExportError(
                f"format '{name}', part {number}: {'; '.join(breaches)}. Nothing was written; choose another format or another cascade"
            )
    kept = thresholds
    if not np.array_equal(own.exits(thresholds)[choosing], wanted[choosing]):
        least = float(own.right[-1, choosing].mean()) - slack
        chosen = cheapest(own.only(choosing), least)
        if chosen is None:
            raise ExportError(
                f"format '{name}' has no thresholds within {slack:.2%} of its last arch; choose another format or another cascade"
            )
        kept = chosen.values
    exits, there = own.exits(kept)[judging], wanted[judging]
    judged = own.only(judging)
    ms = milliseconds(exits, own.parts_ms)
    return {
        "thresholds": list(kept),
        "accuracy": judged.accuracy(exits),
        "accuracy_before": network.stages.only(judging).accuracy(there),
        "num_images": len(judging),
        "rule_agreement": float((exits == there).mean()),
        "reach": list(reach(exits, len(own.parts_ms))),
        "expected_ms": ms.expected,
        "p90_ms": ms.p90,
        "worst_ms": ms.worst,
        "max_difference": max(
            compare(a, b, labels).max_difference for a, b in zip(network.logits, files.logits, strict=True)
        ),
    }
