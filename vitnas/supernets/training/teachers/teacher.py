"""Outside teachers as a training sees them: for the images of a step, a distribution each."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from vitnas.errors import DataError
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.augment import Augment
from vitnas.supernets.data import Dataset
from vitnas.supernets.goals import Goal, goal_of
from vitnas.supernets.settings.distil import Distil
from vitnas.supernets.torch_device import CPU
from vitnas.supernets.training.teachers.network import load_teacher
from vitnas.supernets.training.teachers.sparse import dense, sharpen
from vitnas.supernets.training.teachers.stored import STEPS_PER_FILE, StoredAnswers
from vitnas.supernets.training.teachers.terms import Terms


class Teacher(Protocol):
    """Says what images of a step show."""

    def __call__(self, images: Tensor, step: int, seeds: Tensor, batch_seed: int) -> Tensor:
        """A target (N, num_classes, ...) on the device of the images: probabilities.

        Args:
            images: (N, C, H, W) in 0..1 as `augment` gave them: all of a step, or the part of one process.
            step: of the training.
            seeds: int64 (N,), of the images.
            batch_seed: of the step.
        """
        ...


class LiveTeacher:
    """A network asked at every step."""

    def __init__(self, network: nn.Module, temperature: float = 1.0, goal: Goal | None = None) -> None:
        self.network, self.temperature, self.goal = network, temperature, goal or goal_of(CLASS)

    @torch.no_grad()
    def __call__(self, images: Tensor, step: int, seeds: Tensor, batch_seed: int) -> Tensor:
        logits: Tensor = self.network(images)
        return self.goal.says(logits.float() / self.temperature)


class StoredTeacher:
    """Answers that `write_answers` stored for the images of this training; refuses any others."""

    def __init__(self, folder: Path, terms: Terms, num_steps: int, temperature: float = 1.0) -> None:
        self.answers, self.temperature = StoredAnswers.open(folder), temperature
        if different := self.answers.terms.differences(terms):
            raise DataError(
                f"the answers in '{folder}' are for other images than this training sees: {'; '.join(different)}; "
                f"train with the settings they were made for, or write others with `vitnas teach`"
            )
        for first in range(0, num_steps, STEPS_PER_FILE):
            if not self.answers.file(first).is_file():
                raise DataError(
                    f"the answers in '{folder}' end at step {first}, the training has {num_steps} steps; let "
                    f"`vitnas teach` go on with more epochs, or train for fewer"
                )
        last = (num_steps - 1) - (num_steps - 1) % STEPS_PER_FILE
        self._first, self._file = last, self.answers.read(last)
        held = last + len(self._file["batch_seeds"])
        if held < num_steps:
            raise DataError(
                f"the answers in '{folder}' end at step {held}, the training has {num_steps} steps; let "
                f"`vitnas teach` go on with more epochs, or train for fewer"
            )

    def __call__(self, images: Tensor, step: int, seeds: Tensor, batch_seed: int) -> Tensor:
        row = step % STEPS_PER_FILE
        if self._first != step - row:
            self._first, self._file = step - row, self.answers.read(step)
        stored, mine = self._file["seeds"][row], seeds.cpu()
        start = int((stored == mine[0]).to(torch.uint8).argmax())
        part = slice(start, start + len(mine))
        if int(self._file["batch_seeds"][row]) != batch_seed or not torch.equal(stored[part], mine):
            raise DataError(
                f"step {step} sees other images, or in another order, than those that the answers in "
                f"'{self.answers.folder}' are for; write answers for this training with `vitnas teach`"
            )
        values, classes = (self._file[name][row, part].to(images.device) for name in ("values", "classes"))
        return sharpen(dense(values, classes, self.answers.terms.num_classes), self.temperature)


def make_teacher(
    settings: Distil,
    dataset: Dataset,
    augment: Augment,
    batch_size: int,
    seed: int,
    num_steps: int,
    device: torch.device = CPU,
) -> Teacher | None:
    """The outside teacher of a training, if its settings name one; refuses one that cannot teach it.

    Args:
        settings: table [train.distil].
        dataset: what is trained on.
        augment: table [train.augment].
        batch_size: over all processes.
        seed: of the training.
        num_steps: of the training.
        device: where a network works.
    """
    if settings.logits is not None:
        terms = Terms.of(dataset, augment, batch_size, seed)
        return StoredTeacher(Path(settings.logits), terms, num_steps, settings.temperature)
    if settings.teacher is not None:
        goal = goal_of(dataset.task.answer)
        return LiveTeacher(load_teacher(settings.teacher, dataset, device), settings.temperature, goal)
    return None
