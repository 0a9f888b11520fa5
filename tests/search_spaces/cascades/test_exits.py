"""A space with exits holds the networks of its base, and those that end earlier."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from vitnas.errors import SpaceError, UnknownNameError
from vitnas.run import RunFolder
from vitnas.search_spaces import Exits, Task, load_space, with_exits

BASE = load_space("autoformer-mini")
SPACE = load_space("exits:1+2:autoformer-mini")


def test_networks_of_the_base_are_networks_of_the_space() -> None:
    for arch in BASE.sample(20, np.random.default_rng(0)):
        same = SPACE.arch(**dict(arch.genes))
        assert SPACE.lower(same) == BASE.lower(arch)


def test_an_exit_stands_where_the_depth_is_one() -> None:
    for arch in SPACE.sample(60, np.random.default_rng(0)):
        layers = SPACE.lower(arch)
        depth, kinds = arch["depth"], {"plain": "classifier", "local": "local_exit", "global": "global_exit"}
        assert len(layers) == 2 + 2 * depth
        if depth in (1, 2):
            assert (layers.sites[-1], layers.layers[-1].kind) == (f"exit{depth}", kinds[arch["exit"]])
        else:
            assert (layers.sites[-1], "exit" in arch.genes) == ("head", False)


def test_its_name_finds_it_again() -> None:
    kept = with_exits(BASE, (2,), ("local",))
    assert kept.name == "exits:2,local:autoformer-mini"
    assert load_space(kept.name).fingerprint == kept.fingerprint
    task = Task(image_size=16, num_classes=3, in_channels=3)
    assert load_space(kept.name, task).lower(load_space(kept.name, task).largest()).out_shape == (3,)
    assert pickle.loads(pickle.dumps(SPACE)).fingerprint == SPACE.fingerprint


def test_what_the_base_is_kept_to_holds() -> None:
    kept = with_exits(BASE.restrict(width=(64,), depth=(4,)), (2,))
    assert {gene.name: gene.choices for gene in kept.all_genes}["depth"] == (2, 4)
    assert {gene.name: gene.choices for gene in kept.all_genes}["width"] == (64,)


def test_a_space_of_a_file_has_exits_in_a_run(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('name = "own"\nextends = "autoformer-mini"\n[only]\nwidth = [48]\n')
    space = with_exits(load_space(str(tmp_path / "own.toml")), (1,), ("plain", "global"))
    RunFolder.create(tmp_path / "run", space, {})
    (tmp_path / "own.toml").unlink()
    read = RunFolder.open(tmp_path / "run").space
    assert isinstance(read, Exits)
    assert read.fingerprint == space.fingerprint
    assert pickle.loads(pickle.dumps(space)).fingerprint == space.fingerprint


@pytest.mark.parametrize(
    ("at", "kinds", "message"),
    [
        ((6,), ("plain",), "from 1 to 5"),
        ((0,), ("plain",), "from 1 to 5"),
        ((), ("plain",), "from 1 to 5"),
        ((2,), ("plane",), "Did you mean 'plain'"),
        ((2,), (), "needs a head"),
    ],
)
def test_exits_that_cannot_be_are_refused(at: tuple[int, ...], kinds: tuple[str, ...], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        with_exits(BASE, at, kinds)


def test_spaces_without_one_depth_are_refused() -> None:
    with pytest.raises(SpaceError, match="no gene 'depth'"):
        with_exits(load_space("staged-vit"), (2,))
    with pytest.raises(SpaceError, match="has exits already"):
        with_exits(SPACE, (1,))
    with pytest.raises(UnknownNameError, match="exits:DEPTH"):
        load_space("exits:two:autoformer-mini")
