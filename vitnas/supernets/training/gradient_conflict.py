"""Gradients of two groups of lessons joined so that neither undoes the other (NASViT).

A teacher and its pupils share weights, and where their gradients point apart a plain sum serves neither. Here the
part of the leading gradient that opposes the pupils' is taken away first, weight by weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vitnas.supernets.training.samplers import Lesson

LARGEST = 2.0
"""Of the share of the pupils' gradient that is added once more."""
EPSILON = 1e-6


def split(lessons: Sequence[Lesson]) -> tuple[list[int], list[int]]:
    """Positions of the lessons that lead, from labels or the training's teacher, and of those that others teach."""
    lead = [i for i, lesson in enumerate(lessons) if not lesson.teachers]
    return lead, [i for i, lesson in enumerate(lessons) if lesson.teachers]


def combine(lead: Sequence[Tensor | None], pupils: Sequence[Tensor | None]) -> list[Tensor | None]:
    """One gradient for each parameter; each of the two is taken as it is where the other has none.

    With c the leading and s the pupils' gradient of a parameter, the result is c + (1 + x) s, where x is
    -<s, c> / |s|² between 0 and 2. It is c + s where the two agree; where they do not, the result has on s exactly the
    component |s|², as if c had none, unless c opposes s more than twice over.
    """
    return [_combine(c, s) for c, s in zip(lead, pupils, strict=True)]


def _combine(lead: Tensor | None, pupils: Tensor | None) -> Tensor | None:
    if lead is None or pupils is None:
        return pupils if lead is None else lead
    s, c = pupils.flatten().float(), lead.flatten().float()
    share = (-torch.dot(s, c) / (torch.dot(s, s) + EPSILON)).clamp(0.0, LARGEST)
    return lead + (1 + share).to(pupils.dtype) * pupils
