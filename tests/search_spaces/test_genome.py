"""Laws of populations, over random genes that hang on one another in every form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2

from tests.search_spaces.random_genes import all_rows, gene_lists, genome_of
from vitnas.search_spaces import OFF, Codes, Gene
from vitnas.search_spaces.genome import Genome

SEEDS = st.integers(0, 2**32)


def _rows(codes: Codes) -> set[tuple[int, ...]]:
    return {tuple(row) for row in codes.tolist()}


def _noise(genome: Genome, n: int, rng: np.random.Generator) -> Codes:
    """Anything that fits into the array type, near the codes and far from them."""
    near = rng.integers(-2, 5, (n, len(genome.columns)))
    far = rng.integers(-(2**15), 2**15, near.shape)
    return np.where(rng.random(near.shape) < 0.1, far, near).astype(np.int16)


@given(gene_lists())
def test_size_and_enumeration_are_the_definition(genes: list[Gene]) -> None:
    expected = all_rows(genes)
    assume(expected is not None)
    genome = genome_of(genes)
    found = genome.enumerate()
    assert genome.size() == len(found) == len(expected)
    assert _rows(found) == _rows(expected)


@given(gene_lists(), SEEDS)
def test_valid_accepts_exactly_the_archs(genes: list[Gene], seed: int) -> None:
    expected = all_rows(genes)
    assume(expected is not None)
    genome = genome_of(genes)
    rng = np.random.default_rng(seed)
    mixed = np.concatenate([expected, _noise(genome, 50, rng), np.roll(expected, 1, axis=1)[:50]])
    archs = _rows(expected)
    np.testing.assert_array_equal(genome.valid(mixed), [tuple(row) in archs for row in mixed.tolist()])


@given(gene_lists(), SEEDS, st.floats(0, 1))
def test_every_operation_stays_inside_the_space(genes: list[Gene], seed: int, rate: float) -> None:
    genome = genome_of(genes)
    rng = np.random.default_rng(seed)
    codes = genome.sample(20, rng)
    for population in (
        codes,
        genome.sample_evenly(20, rng),
        genome.mutate(codes, rng, rate),
        genome.cross_over(codes, genome.sample(20, rng), rng),
        genome.repair(_noise(genome, 20, rng), rng),
        genome.repair(_noise(genome, 20, rng)),
    ):
        assert population.dtype == np.int16
        assert population.shape == codes.shape
        assert genome.valid(population).all()
        np.testing.assert_array_equal(genome.repair(population, rng), population)


@given(gene_lists(), SEEDS)
def test_repair_keeps_what_is_allowed_and_takes_the_smallest_elsewhere(genes: list[Gene], seed: int) -> None:
    expected = all_rows(genes)
    assume(expected is not None)
    genome = genome_of(genes)
    for row in _noise(genome, 10, np.random.default_rng(seed)):
        left = expected
        for i, code in enumerate(row):
            same = left[left[:, i] == code]
            options = same if len(same) else left
            left = options if len(same) else options[options[:, i] == options[:, i].min()]
        assert left.tolist() == genome.repair(row[None]).tolist()


@given(gene_lists(), SEEDS)
def test_mutation_changes_every_row_that_can_change(genes: list[Gene], seed: int) -> None:
    genome = genome_of(genes)
    rng = np.random.default_rng(seed)
    codes = genome.sample(20, rng)
    mutated = genome.mutate(codes, rng, 0.0)
    several = np.array([len(c.choices) > 1 for c in genome.columns], dtype=bool)
    can = ((codes != OFF) & several).any(axis=1)
    # What hangs on another gene with `at_least` may be set back by it, so a step can lead nowhere.
    if not any(gene.at_least for gene in genes):
        np.testing.assert_array_equal((mutated != codes).any(axis=1), can)
    np.testing.assert_array_equal(mutated[~can], codes[~can])


def test_mutation_rate_is_the_share_of_changed_codes() -> None:
    genome = genome_of([Gene(f"g{i}", (1, 2, 3)) for i in range(50)])
    rng = np.random.default_rng(0)
    codes = genome.sample(2000, rng)
    changed = genome.mutate(codes, rng, 0.2) != codes
    assert changed.mean() == pytest.approx(0.2, abs=0.005)


@given(gene_lists(), SEEDS)
def test_a_child_takes_each_code_from_a_parent_where_none_hangs_on_another(genes: list[Gene], seed: int) -> None:
    genome = genome_of(genes)
    rng = np.random.default_rng(seed)
    left, right = genome.sample(20, rng), genome.sample(20, rng)
    child = genome.cross_over(left, right, rng)
    free = [i for i, c in enumerate(genome.columns) if c.parent is None]
    assert ((child == left) | (child == right))[:, free].all()
    np.testing.assert_array_equal(genome.cross_over(left, left, rng), left)


def _surprise(counts: NDArray[np.intp]) -> float:
    """How rarely a fair draw is as uneven as these counts."""
    expected = counts.sum() / len(counts)
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), max(1, len(counts) - 1)))


@settings(max_examples=25)
@given(gene_lists(), SEEDS)
def test_sample_evenly_draws_every_arch_equally_often(genes: list[Gene], seed: int) -> None:
    genome = genome_of(genes)
    size = genome.size()
    assume(1 < size <= 300)
    drawn = genome.sample_evenly(50 * size, np.random.default_rng(seed))
    archs, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(archs) == size
    assert _surprise(counts) > 1e-6


def test_sample_draws_every_choice_of_a_gene_equally_often() -> None:
    genome = genome_of([Gene("depth", (1, 2, 4)), Gene("heads", (1, 2, 3), per="depth")])
    codes = genome.sample(30_000, np.random.default_rng(0))
    assert _surprise(np.bincount(codes[:, 0])) > 1e-6
    last = codes[codes[:, 0] == 2, 4]
    assert _surprise(np.bincount(last)) > 1e-6


def test_sample_evenly_works_where_floats_cannot_count_the_archs() -> None:
    genome = genome_of([Gene("depth", (1, 2000)), Gene("heads", (1, 2, 3), per="depth")])
    assert genome.size() == 3 + 3**2000
    assert (genome.sample_evenly(10, np.random.default_rng(0))[:, 0] == 1).all()


@given(gene_lists(), SEEDS)
def test_neighbours_differ_in_one_choice_and_what_hangs_on_it(genes: list[Gene], seed: int) -> None:
    archs = all_rows(genes)
    assume(archs is not None)
    genome = genome_of(genes)
    row = genome.sample(1, np.random.default_rng(seed))[0]
    expected = set()
    for i, column in enumerate(genome.columns):
        below = {i}
        for j, other in enumerate(genome.columns):
            if other.parent in below:
                below.add(j)
        others = [j for j in range(len(row)) if j not in below]
        for code in range(len(column.choices)):
            if row[i] in (OFF, code):
                continue
            left = archs[(archs[:, others] == row[others]).all(axis=1) & (archs[:, i] == code)]
            for j in sorted(below - {i}):
                if not len(left):
                    break
                same = left[left[:, j] == row[j]]
                left = same if len(same) else left[left[:, j] == left[:, j].min()]
            expected |= _rows(left)
    found = genome.neighbours(row)
    assert _rows(found) == expected
    assert len(found) == len(expected)
    assert genome.valid(found).all()
