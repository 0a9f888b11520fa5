"""The accuracies that stand in a report: of the network itself, on all images unless a limit is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from vitnas.deployment.judged import judged_in, metric_in
from vitnas.supernets.data import Dataset
from vitnas.supernets.evaluation import judgement_of
from vitnas.supernets.judgement import Judgement
from vitnas.supernets.tested import Tested
from vitnas.supernets.torch_device import CPU

NO_TEST = "No test images were kept, so nothing is known but the accuracy on validation images."


def accuracies(
    network: nn.Module,
    dataset: Dataset,
    limit: int | None = None,
    shared: Judgement | None = None,
    device: torch.device = CPU,
) -> dict[str, Any]:
    """What a network has right, as a report holds it.

    Args:
        network: as it is exported.
        dataset: whose validation and test images are looked at.
        limit: images of either; None takes all.
        shared: of the arch before it was fine-tuned, on the same validation images.
        device: where the network is judged.

    Returns:
        "exported" and "shared" on validation images with "num_images", "out_of" and the "interval" of "exported" at 95 %;
        "test" with the metric, "num_images", "out_of" and "interval", or None where no test images are kept.
    """
    found = judgement_of(network, dataset.val, limit, device)
    told = found.to_json()
    test = judgement_of(network, dataset.test, limit, device) if dataset.test is not None else None
    return {
        "shared": shared.value if shared is not None else None,
        "exported": told.pop(found.metric),
        **told,
        "test": test.to_json() if test is not None else None,
    }


def images_of(accuracy: Mapping[str, Any], split: str) -> str:
    """``360 validation images``, or which sample of them where a limit was set."""
    num_images, out_of = accuracy["num_images"], accuracy.get("out_of", accuracy["num_images"])
    if num_images == out_of:
        return f"{num_images} {split} images"
    return f"a stratified sample of {num_images} of {out_of} {split} images"


def tested(report: Mapping[str, Any]) -> Iterator[Tested]:
    """What a report says of test images, as a run keeps it."""
    test = judged_in(report)["test"]
    if test is not None:
        weights = (
            f"exported, {report['finetuned_epochs']} epochs by itself" if report["finetuned_epochs"] else "exported"
        )
        yield Tested.of(report["arch_id"], weights, Judgement.from_json(test, metric_in(report)))
