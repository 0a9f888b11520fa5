"""What a training pursues: what its data ask, with the weights that its settings give to classes."""

from __future__ import annotations

from vitnas.errors import SettingsError
from vitnas.search_spaces import SearchSpace
from vitnas.supernets.data import Dataset
from vitnas.supernets.goals import goal_of
from vitnas.supernets.goals.emphasis import emphasis_of
from vitnas.supernets.goals.pursuit import Pursuit
from vitnas.supernets.settings.resolution import Resolution
from vitnas.supernets.settings.train import TrainSettings


def pursuit_of(settings: TrainSettings, dataset: Dataset) -> Pursuit:
    """What a training lowers; classes are counted in its images where they are to be balanced."""
    goal, task = goal_of(dataset.task.answer), dataset.task
    asymmetric = settings.loss == "asymmetric"
    if settings.balance == "none" and not asymmetric:
        return Pursuit(goal)
    frequencies = goal.frequencies(dataset.train, task.num_classes)
    return Pursuit(goal, emphasis_of(frequencies, settings.balance, goal.binary, asymmetric))


def check_pursuit(settings: TrainSettings, dataset: Dataset, space: SearchSpace) -> None:
    """Refuses settings that do not go with what is asked."""
    task = dataset.task
    if settings.loss == "asymmetric" and not goal_of(task.answer).binary:
        raise SettingsError(
            f"[train] loss 'asymmetric' is for labels, of which an image may have any number, and dataset '{dataset.name}' asks "
            f"for '{task.answer}'; leave out loss"
        )
    if settings.balance == "logit" and len(task.answer_shape) > 1:
        raise SettingsError(
            f"[train] balance 'logit' is for classes and labels of whole images, and dataset '{dataset.name}' asks for "
            f"'{task.answer}'; choose balance 'weights'"
        )
    if settings.resolution != Resolution() and len(task.answer_shape) > 1:
        raise SettingsError(
            f"[train.resolution] changes the size of images, and networks of space '{space.name}' answer for each pixel of images "
            f"of {task.image_size}; leave out the table"
        )
    if settings.distil.logits is not None and task.answer != "class":
        raise SettingsError(
            f"[train.distil] logits are stored answers of one class an image, and dataset '{dataset.name}' asks for '{task.answer}'; "
            "let a teacher work with teacher = 'run:FOLDER'"
        )
