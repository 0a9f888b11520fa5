"""Any number of labels an image."""

from __future__ import annotations

from vitnas.search_spaces.answers.answer import AnswerKind

LABELS = AnswerKind(
    metric="map",
    title="mAP",
    word="mAP",
    noun="multi-label image classifier",
    pipeline="image-classification",
    goal="vitnas.supernets.goals.labels:Labels",
)
