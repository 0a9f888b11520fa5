"""What networks answer, as spaces, searches and reports need to know it; how answers are learnt and judged is the goal's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

from vitnas.registry import Registry
from vitnas.search_spaces.answers.answer import AnswerKind
from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Choice
from vitnas.search_spaces.lowering import Site

CLASS = "class"
"""What networks answer unless a task says otherwise."""

ANSWERS: Registry[AnswerKind] = Registry(
    "answer",
    "vitnas.answers",
    {
        CLASS: "vitnas.search_spaces.answers.classes:CLASSES",
        "labels": "vitnas.search_spaces.answers.labels:LABELS",
        "mask": "vitnas.search_spaces.answers.masks:MASKS",
    },
)
"""Kinds of answers, a row each."""


def metric_of(answer: str) -> str:
    """The name that fronts and reports give to how good answers are."""
    return ANSWERS.load(answer).metric


@lru_cache(maxsize=1)
def metrics() -> dict[str, str]:
    """Metric -> what people call it."""
    rows = [ANSWERS.load(name) for name in ANSWERS]
    return {row.metric: row.title for row in rows}


def word_of(metric: str) -> str:
    """A metric in a sentence."""
    return next((row.word for row in map(ANSWERS.load, ANSWERS) if row.metric == metric), metric)


class AsksFor(Protocol):
    """A task, as far as it says what is asked."""

    @property
    def answer(self) -> str: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def image_shape(self) -> Shape: ...


def shape_of(task: AsksFor) -> Shape:
    """Of what a network answers to one image."""
    whole_map = ANSWERS.load(task.answer).head is not None
    return (task.num_classes, *task.image_shape[1:]) if whole_map else (task.num_classes,)


def answering(sites: Sequence[Site], task: AsksFor) -> Sequence[Site]:
    """The sites of a space whose last layer answers what is asked: an answer other than classes may have a head of its own."""
    head = ANSWERS.load(task.answer).head
    if head is None or not sites:
        return sites
    *body, last = sites

    def spec(*values: Choice | None) -> LayerSpec | None:
        found = last.spec(*values)
        if found is None or found.out_shape == shape_of(task):
            return found
        return head(found, task.image_shape, task.num_classes)

    return [*body, replace(last, spec=spec)]


def reads_a_classifier(task: AsksFor) -> bool:
    """Whether the last layer is the classifier of the space, which weights of classifiers fit."""
    return ANSWERS.load(task.answer).head is None


__all__ = [
    "ANSWERS",
    "CLASS",
    "AnswerKind",
    "answering",
    "metric_of",
    "metrics",
    "reads_a_classifier",
    "shape_of",
    "word_of",
]
