"""Populations as layers: look-ups agree with lowering every arch by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search_spaces.toy import Toy
from vitnas.errors import SpaceError
from vitnas.search_spaces import OFF, Gene, LayerSpec, SearchSpace, Site, load_space
from vitnas.search_spaces import lowering as lowering_file
from vitnas.search_spaces.gene import make_columns
from vitnas.search_spaces.lowering import Lowering

SPACES = [
    Toy(),
    Toy().restrict(depth=(2,), width=(16,)),
    Toy().restrict(mixer=("pool",)),
    load_space("autoformer-mini"),
    load_space("autoformer-mini").restrict(depth=(3, 4), heads=(2, 4)),
]
NAMES = [f"{space.name}{dict(space.only) or ''}" for space in SPACES]


@pytest.mark.parametrize("space", SPACES, ids=NAMES)
@given(seed=st.integers(0, 2**32))
def test_totals_and_peaks_equal_brute_force(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 2**40, len(space.lowering.specs))
    of = dict(zip(space.lowering.specs, values.tolist(), strict=True))
    codes = space.genome.sample(8, rng)
    each = [[of[spec] for spec in space.lower(arch)] for arch in space.decode(codes)]
    np.testing.assert_array_equal(space.lowering.total(values)(codes), [sum(costs) for costs in each])
    np.testing.assert_array_equal(space.lowering.peak(values)(codes), [max(costs) for costs in each])


@pytest.mark.parametrize("space", SPACES, ids=NAMES)
def test_spec_numbers_name_the_layers_of_each_arch(space: SearchSpace) -> None:
    codes = space.genome.sample(20, np.random.default_rng(0))
    numbers = space.lowering.spec_numbers(codes)
    for row, arch in zip(numbers, space.decode(codes), strict=True):
        blueprint = space.lower(arch)
        here = [(s.name, space.lowering.specs[n]) for s, n in zip(space.lowering.sites, row, strict=True) if n >= 0]
        assert here == list(blueprint.items())


def test_a_site_vanishes_with_its_genes() -> None:
    space = Toy()
    arch = space.arch(width=8, neck=8, depth=2, mixer=("attention", "pool"), heads=(2, None), bias=False)
    assert space.lower(arch).sites == ("stem", "attention0", "pool1", "neck", "head")
    assert [spec.key for spec in space.lower(arch)][1] == "attention 224x8>224x8 heads=2"


def test_a_cost_of_no_archs_is_empty_and_totals_want_one_value_a_spec() -> None:
    space = Toy()
    ones = np.ones(len(space.lowering.specs))
    assert space.lowering.total(ones)(space.genome.empty(0)).shape == (0,)
    with pytest.raises(
        SpaceError, match=f"one value for each of the {len(ones)} specs of the space, got {len(ones) - 1}"
    ):
        space.lowering.total(ones[1:])


@pytest.mark.parametrize("space", SPACES, ids=NAMES)
def test_specs_are_those_of_some_arch(space: SearchSpace) -> None:
    """A spec that no arch has would be profiled for nothing."""
    small = space.restrict(depth=(max(space.all_genes[2 if space.name == "toy" else 1].choices),))
    rows = small.genome.sample(20_000, np.random.default_rng(0))
    numbers = set(np.unique(small.lowering.spec_numbers(rows))) - {-1}
    assert numbers == set(range(len(small.lowering.specs)))


def test_restriction_keeps_the_layers_it_leaves() -> None:
    whole, part = Toy(), Toy().restrict(depth=(1, 2), width=(8,))
    assert set(part.lowering.specs) < set(whole.lowering.specs)
    for arch in part.sample(10, np.random.default_rng(0)):
        assert part.lower(arch) == whole.lower(arch)


COLUMNS = make_columns([Gene("width", (8, 16)), Gene("depth", (1, 2)), Gene("heads", (1, 2), per="depth")])


def _lowering(*sites: tuple[str, tuple[str, ...]]) -> Lowering:
    def spec(*values: Any) -> LayerSpec:
        return LayerSpec.of("a", (1,), (1,))

    return Lowering(COLUMNS, [Site(name, genes, spec) for name, genes in sites])


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ([("stem", ("widht",))], "site 'stem' reads 'widht', which is no gene; .* Did you mean 'width'"),
        ([("stem", ("heads",))], r"reads 'heads', which is no gene; .* Did you mean 'heads\[[01]\]'"),
        ([("stem", ()), ("stem", ())], "site 'stem': names must be unique"),
        ([("a.b", ())], "site 'a.b': names must be unique and made of letters, digits and underscores"),
    ],
)
def test_a_wrong_site_is_refused(sites: list[tuple[str, tuple[str, ...]]], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        _lowering(*sites)


def test_a_site_of_too_many_combinations_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering_file, "MOST_COMBINATIONS", 8)
    _lowering(("stem", ("width",)))
    with pytest.raises(SpaceError, match="depends on 9 combinations.*over the limit of 8; split it"):
        _lowering(("stem", ("width", "depth")))


def test_a_site_without_genes_stands_in_every_arch() -> None:
    lowering = _lowering(("stem", ()), ("block", ("heads[1]",)))
    codes = np.array([[0, 0, 0, OFF], [0, 1, 0, 1]], dtype=np.int16)
    np.testing.assert_array_equal(lowering.total([5])(codes), [5, 10])
    assert lowering.spec_numbers(codes).tolist() == [[0, -1], [0, 0]]
    assert lowering.blueprint(codes[0]).sites == ("stem",)
