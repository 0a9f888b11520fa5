"""TPE: Optuna's tree-structured Parzen estimators, for true evaluations that are few and dear."""

from __future__ import annotations

from optuna.samplers import BaseSampler, TPESampler

from vitnas.nas.searchers.optuna_search import OptunaSearch


class TPE(OptunaSearch):
    """Columns that occur together are drawn together."""

    def _sampler(self, seed: int) -> BaseSampler:
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
