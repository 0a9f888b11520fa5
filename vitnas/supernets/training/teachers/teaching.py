"""Asking a teacher once about every image that a training will see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from vitnas.errors import DataError, SettingsError
from vitnas.files import only_here
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.augment import Augment, augment, batch_seed_of, seeds_of
from vitnas.supernets.data import Dataset
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.training.teachers.sparse import largest
from vitnas.supernets.training.teachers.stored import HEADER, STEPS_PER_FILE, StoredAnswers
from vitnas.supernets.training.teachers.terms import Terms


def write_answers(
    folder: Path,
    network: nn.Module,
    name: str,
    dataset: Dataset,
    settings: Augment,
    batch_size: int,
    seed: int,
    num_steps: int,
    top_k: int = 10,
    progress: Callable[[int], object] = lambda step: None,
) -> StoredAnswers:
    """Stores a teacher's answers to the first steps of a training; goes on where a killed call stopped.

    Args:
        folder: where; it may hold answers for fewer steps of the same training.
        network: from images in 0..1 to logits, see `load_teacher`; the images are augmented on its device.
        name: what to call it.
        dataset: what will be trained on.
        settings: table [train.augment] of the training.
        batch_size: of the training, over all processes.
        seed: of the training.
        num_steps: of the training.
        top_k: probabilities to keep of each answer.
        progress: told how many steps are done.
    """
    if dataset.task.answer != CLASS:
        raise SettingsError(
            f"answers to one class an image are stored, and dataset '{dataset.name}' asks for '{dataset.task.answer}'; train with "
            "[train.distil] teacher, which works beside the training"
        )
    terms = Terms.of(dataset, settings, batch_size, seed)
    if not 1 <= top_k <= terms.num_classes:
        raise SettingsError(
            f"top_k is {top_k}, but dataset '{dataset.name}' has {terms.num_classes} classes; choose 1 to that many"
        )
    if batch_size > len(dataset.train):
        raise SettingsError(
            f"batch_size is {batch_size}, but dataset '{dataset.name}' has {len(dataset.train)} training images; "
            f"choose at most that"
        )
    answers = StoredAnswers(folder, name, top_k, terms)
    with only_here(folder, "teacher"):
        if (folder / HEADER).exists():
            _check_same(StoredAnswers.open(folder), answers)
        else:
            answers.write_header()
        for first in range(0, num_steps, STEPS_PER_FILE):
            stop = min(first + STEPS_PER_FILE, num_steps)
            if answers.steps_in(first) < stop - first:
                answers.write(first, _ask(network, dataset, settings, terms, range(first, stop), top_k, progress))
            progress(stop)
    return answers


def _ask(
    network: nn.Module,
    dataset: Dataset,
    settings: Augment,
    terms: Terms,
    steps: range,
    top_k: int,
    progress: Callable[[int], object],
) -> dict[str, Tensor]:
    """The tensors of one file."""
    device = next(network.parameters()).device
    batches = Batches(terms.num_images, terms.batch_size, terms.seed)
    values, classes, seeds, batch_seeds = [], [], [], []
    for step in steps:
        indices = batches[step]
        pixels, labels = (t.to(device) for t in dataset.train.pixels(indices))
        seeds.append(torch.from_numpy(seeds_of(terms.seed, step // batches.per_epoch, indices)))
        batch_seeds.append(batch_seed_of(terms.seed, step))
        images, _ = augment(pixels, labels, seeds[-1], batch_seeds[-1], settings, terms.num_classes)
        with torch.no_grad():
            kept = largest(network(images).float().softmax(dim=1), top_k)
        values.append(kept[0].cpu())
        classes.append(kept[1].cpu())
        progress(step + 1)
    return {
        "values": torch.stack(values),
        "classes": torch.stack(classes),
        "seeds": torch.stack(seeds),
        "batch_seeds": torch.tensor(batch_seeds),
    }


def _check_same(old: StoredAnswers, new: StoredAnswers) -> None:
    different = old.terms.differences(new.terms)
    for key in ("teacher", "top_k"):
        if getattr(old, key) != getattr(new, key):
            different.append(f"{key} {getattr(old, key)!r}, not {getattr(new, key)!r}")
    if different:
        raise DataError(f"'{old.folder}' holds other answers: {'; '.join(different)}; choose another folder with --out")
