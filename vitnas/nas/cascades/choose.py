"""Choosing a cascade: archs, rule and thresholds on one half of the validation images, its figures from the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from vitnas.errors import SearchError
from vitnas.nas.cascades.candidates import Group
from vitnas.nas.cascades.costs import Floats, PartCosts, milliseconds, reach
from vitnas.nas.cascades.judged import ArchAnswers, accuracy_std, sure
from vitnas.nas.cascades.settings import CascadeSettings
from vitnas.nas.cascades.thresholds import Stages, Thresholds, cheapest
from vitnas.search_spaces import Arch, Cascade, SearchSpace
from vitnas.search_spaces.cascades.parts import parts_of
from vitnas.supernets.cascades.rules import RULES

LEARNED_ON = 12
"""The best groups of archs by the rules that learn nothing; a rule that learns is fitted for these."""


@dataclass(frozen=True)
class _Found:
    group: Group
    rule: str
    weights: tuple[tuple[float, ...], ...]
    stages: Stages
    chosen: Thresholds


class CascadeChoice:
    """All that is known of archs, and the best cascade of some of them for any accuracy."""

    def __init__(
        self, space: SearchSpace, answers: ArchAnswers, costs: PartCosts, settings: CascadeSettings = CascadeSettings()
    ) -> None:
        self._space, self._answers, self._costs, self._settings = space, answers, costs, settings
        self._scores: dict[tuple[Arch, str], Floats] = {}

    def cheapest(self, groups: Sequence[Group], reference: Arch) -> Cascade:
        """The cascade of the least expected milliseconds that loses no more than is allowed against an arch.

        Args:
            groups: archs that may be a cascade.
            reference: the arch that the cascade stands in for; its answers are known.
        """
        choosing = self._answers.choosing
        least = float(self._answers.right_of([reference])[0, choosing].mean()) - self._settings.max_drop
        found = self._best(groups, least)
        if found is None:
            if self._costs.alone([alone := self._cheapest_alone(least)])[0] < self._costs.alone([reference])[0]:
                raise SearchError(
                    f"arch {alone.id} alone is accurate enough, so no image would have to go on to another; take that one, or allow "
                    "less with --max-drop"
                )
            raise SearchError(
                f"no cascade of {len(groups)} groups of archs is within {self._settings.max_drop:g} of the accuracy of arch {reference.id}; "
                "allow more with --max-drop, or give a front with deeper archs"
            )
        # The best of many on some images is worse on others, so one that is better than asked is taken if there is such.
        safe = least + self._settings.margin * self._paired_error(found, reference)
        safer = self._best(groups, safe)
        return self._cascade(safer or found, reference, least, safe if safer else least)

    def _paired_error(self, found: _Found, reference: Arch) -> float:
        """Standard error of the accuracy of a cascade less that of an arch, on the images that choose."""
        choosing = self._answers.choosing
        stage = found.stages.only(choosing)
        exits = stage.exits(found.chosen.values)
        gained = (
            stage.right[exits, np.arange(len(choosing))].astype(float)
            - self._answers.right_of([reference])[0, choosing]
        )
        return float(gained.std()) / math.sqrt(len(choosing))

    def _best(self, groups: Sequence[Group], least: float) -> _Found | None:
        plain = [name for name in self._settings.rules if not RULES.load(name).num_weights(self._classes)]
        found = sorted(self._tried(groups, plain or ["confidence"], least), key=lambda one: one.chosen.mean_ms)
        learned = [name for name in self._settings.rules if name not in plain]
        if learned:
            groups = list(dict.fromkeys(one.group for one in found))[:LEARNED_ON]
            found = [*(found if plain else ()), *self._tried(groups, learned, least)]
        return min(found, key=lambda one: one.chosen.mean_ms, default=None)

    def _tried(self, groups: Sequence[Group], rules: Sequence[str], least: float) -> Iterator[_Found]:
        for group in groups:
            parts_ms = self._costs(parts_of(self._space, group))
            for rule in rules:
                weights = self._weights(group, rule, parts_ms)
                stages = self._stages(group, rule, weights, parts_ms)
                chosen = cheapest(stages.only(self._answers.choosing), least)
                # One whose last arch is never asked is a shorter cascade, or an arch alone.
                if chosen is not None and (stages.exits(chosen.values)[self._answers.choosing] == len(group) - 1).any():
                    yield _Found(group, rule, weights, stages, chosen)

    def _stages(self, group: Group, rule: str, weights: tuple[tuple[float, ...], ...], parts_ms: Floats) -> Stages:
        scores = [self._score(arch, rule, own) for arch, own in zip(group[:-1], weights, strict=True)]
        return Stages(np.stack(scores), self._answers.right_of(group), parts_ms)

    def _score(self, arch: Arch, rule: str, weights: tuple[float, ...]) -> Floats:
        if weights:
            return sure(self._answers.logits_of(arch), RULES.load(rule)(self._classes, weights))
        if (arch, rule) not in self._scores:
            self._scores[arch, rule] = sure(self._answers.logits_of(arch), RULES.load(rule)(self._classes))
        return self._scores[arch, rule]

    def _weights(self, group: Group, rule: str, parts_ms: Floats) -> tuple[tuple[float, ...], ...]:
        """Of a rule that learns: answering at an arch is worth its right answers, less a price for its milliseconds."""
        kind, choosing = RULES.load(rule), self._answers.choosing
        if not kind.num_weights(self._classes):
            return ((),) * (len(group) - 1)
        until = np.cumsum(parts_ms)
        utility = self._answers.right_of(group)[:, choosing] - self._settings.patience * (until / until[-1])[:, None]
        later = np.maximum.accumulate(utility[::-1], axis=0)[::-1]
        gains = torch.from_numpy(utility[:-1] - later[1:])
        return tuple(
            kind.fit(self._answers.logits_of(arch)[choosing], own) for arch, own in zip(group[:-1], gains, strict=True)
        )

    def _cascade(self, found: _Found, reference: Arch, least: float, safe: float) -> Cascade:
        answers, judging = self._answers, self._answers.judging
        group, stages = found.group, found.stages
        exits = stages.exits(found.chosen.values)[judging]
        stage = stages.only(judging)
        ms, accuracy = milliseconds(exits, stages.parts_ms), stage.accuracy(exits)
        until = np.cumsum(stages.parts_ms)[exits]
        parts = parts_of(self._space, group)
        last_on_choosing = float(answers.right_of(group)[-1, answers.choosing].mean())
        std_ms = math.hypot(self._costs.error(parts[-1]) * ms.expected, float(until.std()) / math.sqrt(len(judging)))
        figures: dict[str, Any] = {
            "accuracy": accuracy,
            "accuracy_std": accuracy_std(stage.right[exits, np.arange(len(judging))]),
            "num_images": len(judging),
            "expected_ms": ms.expected,
            "expected_ms_std": std_ms,
            "p90_ms": ms.p90,
            "worst_ms": ms.worst,
            "parts_ms": stages.parts_ms.tolist(),
            "reach": list(reach(exits, len(group))),
            "reference": self._alone(reference),
            "static": self._alone(self._cheapest_alone(least)),
            "accuracies": answers.right_of(group)[:, judging].mean(axis=1).tolist(),
        }
        origin: dict[str, Any] = {
            "thresholds_on": len(answers.choosing),
            "seed": self._settings.seed,
            "max_drop": self._settings.max_drop,
            "margin": self._settings.margin if safe > least else 0.0,
            "slack": last_on_choosing - safe,
            "tried_rules": list(self._settings.rules),
        }
        weights = found.weights if any(found.weights) else ()
        return Cascade.of(
            self._space, group, found.rule, found.chosen.values, weights=weights, figures=figures, origin=origin
        )

    def _cheapest_alone(self, least: float) -> Arch:
        """The arch of the least milliseconds that by itself is accurate enough on the choosing images."""
        archs, right = list(self._answers.rows), self._answers.right[:, self._answers.choosing].mean(axis=1)
        enough = [arch for arch, accuracy in zip(archs, right, strict=True) if accuracy >= least]
        return enough[int(np.argmin(self._costs.alone(enough)))]

    def _alone(self, arch: Arch) -> dict[str, Any]:
        """What an arch is worth by itself on the judging images."""
        accuracy = float(self._answers.right_of([arch])[0, self._answers.judging].mean())
        genes = arch.to_json()["genes"]
        return {"id": arch.id, "genes": genes, "accuracy": accuracy, "latency_ms": float(self._costs.alone([arch])[0])}

    @property
    def _classes(self) -> int:
        return self._space.task.num_classes


def with_origin(cascade: Cascade, **told: Any) -> Cascade:
    """The cascade with more of where it comes from."""
    return replace(cascade, origin={**cascade.origin, **told})
