"""Confidence: the largest probability (LGViT)."""

from __future__ import annotations

from torch import Tensor

from vitnas.supernets.cascades.rules.exit_rule import ExitRule


class Confidence(ExitRule):
    """max softmax(logits), of each image by itself."""

    name = "confidence"

    def forward(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=-1).amax(dim=-1)
