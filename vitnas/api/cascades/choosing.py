"""Choosing a cascade on the weights of a run, and fronts that hold cascades beside archs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitnas import __version__
from vitnas.api.archs import OneArch
from vitnas.api.loading import load_arch, load_front, run_of
from vitnas.api.telling import Say, teller
from vitnas.errors import SearchError, SpaceError
from vitnas.nas.cascades.candidates import Group, groups
from vitnas.nas.cascades.choose import CascadeChoice, with_origin
from vitnas.nas.cascades.costs import PartCosts
from vitnas.nas.cascades.judged import ArchAnswers, accuracy_std, answer
from vitnas.nas.cascades.settings import CascadeSettings
from vitnas.nas.objectives import objectives_named
from vitnas.nas.pareto.cascade_point import CascadePoint
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.targets.find import find_target
from vitnas.nas.targets.target import Target
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Cascade, Compressed, SearchSpace
from vitnas.search_spaces.cascades.prefixes import prefixes
from vitnas.supernets.data import dataset_of
from vitnas.supernets.data.dataset import demand_classes
from vitnas.supernets.weights.checkpoints import load_supernet, newest_weights

MEASURED_BY = ("accuracy", "latency_ms")


def cascade(
    run: RunFolder | str | Path | None,
    device: str = "cpu",
    settings: CascadeSettings | None = None,
    *,
    arch: OneArch | None = None,
    front: ParetoFront | str | Path | None = None,
    table: str | Path | None = None,
    progress: bool = False,
) -> Cascade:
    """Finds the cascade of the least expected milliseconds that stands in for an arch without losing accuracy.

    Archs, rule and thresholds are chosen on one half of the validation images; the figures are those of the other half.

    Args:
        run: whose weights; None takes the newest run below ``runs/``.
        device: whose latency counts.
        settings: how much accuracy may go, how many archs, which rules.
        arch: that the cascade stands in for: of the front "best", "most-accurate", "fastest", "knee", an index or an arch id;
            without a front an arch, its file, or a name. By default the best of the front, or the largest arch.
        front: whose archs may be in the cascade, with all their prefixes; by default the newest of the run, if there is one.
        table: of latencies; by default that of the run for the device.
        progress: prints what is said to standard error.
    """
    return _Asked.of(run, device, settings, front, table, teller(progress), arch).one()


def cascade_front(
    run: RunFolder | str | Path | None,
    device: str = "cpu",
    settings: CascadeSettings | None = None,
    *,
    front: ParetoFront | str | Path | None = None,
    table: str | Path | None = None,
    progress: bool = False,
) -> ParetoFront:
    """The front of archs and of the cascades that stand in for each, judged on the same half of the validation images.

    Args:
        run: whose weights; None takes the newest run below ``runs/``.
        device: whose latency counts.
        settings: as for `cascade`.
        front: of the archs; by default the newest of the run.
        table: of latencies; by default that of the run for the device.
        progress: prints what is said to standard error.
    """
    return _Asked.of(run, device, settings, front, table, teller(progress), None).front()


@dataclass(frozen=True, eq=False)
class _Asked:
    """What archs are asked, and what was asked for."""

    run: RunFolder
    settings: CascadeSettings
    target: Target
    answers: ArchAnswers
    deep: Sequence[Arch]
    groups: Sequence[Group]
    reference: Arch
    say: Say

    @classmethod
    def of(
        cls,
        run: RunFolder | str | Path | None,
        device: str,
        settings: CascadeSettings | None,
        front: ParetoFront | str | Path | None,
        table: str | Path | None,
        say: Say,
        wanted: OneArch | None,
    ) -> _Asked:
        opened, how = run_of(run, say), settings or CascadeSettings()
        space = opened.space
        if isinstance(space, Compressed):
            raise SpaceError(
                f"space '{space.name}' has precisions, and cascades are chosen in float: give a run of '{space.base.name}'"
            )
        dataset = demand_classes(dataset_of(opened), "`vitnas cascade`")
        home = opened.latency_file(device)
        places = [home if table is None else Path(table)]
        remedy = f"vitnas profile --run {opened.path} --device {device}"
        target = find_target(space, device, places, home, remedy, measure=False, say=say)
        found = _front(opened, space, front, say)
        reference, deep = _deep(space, found, wanted, how.archs)
        shallow = {one: prefixes(space, one) for one in deep}
        archs = list(dict.fromkeys([*deep, *(one for own in shallow.values() for one in own)]))
        cost = dict(zip(archs, target.latency_ms(space.encode(archs)).tolist(), strict=True))
        tried = list(groups(deep, shallow, how.parts, cost))
        if not tried:
            raise SearchError(
                f"arch {reference.id} has no shallower arch before it and the front no second one, so there is nothing to make a "
                "cascade of; give a front with --front, or give the run exits with `vitnas exits`"
            )
        say(f"{len(archs)} archs answer {len(dataset.val)} validation images; {len(tried)} groups are tried")
        answers = answer(load_supernet(opened), archs, dataset, how.seed)
        return cls(opened, how, target, answers, deep, tried, reference, say)

    def one(self) -> Cascade:
        return self._told(self._choice.cheapest(self.groups, self.reference))

    def front(self) -> ParetoFront:
        space, table = self.run.space, self.target.table
        choice, points = self._choice, [self._point(arch) for arch in self.deep]
        cascades = []
        for reference in self.deep:
            try:
                cascades.append(self._told(choice.cheapest(self.groups, reference)))
            except SearchError as error:
                self.say(str(error))
        front = ParetoFront.of(
            space,
            objectives_named(MEASURED_BY),
            points,
            seed=self.settings.seed,
            config={
                "objectives": list(MEASURED_BY),
                "origin": {"run": str(self.run.path), "device": table.header.device, "table": table.header.created},
                "judged_on": f"{len(self.answers.judging)} validation images that chose no threshold",
            },
            versions={"vitnas": __version__},
        )
        return front.with_cascades([self._cascade_point(one) for one in cascades])

    def _point(self, arch: Arch) -> Point:
        right = self.answers.right_of([arch])[0, self.answers.judging]
        ms = float(self.target.latency_ms(self.run.space.encode([arch]))[0])
        figures = {"accuracy": float(right.mean()), "latency_ms": ms}
        error_ms = float(self.target.latency_std_ms(self.run.space.encode([arch]))[0])
        return Point(
            arch,
            figures,
            {"accuracy": "measured", "latency_ms": self.target.provenance},
            {"accuracy": accuracy_std(right), "latency_ms": error_ms},
        )

    def _cascade_point(self, cascade: Cascade) -> CascadePoint:
        told = cascade.figures
        return CascadePoint(
            cascade,
            {"accuracy": told["accuracy"], "latency_ms": told["expected_ms"]},
            {"accuracy": "measured", "latency_ms": self.target.provenance},
            {"accuracy": told["accuracy_std"], "latency_ms": told["expected_ms_std"]},
        )

    @property
    def _choice(self) -> CascadeChoice:
        return CascadeChoice(self.run.space, self.answers, PartCosts(self.run.space, self.target.table), self.settings)

    def _told(self, cascade: Cascade) -> Cascade:
        header = self.target.table.header
        return with_origin(
            cascade,
            run=str(self.run.path),
            weights=newest_weights(self.run),
            dataset=dataset_of(self.run).name,
            device=header.device,
            table=header.created,
            provenance=self.target.provenance,
            vitnas=__version__,
        )


def _front(run: RunFolder, space: SearchSpace, front: ParetoFront | str | Path | None, say: Say) -> ParetoFront | None:
    if front is not None:
        return front if isinstance(front, ParetoFront) else load_front(front, space)
    files = sorted(run.path.glob("search-*/front.json"), key=lambda file: file.stat().st_mtime)
    if not files:
        return None
    say(f"front '{files[-1]}', the newest of the run")
    return load_front(files[-1], space)


def _deep(space: SearchSpace, front: ParetoFront | None, wanted: OneArch | None, most: int) -> tuple[Arch, list[Arch]]:
    """The arch that is stood in for, and the archs that may be the last of a cascade, from the least costly on."""
    if front is None:
        reference = load_arch(space, wanted if wanted is not None else "largest")
        return reference, [reference]
    named = wanted if wanted is not None else "best"
    is_pick = not isinstance(named, Arch) and not Path(named).is_file()
    reference = front.pick(str(named)).arch if is_pick else load_arch(space, named)
    archs = [point.arch for point in front.points]
    kept = [archs[i] for i in np.unique(np.linspace(0, len(archs) - 1, most).round().astype(int))]
    return reference, list(dict.fromkeys([*kept, reference]))


__all__ = ["cascade", "cascade_front"]
