"""Genes become columns; what contradicts itself is refused with the remedy."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import OFF, Gene
from vitnas.search_spaces.gene import make_columns


def test_a_gene_per_depth_has_a_column_for_each_unit_of_the_largest() -> None:
    columns = make_columns([Gene("depth", (1, 3)), Gene("heads", (3, 4), per="depth")])
    assert [c.name for c in columns] == ["depth", "heads[0]", "heads[1]", "heads[2]"]
    assert [c.parent for c in columns] == [None, 0, 0, 0]
    assert [(c.gene, c.position) for c in columns[1:]] == [("heads", 0), ("heads", 1), ("heads", 2)]


@pytest.mark.parametrize(
    ("position", "depth_code", "own", "allowed"),
    [(0, 0, 0, True), (0, 0, OFF, False), (1, 0, OFF, True), (1, 0, 1, False), (1, 1, 1, True), (2, OFF, OFF, True)],
)
def test_a_repeated_gene_is_on_below_the_depth(position: int, depth_code: int, own: int, allowed: bool) -> None:
    columns = make_columns([Gene("depth", (1, 3)), Gene("heads", (3, 4), per="depth")])
    assert columns[1 + position].allowed[depth_code, own] == allowed


def test_a_conditional_gene_follows_the_other_at_its_own_position() -> None:
    genes = [
        Gene("depth", (1, 2)),
        Gene("mixer", ("pool", "attention"), per="depth"),
        Gene("heads", (1, 2), per="depth", when=("mixer", ("attention",))),
    ]
    columns = make_columns(genes)
    assert [columns[c.parent].name for c in columns[3:] if c.parent is not None] == ["mixer[0]", "mixer[1]"]
    np.testing.assert_array_equal(columns[3].allowed, [[False, False, True], [True, True, False], [False, False, True]])


def test_at_least_allows_choices_from_the_other_value_up() -> None:
    columns = make_columns([Gene("width", (8, 16)), Gene("neck", (8, 12, 16), at_least="width")])
    np.testing.assert_array_equal(
        columns[1].allowed, [[True, True, True, False], [False, False, True, False], [False, False, False, True]]
    )


DEPTH = Gene("depth", (1, 2))


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        ([DEPTH, DEPTH], "gene 'depth' is defined twice; rename one of the two"),
        ([Gene("width", ())], r"gene 'width' needs distinct choices, at least one; got \[\]"),
        ([Gene("width", (8, 8))], r"needs distinct choices, at least one; got \[8, 8\]"),
        ([DEPTH, Gene("heads", (1,), per="dept")], "refers to 'dept', which is not defined before it.*mean 'depth'"),
        (
            [Gene("heads", (1,), per="depth"), DEPTH],
            "refers to 'depth', which is not defined before it; there are none",
        ),
        ([Gene("ratio", (1.5, 2.5)), Gene("heads", (1,), per="ratio")], "must be one whole number per arch.*1.5"),
        (
            [DEPTH, Gene("sub", (1, 2), per="depth"), Gene("heads", (1,), per="sub")],
            "must be one whole number per arch.*per 'depth'",
        ),
        ([DEPTH, Gene("neck", (8,), at_least="depth", per="depth")], "`at_least` joins two genes of one value each"),
        (
            [Gene("width", (8, 16)), Gene("neck", (8, 12), at_least="width")],
            "no choice at least width=16.*largest is 12",
        ),
        ([DEPTH, Gene("heads", (1,), when=("depth", (3,)))], r"exists when 'depth' is 3; have \[1, 2\]"),
        (
            [DEPTH, Gene("mixer", ("a", "b"), per="depth"), Gene("heads", (1,), when=("mixer", ("a",)))],
            "both must be per the same gene; got per 'None' and per 'depth'",
        ),
    ],
)
def test_genes_that_contradict_themselves_are_refused(genes: list[Gene], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make_columns(genes)
