from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vitnas.search_spaces.spreading import even_steps, farthest_first, unit_ranges

points = st.integers(2, 12).flatmap(
    lambda n: st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=n, max_size=n)
)


@given(values=st.lists(st.integers(-50, 50), min_size=1, max_size=15), n=st.integers(0, 20))
def test_each_step_takes_the_nearest_value_that_is_left(values: list[int], n: int) -> None:
    found = even_steps(np.array(values, float), min(values), max(values), n)
    assert len(found) == len(set(found)) == min(n, len(values))
    left = list(range(len(values)))
    for step, i in enumerate(found, 1):
        target = min(values) + (max(values) - min(values)) * step / (n + 1)
        assert abs(values[i] - target) <= min(abs(values[j] - target) for j in left) + 1e-9
        left.remove(i)


@given(rows=points)
def test_features_range_from_0_to_1(rows: list[list[int]]) -> None:
    scaled = unit_ranges(np.array(rows, float))
    assert ((scaled >= 0) & (scaled <= 1)).all()
    for column, values in zip(scaled.T, np.array(rows).T, strict=True):
        assert np.ptp(column) == (1 if np.ptp(values) else 0)


@given(rows=points, data=st.data())
def test_each_point_is_the_farthest_from_those_before_it(rows: list[list[int]], data: st.DataObject) -> None:
    cloud = np.array(rows, float)
    before = [data.draw(st.integers(0, len(rows) - 1))]
    found = farthest_first(cloud, before, data.draw(st.integers(0, len(rows) - 1)))
    for i in found:
        assert i not in before
        away = [min(((cloud[j] - cloud[k]) ** 2).sum() for k in before) for j in range(len(rows)) if j not in before]
        assert min(((cloud[i] - cloud[k]) ** 2).sum() for k in before) == max(away)
        before.append(i)
