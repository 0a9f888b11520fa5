"""AnswerKind: one kind of answer that networks give, without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vitnas.search_spaces.blueprint import LayerSpec, Shape

Head = Callable[[LayerSpec, Shape, int], LayerSpec]
"""From the classifier of an arch, the shape of the task's images and its number of classes to the layer that answers instead."""


@dataclass(frozen=True)
class AnswerKind:
    """One kind of answer.

    Attributes:
        metric: how good answers are, in [0, 1], higher is better; this is its name in fronts, tables and reports.
        title: the metric at the head of a column.
        word: the metric in a sentence.
        noun: what a network that gives such answers is.
        pipeline: the same as Hugging Face names it.
        goal: the `Goal` that learns and judges such answers, as ``"module:class"``.
        head: the last layer, where it is not the classifier of the space.
    """

    metric: str
    title: str
    word: str
    noun: str
    pipeline: str
    goal: str
    head: Head | None = None
