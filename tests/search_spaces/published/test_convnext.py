"""The ConvNeXt space: which layers its genes give."""

from __future__ import annotations

import numpy as np

from vitnas.search_spaces import load_space


def test_kernels_and_ratios_are_those_of_the_genes() -> None:
    space = load_space("convnext")
    for arch in space.sample(20, np.random.default_rng(0)):
        genes = dict(arch.genes)
        blocks = [spec for spec in space.lower(arch) if spec.kind == "convnext_block"]
        stages = ("s1", "s2", "s3", "s4")
        assert [spec["kernel"] for spec in blocks] == [kernel for s in stages for kernel in genes[f"kernel.{s}"]]
        ratios = [spec["hidden"] / spec.in_shape[0] for spec in blocks]
        assert ratios == [ratio for s in stages for ratio in genes[f"mlp_ratio.{s}"]]


def test_the_largest_is_convnext_b() -> None:
    space = load_space("convnext")
    assert space.largest() == space.named("ConvNeXt-B")
