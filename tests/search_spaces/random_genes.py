"""Random genes for the laws of populations, and all their archs by following the definitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from vitnas.search_spaces import OFF, Codes, Gene
from vitnas.search_spaces.gene import make_columns
from vitnas.search_spaces.genome import Genome

TOO_MANY = 1500


@st.composite
def gene_lists(draw: st.DrawFn) -> list[Gene]:
    """Genes of every form that hang on one another; each whole number below 4, so that any may be a depth."""
    genes: list[Gene] = []
    some = st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True).map(lambda found: tuple(sorted(found)))
    for i in range(draw(st.integers(1, 5))):
        name = f"g{i}"
        single = [g for g in genes if g.per is None]
        form = draw(st.sampled_from(["alone", *(["per", "at_least"] if single else []), *(["when"] if genes else [])]))
        if form == "alone":
            genes.append(Gene(name, draw(some)))
        elif form == "per":
            genes.append(Gene(name, draw(some), per=draw(st.sampled_from(single)).name))
        elif form == "at_least":
            other = draw(st.sampled_from(single))
            choices = tuple(sorted({*draw(some), max(other.choices)}))
            genes.append(Gene(name, choices, at_least=other.name))
        else:
            other = draw(st.sampled_from(genes))
            values = draw(st.lists(st.sampled_from(other.choices), min_size=1, unique=True))
            genes.append(Gene(name, draw(some), per=other.per, when=(other.name, tuple(values))))
    return genes


def genome_of(genes: Sequence[Gene]) -> Genome:
    return Genome(make_columns(genes))


def all_rows(genes: Sequence[Gene]) -> Codes | None:
    """Every arch as the docstring of `Gene` describes it, without the tables of columns; None when too many."""
    rows: list[dict[str, list[int]]] = [{}]
    by_name = {gene.name: gene for gene in genes}

    def value(row: dict[str, list[int]], name: str, position: int = 0) -> object:
        code = row[name][position]
        return None if code == OFF else by_name[name].choices[code]

    for gene in genes:
        count = max(by_name[gene.per].choices) if gene.per else 1
        for row in rows:
            row[gene.name] = []
        for position in range(count):
            longer = []
            for row in rows:
                on, least = True, None
                if gene.per:
                    length = value(row, gene.per)
                    on = length is not None and length > position
                if gene.when:
                    on = on and value(row, gene.when[0], position if gene.per else 0) in gene.when[1]
                if gene.at_least:
                    least = value(row, gene.at_least)
                    on = least is not None
                codes = [i for i, c in enumerate(gene.choices) if least is None or c >= least] if on else [OFF]
                longer += [{**row, gene.name: [*row[gene.name], code]} for code in codes]
            rows = longer
            if len(rows) > TOO_MANY:
                return None
    return np.array([[code for gene in genes for code in row[gene.name]] for row in rows], dtype=np.int16).reshape(
        len(rows), -1
    )
