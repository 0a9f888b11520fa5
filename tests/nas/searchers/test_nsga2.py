from __future__ import annotations

import numpy as np
from pymoo.indicators.hv import HV

from tests.nas.problem import BIG, SMALL, accuracy, latency, true_front
from tests.nas.searchers.test_contract import judge, make, walk


def test_front_of_a_space_that_can_be_listed_is_the_true_one():
    most = float(np.quantile(latency(SMALL)(SMALL.genome.enumerate()), 0.7))
    found = walk(make("nsga2", SMALL, most, population=60), rounds=12, n=50)
    ids = {arch.id for arch in SMALL.decode(found)}
    truth = set(true_front(SMALL, most))
    assert len(truth) > 10
    assert len(found) <= 600 < len(latency(SMALL)(SMALL.genome.enumerate()))
    assert truth <= ids


def test_leaves_random_search_behind():
    def volume(name, seed):
        values = judge(BIG, walk(make(name, BIG, seed=seed, population=40), rounds=20, n=40))
        return HV(ref_point=np.array([-0.5, 5.0]))(values)

    gains = [volume("nsga2", seed) - volume("random", seed) for seed in range(4)]
    assert min(gains) > 0


def test_accuracy_has_interactions_that_no_sum_of_genes_explains():
    """Guards the problem itself: with an additive one the tests above would prove little."""
    codes = SMALL.genome.enumerate()
    one_hot = np.hstack([codes[:, [i]] == np.unique(codes[:, i]) for i in range(codes.shape[1])]).astype(float)
    fitted = one_hot @ np.linalg.lstsq(one_hot, accuracy(codes), rcond=None)[0]
    assert np.abs(fitted - accuracy(codes)).max() > 0.01
