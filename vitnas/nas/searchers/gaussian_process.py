"""GP: Optuna's Gaussian process and expected improvement, the most careful and by far the slowest sampler."""

from __future__ import annotations

from optuna.samplers import BaseSampler, GPSampler

from vitnas.nas.searchers.optuna_search import OptunaSearch


class GaussianProcess(OptunaSearch):
    """Seconds for each batch; needs torch. Only columns of every arch enter its model, so all of them do."""

    flat = True

    def _sampler(self, seed: int) -> BaseSampler:
        return GPSampler(seed=seed, deterministic_objective=True)
