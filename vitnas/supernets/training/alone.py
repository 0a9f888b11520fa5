"""How a network is trained alone: what all such trainings have in common, whoever asks for them."""

from __future__ import annotations

AVERAGE = 0.99
"""Decay of the average of its weights, which it is judged by and handed out with."""
NEVER = 10**9
"""Steps between two evaluations, or checkpoints, that nobody waits for."""
