"""Thresholds of a format: kept where they divide the images alike, chosen anew where scores have moved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitnas.deployment.cascades.decided import PartAnswers, decide
from vitnas.deployment.cascades.part_formats import CoreMLParts, OnnxParts, part_format
from vitnas.deployment.exporters import EXPORTERS
from vitnas.errors import ExportError
from vitnas.supernets.cascades.rules import RULES

IMAGES, CLASSES = 200, 4
CHOOSING, JUDGING = np.arange(0, IMAGES, 2), np.arange(1, IMAGES, 2)
MS = np.array([1.0, 2.0])


def answers(shift: float = 0.0, noise: float = 0.0) -> tuple[PartAnswers, torch.Tensor]:
    """A weak part and a good one; scores moved by so much, logits by random numbers of that size."""
    torch.manual_seed(0)
    labels = torch.randint(CLASSES, (IMAGES,))
    hot = torch.eye(CLASSES)[labels]
    logits = [hot * strength + torch.randn(IMAGES, CLASSES) for strength in (1.5, 4.0)]
    logits = [one + noise * torch.randn(IMAGES, CLASSES) for one in logits]
    sure = RULES.load("confidence")(CLASSES)(logits[0]) + shift
    return PartAnswers.of([{"logits": logits[0], "sure": sure}, {"logits": logits[1]}], labels, MS), labels


def decided(format_name: str, files: PartAnswers, labels: torch.Tensor, network: PartAnswers, slack: float = 0.05):
    form = part_format(EXPORTERS.load(format_name)())
    return decide(form, files, network, (0.7,), slack, labels, CHOOSING, JUDGING)


def test_the_same_answers_keep_the_thresholds() -> None:
    network, labels = answers()
    told = decided("onnx", network, labels, network)
    assert (told["thresholds"], told["rule_agreement"]) == ([0.7], 1.0)
    assert told["accuracy"] == told["accuracy_before"]
    assert told["expected_ms"] == pytest.approx(1.0 + 2.0 * told["reach"][1])


def test_scores_that_have_moved_get_thresholds_of_their_own() -> None:
    (network, labels), (files, _) = answers(), answers(shift=-0.2)
    told = decided("onnx", files, labels, network)
    assert told["thresholds"] != [0.7]
    exits = files.stages.exits(tuple(told["thresholds"]))[CHOOSING]
    least = files.stages.right[1, CHOOSING].mean() - 0.05
    assert files.stages.only(CHOOSING).accuracy(exits) >= least - 1e-9


def test_logits_that_stray_are_refused() -> None:
    (network, labels), (files, _) = answers(), answers(noise=0.01)
    with pytest.raises(ExportError, match="part 0: the largest difference of logits is"):
        decided("onnx", files, labels, network)


def test_formats_of_whole_networks_are_refused() -> None:
    assert isinstance(part_format(EXPORTERS.load("onnx-int8")()), OnnxParts)
    assert isinstance(part_format(EXPORTERS.load("coreml-8bit")()), CoreMLParts)
    with pytest.raises(ExportError, match="has no parts of cascades; choose coreml.* onnx,"):
        part_format(EXPORTERS.load("torch")())
