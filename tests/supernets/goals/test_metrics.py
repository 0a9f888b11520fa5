"""Metrics against those of scikit-learn, which counts by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, confusion_matrix, log_loss, roc_auc_score

from vitnas.supernets.data.truths import IGNORED
from vitnas.supernets.goals import goal_of
from vitnas.supernets.goals.ranking import average_precision


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_and_auroc_of_labels(ties: bool) -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((120, 6)) < [0.5, 0.3, 0.1, 0.05, 0.9, 0.5]).astype(np.uint8)
    truth[:2, :] = [[1], [0]]
    scores = (truth * 0.8 + rng.normal(size=truth.shape)).astype(np.float32)
    scores = np.round(scores, 0 if ties else 6)
    tally = goal_of("labels").tally()
    for part in np.array_split(np.arange(120), 3):
        tally.add(torch.from_numpy(scores[part]), torch.from_numpy(truth[part]))
    found = tally.result()
    aps = [average_precision_score(truth[:, k], scores[:, k]) for k in range(6)]
    assert found.of_classes["ap"] == pytest.approx(aps)
    assert found.of_classes["auroc"] == pytest.approx([roc_auc_score(truth[:, k], scores[:, k]) for k in range(6)])
    assert (found.value, found.metric, found.num_images) == (pytest.approx(np.mean(aps)), "map", 120)
    probabilities = 1 / (1 + np.exp(-scores.astype(float)))
    assert found.loss == pytest.approx(
        np.mean([log_loss(truth[:, k], probabilities[:, k]) for k in range(6)]), rel=1e-5
    )
    # Samples of the images: how often each has an image is a weight.
    times = rng.multinomial(120, np.full(120, 1 / 120), size=2).astype(float)
    drawn = average_precision(scores, truth.astype(bool), times)
    for own, weights in zip(drawn, times, strict=True):
        expected = [average_precision_score(truth[:, k], scores[:, k], sample_weight=weights) for k in range(6)]
        assert own == pytest.approx(expected)
    assert 0.005 < found.std < 0.1


def test_iou_of_masks_against_a_confusion_matrix() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, (20, 6, 5)).astype(np.uint8)
    truth[:, 0] = IGNORED
    truth[truth == 3] = 2  # class 3 is answered and never true; class 4 is neither
    logits = rng.normal(size=(20, 5, 6, 5)).astype(np.float32)
    logits[:, 4] = -9
    logits += 1.5 * (np.arange(5)[None, :, None, None] == truth[:, None])
    tally = goal_of("mask").tally()
    for part in np.array_split(np.arange(20), 3):
        tally.add(torch.from_numpy(logits[part]), torch.from_numpy(truth[part]))
    found = tally.result()
    told = truth != IGNORED
    matrix = confusion_matrix(truth[told], logits.argmax(axis=1)[told], labels=range(5))
    union = matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
    ious = np.diag(matrix)[:4] / union[:4]
    assert found.of_classes["iou"][:4] == pytest.approx(ious)
    assert np.isnan(found.of_classes["iou"][4])
    assert (found.value, found.metric) == (pytest.approx(ious.mean()), "miou")
    assert 0 < found.std < 0.1


def test_of_classes_nothing_has_changed() -> None:
    logits, truth = torch.randn(50, 7, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 7
    tally = goal_of("class").tally()
    tally.add(logits, truth)
    found = tally.result()
    assert found.accuracy == found.value == float((logits.argmax(1) == truth).double().mean())
    assert found.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits.double(), truth)))
    assert found.right.tolist() == (logits.argmax(1) == truth).tolist()
    assert found.judgement(50).to_json().keys() == {"accuracy", "num_images", "out_of", "interval"}


def test_an_answer_of_another_kind_has_no_accuracy() -> None:
    tally = goal_of("mask").tally()
    tally.add(torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8))
    with pytest.raises(AttributeError, match="judged by 'miou'"):
        _ = tally.result().accuracy
    told = tally.result().judgement(9).to_json()
    assert list(told) == ["miou", "std", "num_images", "out_of", "interval"]
