"""Goals, one file each: what networks are asked, how they learn to answer it and how their answers are judged."""

from __future__ import annotations

from functools import cache

from vitnas import extras
from vitnas.search_spaces.answers import ANSWERS
from vitnas.supernets.goals.goal import Goal


@cache
def goal_of(answer: str) -> Goal:
    """The goal whose networks give such answers; a row of `vitnas.search_spaces.answers` names its class."""
    module, _, name = ANSWERS.load(answer).goal.partition(":")
    found: Goal = getattr(extras.load(module), name)()
    return found


__all__ = ["Goal", "goal_of"]
