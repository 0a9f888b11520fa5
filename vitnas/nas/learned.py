"""What a search learns of the supernet of a run before it begins: moments, and how much archs keep of what matters."""

from __future__ import annotations

from vitnas.errors import SearchError
from vitnas.nas.settings import BY_IMPORTANCE, SearchSettings
from vitnas.nas.targets.find import Say
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.search_spaces.cost_range import CostOf

MOMENTS_SEED = 0
"""Of moments, which belong to a run and not to the search that comes first."""


def check_importance(space: SearchSpace, settings: SearchSettings) -> None:
    """Refuses an importance that cannot weigh the archs of a space, for the searchers that ask."""
    if settings.searcher in BY_IMPORTANCE:
        from vitnas.supernets.pruning.importances import IMPORTANCES

        IMPORTANCES.load(settings.importance).check(space)


def importance_of(run: RunFolder, settings: SearchSettings) -> CostOf | None:
    """How much archs keep of what matters, which takes a while to learn, for the searchers that ask."""
    if settings.searcher not in BY_IMPORTANCE:
        return None
    from vitnas.supernets.data import dataset_of
    from vitnas.supernets.pruning.importances import IMPORTANCES
    from vitnas.supernets.weights.checkpoints import load_supernet

    importance = IMPORTANCES.load(settings.importance)(seed=settings.seed)
    return importance.table(load_supernet(run), dataset_of(run).train)


def compensate(run: RunFolder, settings: SearchSettings, say: Say) -> None:
    """Measures once what compensation needs, where it is asked for; refuses to leave out what the run has."""
    if not settings.compensate:
        if settings.compensate is False and run.moments_file.exists():
            raise SearchError(
                f"[search] compensate is false, but archs of run '{run.path}' are compensated wherever they are used; leave "
                f"it out, or delete '{run.moments_file}'"
            )
        return
    from vitnas.supernets.weights.measured_moments import measure_once

    measure_once(run, MOMENTS_SEED, say)
