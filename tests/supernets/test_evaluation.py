from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vitnas.errors import DataError
from vitnas.supernets.data import Pixels, load_dataset
from vitnas.supernets.evaluation import evaluate, evaluate_unless_beaten
from vitnas.supernets.goals.tally import EvaluationResult
from vitnas.supernets.judgement import OutOfReach


def test_accuracy_and_loss_of_a_network_that_is_known() -> None:
    # Logits are the image itself: right on 3 of 4 images.
    x = np.array([[9, 0], [9, 0], [0, 9], [0, 9]], dtype=np.uint8).reshape(4, 2, 1, 1)
    images = Pixels.of(x, np.array([0, 0, 1, 0]), mean=(0.0, 0.0), std=(1 / 255, 1 / 255))
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    nn.init.eye_(network[1].weight)
    for batch_size in (1, 3, 4, 100):
        found = evaluate(network, images, batch_size)
        assert (found.accuracy, found.num_images) == (0.75, 4)
        assert found.right.tolist() == [True, True, True, False]
        assert found.accuracy_std == pytest.approx((4 / 6 * 2 / 6 / 6) ** 0.5)
        right = torch.log1p(torch.exp(torch.tensor(-9.0))).item()
        assert found.loss == pytest.approx((4 * right + 9) / 4, rel=1e-6)


def test_a_network_that_cannot_reach_the_least_is_left_where_that_is_sure() -> None:
    """Against a count image by image; the others see what they would see alone."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (50, 2, 1, 1)).astype(np.uint8) * 9
    images = Pixels.of(x, rng.integers(0, 2, 50), mean=(0.0, 0.0), std=(1 / 255, 1 / 255))
    networks = [nn.Sequential(nn.Flatten(), nn.Linear(2, 2)) for _ in range(4)]
    whole = [evaluate(network, images, 8) for network in networks]
    for least in (0.0, 0.3, 0.5, 0.7, 1.0):
        found = evaluate_unless_beaten(networks, images, [least] * 4, 8)
        for one, alone in zip(found, whole, strict=True):
            wrong = np.cumsum(~alone.right)
            stops = [n for n in range(8, 50, 8) if (50 - wrong[n - 1]) / 50 < least]
            expected = OutOfReach((50 - int(wrong[stops[0] - 1])) / 50, stops[0]) if stops else alone
            assert one == expected
            assert alone.accuracy < least or not stops
    mixed = evaluate_unless_beaten(networks, images, [1.0, 0.0, 1.0, 0.0], 8)
    assert [mixed[1], mixed[3]] == [whole[1], whole[3]]
    assert isinstance(mixed[0], OutOfReach)


def test_dropout_is_off_and_the_mode_stays() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Dropout(0.9)).train()
    network[1].eval()
    images = load_dataset("digits").val
    assert evaluate(network, images) == evaluate(network, images)
    assert [m.training for m in network] == [True, False, True]
    assert all(p.grad is None for p in network.parameters())


def test_no_accuracy_is_without_an_error() -> None:
    for share in (0.0, 1.0):
        assert EvaluationResult(share, 0.0, 30, np.full(30, bool(share))).accuracy_std == pytest.approx(
            (1 / 32 * 31 / 32 / 32) ** 0.5
        )


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        evaluate(nn.Linear(1, 1), Pixels.of(np.empty((0, 1, 8, 8), np.uint8), np.empty(0, np.int64)))
