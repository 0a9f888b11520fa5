"""RememberedScore: what a fit of a predictor has evaluated on the same weights is not evaluated again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vitnas.errors import DataError, SettingsError
from vitnas.nas.execution.together import Score
from vitnas.nas.fit_predictor import FOLDER, PredictorFit, evaluations_of
from vitnas.nas.pareto.answers import ANSWERS
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace

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

    @property
    def at_once(self) -> int:
        """As many as the score takes at once."""
        return int(getattr(self.score, "at_once", 1))

    def for_finalists(self) -> Score | None:
        """What the score has for them; nothing is remembered of that."""
        found: Score | None = getattr(self.score, "for_finalists", lambda: None)()
        return found

    def together(self, archs: Sequence[Arch]) -> list[Figures]:
        """Several archs, those that are not known at once."""
        new = [arch for arch in archs if arch not in self.known]
        found = dict(zip(new, self.score.together(new), strict=True)) if new else {}  # type: ignore[attr-defined]
        return [self.known.get(arch) or found[arch] for arch in archs]

    def unless_beaten(self, archs: Sequence[tuple[Arch, float]]) -> list[Figures]:
        """The same with the accuracy that each must reach to matter."""
        new = [(arch, least) for arch, least in archs if arch not in self.known]
        found = self.score.unless_beaten(new) if new else []  # type: ignore[attr-defined]
        told = dict(zip([arch for arch, _ in new], found, strict=True))
        return [self.known.get(arch) or told[arch] for arch, _ in archs]


def remembered(run: RunFolder, origin: Mapping[str, str], space: SearchSpace | None = None) -> dict[Arch, Figures]:
    """What `vitnas predictor fit` evaluated, if it was on the same weights and the same kind of device; else nothing.

    Args:
        run: in whose folder the fit lies.
        origin: of the figures that are wanted.
        space: of the archs that are wanted; by default the run's.
    """
    space = space or run.space
    folder = run.folder_of(FOLDER, space)
    try:
        fit = PredictorFit.load(folder)
    except (DataError, SettingsError):  # none, or one that cannot be read
        return {}
    if fit.origin != dict(origin) or fit.space != space.name:
        return {}
    return {
        one.arch: {**one.metrics, ANSWERS: one.answers} if one.answers else dict(one.metrics)
        for one in evaluations_of(space, fit, folder)
    }
