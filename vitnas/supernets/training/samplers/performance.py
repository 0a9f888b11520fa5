"""Performance-aware sampling (ElasticViT): what did well at a level is trained more often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vitnas.search_spaces import OFF, Arch, Codes, SearchSpace
from vitnas.settings import Count, Natural, Positive, Probability
from vitnas.supernets.training.samplers.bands import Row
from vitnas.supernets.training.samplers.bank import Bank
from vitnas.supernets.training.samplers.complexity import Complexity
from vitnas.supernets.training.samplers.gene_roles import gene_roles
from vitnas.supernets.training.samplers.sampler import Lesson

STAGES = 6
"""Equal parts of the training; from one to the next, good archs are taken more often by the same amount."""


class Performance(Complexity):
    """Complexity-aware sampling that remembers for every level the archs with the lowest loss.

    A random arch comes from its level's bank with a probability that rises from `exploit_first` to
    `exploit_last`, once the bank is more than half full; lower losses are likelier. Otherwise it is new: the
    first that is drawn while the bank is not half full, and then that one of `candidates` which is the widest and
    shallowest. New archs enter the bank with the loss that they had in their step.

    Wide and shallow is told by MACs against an anchor, the best arch of the lowest level or, at that level itself,
    the minimum arch: what the candidate costs with the anchor's widths, which its depths make, less
    what it costs with the anchor's depths, which its widths make. Widths are the genes that change how many channels
    lie between layers, depths those that change how many layers there are. In a space that lacks one of the
    two, nothing is preferred and the first draw is taken.

    All banks are heard again on one batch every epoch, and four times as often the bank of the present level; less
    often where an epoch has fewer steps than all banks have room.
    """

    name = "performance"

    def __init__(
        self,
        space: SearchSpace,
        seed: int,
        *,
        steps_per_epoch: int,
        num_steps: int,
        num_random: Count = 3,
        levels: int | tuple[float, ...] = 8,
        band_width: Positive = 0.05,
        minimums: Count = 3,
        tabulated: Count = 2000,
        label_share: Probability = 1.0,
        label_steps: Natural | None = None,
        capacity: Count = 150,
        candidates: Count = 5,
        exploit_first: Probability = 0.2,
        exploit_last: Probability = 0.95,
    ) -> None:
        super().__init__(
            space,
            seed,
            num_steps=num_steps,
            num_random=num_random,
            levels=levels,
            band_width=band_width,
            minimums=minimums,
            tabulated=tabulated,
            label_share=label_share,
            label_steps=label_steps,
        )
        self.candidates = candidates
        self.exploit = (exploit_first, exploit_last)
        self.banks = [Bank(capacity) for _ in self.bands]
        self.refresh_steps = max(steps_per_epoch, capacity * len(self.banks))
        roles = gene_roles(space)
        self._widths, self._depths = (
            np.array([roles.get(column.gene) == role for column in space.columns]) for role in ("width", "depth")
        )

    def exploit_share(self, step: int) -> float:
        """How likely an arch comes from the bank."""
        stage = min(STAGES * step // max(self.num_steps, 1), STAGES - 1)
        first, last = self.exploit
        return first + (last - first) * stage / (STAGES - 1)

    def pick(self, level: int, step: int, rng: np.random.Generator) -> Codes:
        bank = self.banks[level]
        choosy = 2 * len(bank) >= bank.capacity
        draws = []
        for _ in range(self.num_random):
            if 2 * len(bank) > bank.capacity and rng.random() < self.exploit_share(step):
                draws.append(self.space.encode([bank.draw(rng)]))
            else:
                draws.append(self.explore(level, self.candidates if choosy else 1, rng))
        return self._wide_and_shallow(draws, level)

    def audition(self, step: int) -> tuple[Arch, ...]:
        if step % self.refresh_steps == 0:
            return tuple(arch for bank in self.banks for arch in bank.losses)
        if step % max(1, self.refresh_steps // 4) == 0:
            return tuple(self.banks[self.level(step)].losses)
        return ()

    def hear(self, step: int, losses: Mapping[Arch, float]) -> None:
        for bank in self.banks:
            bank.refresh(losses)

    def observe(self, step: int, lessons: Sequence[Lesson], losses: Sequence[float]) -> None:
        bank = self.banks[self.level(step)]
        for lesson, loss in list(zip(lessons, losses, strict=True))[: self.num_random]:
            bank.add(lesson.arch, loss)

    def state(self) -> dict[str, Any]:
        return {"banks": [bank.state() for bank in self.banks]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for bank, kept in zip(self.banks, state["banks"], strict=True):
            bank.load_state(kept)

    def _wide_and_shallow(self, draws: Sequence[Codes], level: int) -> Codes:
        """Of each draw the arch in which widths cost most compared with depths."""
        if all(len(codes) == 1 for codes in draws) or not (self._widths.any() and self._depths.any()):
            return np.stack([codes[0] for codes in draws])
        every, anchor = np.concatenate(draws), self._anchor(level)
        # What the anchor's depth switches on takes the anchor's values there.
        mixed = [np.where(columns | (every == OFF), anchor, every) for columns in (self._widths, self._depths)]
        costs = np.asarray(self.macs(self.space.genome.repair(np.concatenate(mixed).astype(np.int16))))
        by_depth, by_width = costs[: len(every)], costs[len(every) :]
        ends = np.cumsum([len(codes) for codes in draws])
        slack = np.split(by_depth - by_width, ends[:-1])
        return np.stack([codes[int(each.argmin())] for codes, each in zip(draws, slack, strict=True)])

    def _anchor(self, level: int) -> Row:
        if level == 0 or not len(self.banks[0]):
            return self.minimums[level]
        best: Row = self.space.encode([self.banks[0].best()])[0]
        return best
