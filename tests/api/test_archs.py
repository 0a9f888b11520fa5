"""One arch gives one result, several give a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import vitnas
from vitnas.api.archs import named_archs


def test_one_arch_gives_a_result_and_several_a_table() -> None:
    one = vitnas.count("deit", "DeiT-S")
    assert (one.num_params, one.macs) == (22_050_664, 4_598_882_304)
    two = vitnas.count("deit", ["DeiT-Ti", "DeiT-S"])
    assert [each.name for each in two] == ["DeiT-Ti", "DeiT-S"]
    assert two[1] == one


def test_random_archs_follow_their_seed() -> None:
    space = vitnas.load_space("autoformer-mini")
    drawn = vitnas.count(space, 3, seed=5)
    assert [one.arch for one in drawn] == space.sample(3, np.random.default_rng(5))


def test_files_of_one_name_stay_apart(tmp_path: Path) -> None:
    space = vitnas.load_space("autoformer-mini")
    files = [tmp_path / folder / "arch.json" for folder in ("a", "b")]
    for file, arch in zip(files, (space.smallest(), space.largest()), strict=True):
        file.parent.mkdir()
        file.write_text(json.dumps(arch.to_json()))
    assert named_archs(space, files) == {"0": space.smallest(), "1": space.largest()}
    assert list(named_archs(space, files[0])) == ["arch"]


@pytest.mark.parametrize(("archs", "message"), [([], "no arch in the list"), (0, "draw at least 1")])
def test_no_arch_is_refused(archs: object, message: str) -> None:
    with pytest.raises(vitnas.VitnasError, match=message):
        vitnas.count("deit", archs)  # type: ignore[call-overload]


def test_scores_of_several_come_best_first() -> None:
    scored = vitnas.score("autoformer-mini", 4, "params")
    values = [one.scores["params"] for one in scored]
    assert values == sorted(values, reverse=True)
    alone = vitnas.score("autoformer-mini", scored[0].arch, "params")
    assert alone.scores == scored[0].scores


def test_growing_needs_one_budget() -> None:
    with pytest.raises(vitnas.VitnasError, match="exactly one of num_params, macs, and latency_ms"):
        vitnas.grow("autoformer-mini", num_params=1e5, macs=1e6)
    family = vitnas.grow("autoformer-mini", num_params=70_000, proxies=["params"])
    assert family[0].arch == vitnas.load_space("autoformer-mini").smallest()
    assert all(one.cost <= 70_000 for one in family)
