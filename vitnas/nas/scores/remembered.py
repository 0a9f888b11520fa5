"""RememberedScore: what a fit of a predictor has evaluated on the same weights is not evaluated again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vitnas.errors import DataError, SettingsError
from vitnas.nas.evaluator import Score
from vitnas.nas.fit_predictor import PredictorFit, evaluations_of
from vitnas.nas.pareto.answers import ANSWERS
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch

Figures = Mapping[str, float | str]


@dataclass(frozen=True)
class RememberedScore:
    """A score that answers at once for archs whose figures are known.

    Attributes:
        score: evaluates all others.
        known: arch -> what `score` gave for it.
    """

    score: Score
    known: Mapping[Arch, Figures]

    def __call__(self, arch: Arch) -> Figures:
        return self.known.get(arch) or self.score(arch)


def remembered(run: RunFolder, origin: Mapping[str, str]) -> dict[Arch, Figures]:
    """What `vitnas predictor fit` evaluated, if it was on the same weights and the same kind of device; else nothing.

    Args:
        run: in whose folder the fit lies.
        origin: of the figures that are wanted.
    """
    folder = run.path / "predictor"
    try:
        fit = PredictorFit.load(folder)
    except (DataError, SettingsError):  # none, or one that cannot be read
        return {}
    if fit.origin != dict(origin):
        return {}
    return {
        one.arch: {**one.metrics, ANSWERS: one.answers} if one.answers else dict(one.metrics)
        for one in evaluations_of(run.space, fit, folder)
    }
