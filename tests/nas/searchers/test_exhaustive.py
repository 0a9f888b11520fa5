from __future__ import annotations

import pytest

from tests.nas.problem import BIG
from vitnas.errors import SearchError
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.exhaustive import Exhaustive


def test_refuses_a_large_space_with_its_size():
    with pytest.raises(SearchError, match="1,793,340 archs, too many"):
        Exhaustive(Problem(BIG, ()), 0)
