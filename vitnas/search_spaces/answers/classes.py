"""One class an image."""

from __future__ import annotations

from vitnas.search_spaces.answers.answer import AnswerKind

CLASSES = AnswerKind(
    metric="accuracy",
    title="top-1",
    word="accuracy",
    noun="image classifier",
    pipeline="image-classification",
    goal="vitnas.supernets.goals.classes:Classes",
)
