"""Archs: plain data with an id that never moves."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from vitnas.errors import InvalidArchError
from vitnas.search_spaces import Arch, load_space


def test_json_both_ways() -> None:
    arch = load_space("autoformer-mini").sample(1, np.random.default_rng(0))[0]
    again = Arch.from_json(json.loads(json.dumps(arch.to_json())))
    assert again == arch
    assert hash(again) == hash(arch)
    assert again.id == arch.id


def test_the_id_is_pinned() -> None:
    """Files name archs by their id, so it must outlive every change of the code."""
    assert load_space("autoformer-tiny").named("AutoFormer-T").id == "d781a4370635"


def test_the_id_does_not_depend_on_the_order_of_genes_in_a_file() -> None:
    data = load_space("autoformer-mini").smallest().to_json()
    data["genes"] = dict(reversed(data["genes"].items()))
    assert Arch.from_json(data).id == load_space("autoformer-mini").smallest().id


def test_genes_are_read_by_name_and_listed_in_order() -> None:
    arch = load_space("autoformer-mini").smallest()
    assert list(arch) == ["width", "depth", "mlp_ratio", "heads"]
    assert arch["heads"] == (2, 2, 2)
    assert str(arch) == f"autoformer-mini/{arch.id} width=48 depth=3 mlp_ratio=2.0-2.0-2.0 heads=2-2-2"


@pytest.mark.parametrize(
    "data", [{}, {"space": "a"}, {"space": "a", "genes": []}, {"space": "a", "genes": {}, "x": 1}, [], None]
)
def test_a_file_of_another_form_is_refused(data: Any) -> None:
    with pytest.raises(InvalidArchError, match='an arch is written {"space": NAME, "genes": {GENE: VALUE, ...}}; got'):
        Arch.from_json(data)
