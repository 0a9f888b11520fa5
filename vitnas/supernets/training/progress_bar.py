"""What a person sees while a supernet trains."""

from __future__ import annotations

import time
from collections.abc import Mapping

from vitnas.progress import Bar
from vitnas.supernets.goals.tally import EvaluationResult


class TrainingBar(Bar):
    """Steps, loss, images a second, accuracy of the smallest and largest arch."""

    def __init__(self, show: bool, step: int, num_steps: int) -> None:
        super().__init__("training", num_steps, show, done=step)
        self._rate = 0.0
        self._loss = self._scores = ""
        self._since = time.perf_counter()

    def step(self, num_images: int) -> float:
        """Counts a step; gives the images a second, smoothed."""
        now = time.perf_counter()
        rate = num_images / (now - self._since)
        self._rate = 0.9 * self._rate + 0.1 * rate if self._rate else rate
        self._since = now
        words = (self._loss, f"{self._rate:.0f} images/s", self._scores)
        self.update(done=self.done + 1, note=" ".join(word for word in words if word))
        return self._rate

    def show_loss(self, loss: float | None) -> None:
        self._loss = "loss not finite" if loss is None else f"loss {loss:.3f}"

    def show_scores(self, scores: Mapping[str, EvaluationResult]) -> None:
        self._scores = ", ".join(f"{name} {100 * score.value:.1f} %" for name, score in scores.items())
