"""Rules score answers from unsure to sure, and a gate learns where it pays to stop."""

from __future__ import annotations

import pytest
import torch

from vitnas.errors import InvalidArchError
from vitnas.supernets.cascades.rules import RULES

CLASSES = 5


@pytest.mark.parametrize("name", ["confidence", "entropy"])
def test_scores_rise_with_what_is_sure(name: str) -> None:
    rule = RULES.load(name)(CLASSES)
    answers = torch.stack([torch.zeros(CLASSES), *(torch.eye(CLASSES)[2] * s for s in (0.5, 1.0, 3.0, 9.0, 40.0))])
    scores = rule(answers)
    assert torch.equal(scores, scores.sort().values)
    assert scores[0] == pytest.approx(0.2 if name == "confidence" else 0.0, abs=1e-4)
    assert scores[-1] == pytest.approx(1.0, abs=1e-4)
    assert torch.equal(scores, rule(answers.flip(1))), "the order of the classes says nothing"


def test_entropy_is_what_the_probabilities_leave_open() -> None:
    logits = torch.randn(50, CLASSES)
    expected = 1 - torch.distributions.Categorical(logits=logits).entropy() / torch.log(torch.tensor(float(CLASSES)))
    torch.testing.assert_close(RULES.load("entropy")(CLASSES)(logits), expected, rtol=1e-4, atol=1e-4)


def test_a_gate_learns_which_class_is_not_to_be_trusted() -> None:
    torch.manual_seed(0)
    logits = 4 * torch.randn(400, CLASSES)
    gains = torch.where(logits.argmax(dim=1) == 3, -1.0, 0.05).double()  # of answers "3" a later arch knows better
    gate = RULES.load("gate")
    weights = gate.fit(logits, gains)
    assert len(weights) == gate.num_weights(CLASSES)
    scores = gate(CLASSES, weights)(logits)
    assert ((scores > 0) & (scores < 1)).all()
    assert (
        scores[gains < 0].mean() < 0.2 < 0.8 < scores[gains > 0].mean()
        or scores[gains < 0].max() < scores[gains > 0].median()
    )


def test_weights_of_other_classes_are_refused() -> None:
    with pytest.raises(InvalidArchError, match="has 7 weights, got 3"):
        RULES.load("gate")(CLASSES, (1.0, 2.0, 3.0))
    with pytest.raises(InvalidArchError, match="has 0 weights"):
        RULES.load("confidence")(CLASSES, (1.0,))
