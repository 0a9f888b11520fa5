"""ElasticViT against closed formulas; widths that never shrink."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracle import closed_forms, needs_oracle
from vitnas.search_spaces import Arch, load_space
from vitnas.supernets.counting.counts import count

STAGES = ("stem", "s1", "s2", "s3", "s4", "s5", "s6")


def _columns(arch: Arch) -> tuple[Any, ...]:
    """The arch in the columns of its paper: one expansion and kernel a convolution, one ratio a transformer."""
    genes = dict(arch.genes)
    depths = [genes[f"depth.{s}"] for s in STAGES]

    def spread(gene: str, stages: tuple[str, ...]) -> list[Any]:
        return [genes.get(f"{gene}.{s}", 1) for s in stages for _ in range(genes[f"depth.{s}"])]  # type: ignore[arg-type]

    return (
        genes["resolution"],
        [genes[f"width.{s}"] for s in STAGES],
        depths,
        spread("expansion", STAGES[:3]),
        spread("kernel", STAGES[:3]),
        spread("mlp_ratio", STAGES[3:]),
        spread("value_ratio", STAGES[3:]),
    )


@needs_oracle
@pytest.mark.heavy
def test_random_archs_count_as_the_closed_form_says() -> None:
    space = load_space("elasticvit")
    for arch in [space.smallest(), space.largest(), *space.sample(8, np.random.default_rng(0))]:
        _, macs, num_params = closed_forms().elastic(*_columns(arch))
        found = count(space.lower(arch))
        assert (found.num_params, found.macs) == (num_params, macs)


@needs_oracle
def test_the_largest_arch_is_the_published_one() -> None:
    as_searched, _, _ = closed_forms().elastic(*_columns(load_space("elasticvit").largest()))
    assert round(as_searched / 1e6, 2) == 3191.46


def test_widths_never_shrink_along_the_network() -> None:
    space = load_space("elasticvit")
    for arch in space.sample(200, np.random.default_rng(1)):
        widths = _columns(arch)[1]
        assert widths == sorted(widths)


def test_one_kernel_holds_for_the_published_winner_of_two_kernels() -> None:
    """L3 has a kernel of 3 in its first stage only, between two of 5."""
    genes = dict(load_space("elasticvit").named("L3").genes)
    assert [genes[f"kernel.{s}"] for s in STAGES[:3]] == [5, 3, 5]
