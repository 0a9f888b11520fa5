"""What a search learns of the supernet of a run before it begins: moments, and how much archs keep of what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitnas.errors import SearchError
from vitnas.nas.settings import BY_IMPORTANCE, NO_PREDICTOR, SearchSettings
from vitnas.nas.targets.find import Say
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.search_spaces.compressed import Compressed
from vitnas.search_spaces.cost_range import CostOf

if TYPE_CHECKING:
    from vitnas.supernets.pruning.importance import Importance

MOMENTS_SEED = 0
"""Of moments, which belong to a run and not to the search that comes first."""


def check_importance(space: SearchSpace, settings: SearchSettings) -> None:
    """Refuses an importance that cannot weigh the archs of a space, for the searchers that ask."""
    if settings.searcher in BY_IMPORTANCE:
        from vitnas.supernets.pruning.importances import IMPORTANCES

        IMPORTANCES.load(settings.importance).check(space.base if isinstance(space, Compressed) else space)


def importance_of(
    run: RunFolder, space: SearchSpace, settings: SearchSettings, say: Say = lambda _: None
) -> CostOf | None:
    """How much archs keep of what matters, which takes a while to learn, for the searchers that ask.

    In a compressed space others get what rounding does to the answers, with less of it being more.
    """
    compressed = space if isinstance(space, Compressed) else None
    if settings.searcher not in BY_IMPORTANCE and (compressed is None or settings.predictor == NO_PREDICTOR):
        return None
    if settings.searcher not in BY_IMPORTANCE:
        return rounding_of(run, space, say)
    from vitnas.supernets.data import dataset_of
    from vitnas.supernets.weights.checkpoints import load_supernet

    net, train = load_supernet(run), dataset_of(run).train
    importance = _importance(settings).table(net, train)
    if compressed is None:
        return importance
    from vitnas.nas.sensitivity import sensitivities_of

    return sensitivities_of(run, net, compressed, train, say).weighing(importance)


def rounding_of(run: RunFolder, space: SearchSpace, say: Say = lambda _: None) -> CostOf | None:
    """What rounding does to the answers of archs of a compressed space, less of it being more; None in any other space."""
    if not isinstance(space, Compressed):
        return None
    from vitnas.nas.sensitivity import sensitivities_of
    from vitnas.supernets.data import dataset_of
    from vitnas.supernets.weights.checkpoints import load_supernet

    return sensitivities_of(run, load_supernet(run), space, dataset_of(run).train, say).sums().times(-1.0)


def _importance(settings: SearchSettings) -> Importance:
    from vitnas.supernets.pruning.importances import IMPORTANCES

    return IMPORTANCES.load(settings.importance)(seed=settings.seed)


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
