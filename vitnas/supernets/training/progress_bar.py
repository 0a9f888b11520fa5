"""What a person sees while a supernet trains."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vitnas.supernets.evaluation import EvaluationResult


class TrainingBar:
    """One line on stderr: steps, loss, images a second, accuracy of the smallest and largest arch."""

    def __init__(self, show: bool, step: int, num_steps: int) -> None:
        columns = (
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]} {task.fields[speed]} {task.fields[scores]}"),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not show)
        self._task = self._bar.add_task("", total=num_steps, completed=step, loss="", speed="", scores="")
        self._rate = 0.0

    def __enter__(self) -> TrainingBar:
        self._bar.start()
        self._since = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, num_images: int) -> float:
        """Counts a step; gives the images a second, smoothed."""
        now = time.perf_counter()
        rate = num_images / (now - self._since)
        self._rate = 0.9 * self._rate + 0.1 * rate if self._rate else rate
        self._since = now
        self._bar.update(self._task, advance=1, speed=f"{self._rate:.0f} images/s")
        return self._rate

    def show_loss(self, loss: float | None) -> None:
        self._bar.update(self._task, loss="loss not finite" if loss is None else f"loss {loss:.3f}")

    def show_scores(self, scores: Mapping[str, EvaluationResult]) -> None:
        words = ", ".join(f"{name} {100 * score.accuracy:.1f} %" for name, score in scores.items())
        self._bar.update(self._task, scores=words)
