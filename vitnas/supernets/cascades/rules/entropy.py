"""Entropy: what the probabilities leave open (LGViT), turned round so that 1 is sure."""

from __future__ import annotations

import math

from torch import Tensor

from vitnas.supernets.cascades.rules.exit_rule import ExitRule


class Entropy(ExitRule):
    """1 - H(softmax(logits)) / log(classes)."""

    name = "entropy"

    def forward(self, logits: Tensor) -> Tensor:
        probabilities = logits.softmax(dim=-1)
        # Half precision knows no number below 6e-8, of which a logarithm is asked here.
        spread = (probabilities * (probabilities + 1e-6).log()).sum(dim=-1)
        return 1 + spread / math.log(logits.shape[-1])
