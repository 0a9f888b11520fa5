"""How fast populations are sampled and costed by look-up, and how long the tables take to build."""

from __future__ import annotations

import os
import tempfile
import time

import frame
import numpy as np
import torch

from vitnas.search_spaces import SPACES, load_space
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.layers import outline

SPACE = "elasticvit"
NUM_ARCHS = 100_000


def measure(quick: bool) -> frame.Results:
    torch.set_num_threads(1)
    space = load_space(SPACE)
    counter = PopulationCounter(space)
    codes = space.genome.sample(NUM_ARCHS, np.random.default_rng(0))

    def sample() -> object:
        return space.genome.sample(NUM_ARCHS, np.random.default_rng(0))

    def cost() -> object:
        return counter(codes)

    sample_s, cost_s = frame.interleaved_s([sample, cost], rounds=3 if quick else 15)
    # Some spaces have thousands of distinct layers, each run once without memory to be counted.
    names = [name for name in SPACES if not quick or name.startswith(("autoformer", "deit"))]
    rows = []
    cache = tempfile.TemporaryDirectory()
    os.environ["VITNAS_CACHE"] = cache.name  # nothing is known beforehand
    for name in names:
        count_layer.cache_clear()
        outline.cache_clear()
        start = time.perf_counter()
        fresh = load_space(name)
        num_specs = len(fresh.lowering.specs)
        lowered_s = time.perf_counter() - start
        PopulationCounter(fresh)
        counted_s = time.perf_counter() - start
        start = time.perf_counter()
        PopulationCounter(load_space(name))
        rows.append((name, num_specs, lowered_s, time.perf_counter() - start, counted_s))
    cache.cleanup()
    frame.show(
        "tables of parameters, MACs and memory, from nothing",
        ("space", "distinct layers", "lowering s", "with counting s", "again, counts on disk s"),
        [(name, n, f"{lowered:.3f}", f"{whole:.2f}", f"{again:.3f}") for name, n, lowered, again, whole in rows],
    )
    return {
        "sampled_per_s": NUM_ARCHS / sample_s,
        "costed_per_s": NUM_ARCHS / cost_s,
        "table_build_s_max": max(whole for *_, whole in rows),
    }


if __name__ == "__main__":
    frame.run(__doc__, measure)
