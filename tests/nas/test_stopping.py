from __future__ import annotations

import time

import numpy as np
import pytest

from vitnas.nas.pareto.hypervolume import MARGIN
from vitnas.nas.stopping import Stopping


def test_hypervolume_is_that_of_boxes():
    stopping = Stopping(0, 0)
    stopping.look(np.array([[0.0, 4.0], [2.0, 0.0]]))  # ranges 2 and 4: the corners of the unit square
    assert np.isclose(stopping.hypervolume, MARGIN * (1 + MARGIN) * 2 - MARGIN**2)
    stopping.look(np.array([[0.0, 4.0], [2.0, 0.0], [0.0, 0.0]]))
    assert np.isclose(stopping.hypervolume, (1 + MARGIN) ** 2)


def test_patience_ends_when_nothing_grows():
    stopping = Stopping(0, 2)
    values = np.array([[1.0, 3.0], [3.0, 1.0]])
    for expected in (None, None, "2 batches hardly added to the hypervolume"):
        stopping.look(values)
        assert stopping.reason == expected
    stopping.look(np.array([[1.0, 1.0]]))
    assert stopping.reason is None
    endless = Stopping(0, 0)
    for _ in range(20):
        endless.look(values)
    assert endless.reason is None


def test_one_objective_and_equal_values():
    stopping = Stopping(0, 1)
    stopping.look(np.array([[2.0], [2.0]]))
    assert np.isclose(stopping.hypervolume, 1)  # no range to take a tenth of
    stopping.look(np.array([[2.0], [1.0]]))
    assert np.isclose(stopping.hypervolume, 2)


def test_time_is_up():
    stopping = Stopping(0.02, 0)
    assert stopping.reason is None
    time.sleep(0.03)
    assert stopping.reason == "the time is over"
    assert Stopping(0, 0).reason is None


def test_nothing_evaluated_well_is_no_volume():
    stopping = Stopping(0, 1)
    stopping.look(np.empty((0, 2)))
    assert stopping.hypervolume == 0


@pytest.mark.parametrize("k", [1, 2, 3])
def test_batch_by_batch_it_sees_what_all_together_tell(k):
    rng = np.random.default_rng(k)
    batches = [rng.random((n, k)).round(2) for n in (12, 5, 1, 0, 7, 30)]
    stopping, whole = Stopping(0, 0), Stopping(0, 0)
    for i, batch in enumerate(batches, 1):
        stopping.look(batch)
        whole.look(np.concatenate(batches[:i]), anew=True)
        assert np.isclose(stopping.hypervolume, whole.hypervolume, rtol=1e-12)
    stopping.look(batches[0], anew=True)  # figures have changed, so what was seen before counts no more
    first = Stopping(0, 0)
    first.look(batches[0])
    assert np.isclose(stopping.hypervolume, first.hypervolume)
