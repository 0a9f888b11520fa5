"""Which networks to time as a whole: some to fit the calibration, others to test it."""

from __future__ import annotations

import numpy as np

from vitnas.latency_lut.assemble import layer_counts, work_of
from vitnas.latency_lut.features import Floats, by_kind, spread
from vitnas.search_spaces import Arch, Codes, SearchSpace
from vitnas.search_spaces.spreading import even_steps

POOL = 2048
"""Archs drawn to pick well-spread networks from."""


def sample_networks(space: SearchSpace, fit: int, test: int, seed: int) -> list[tuple[Arch, bool]]:
    """Archs ordered by MACs, and whether each is held out.

    Held-out archs go in even steps from small to large. The others are the two ends and what lies far apart in the
    multiplications of each kind of layer. A space too small for all keeps two to fit and shares the rest.
    """
    ends = space.encode([space.smallest(), space.largest()])
    drawn = space.genome.sample(POOL, np.random.default_rng(seed))
    codes = np.unique(np.concatenate([ends, drawn]), axis=0)
    macs = by_kind_macs(space, codes)
    order = np.argsort(macs.sum(axis=1), kind="stable")
    codes, macs = codes[order], macs[order]
    tests = test if len(codes) >= fit + test else max((len(codes) - 2) * test // (fit + test), 0)
    total = macs.sum(axis=1)
    held_out = np.array(sorted(even_steps(total[1:-1], total[0], total[-1], tests)), dtype=np.intp) + 1
    rest = np.setdiff1d(np.arange(len(codes)), held_out)
    low, high = int(rest[0]), int(rest[-1])
    start = [0, len(rest) - 1] if high > low else [0]
    fitted = rest[[*start, *spread(np.log1p(macs[rest]), fit - len(start), start)][:fit]]
    picked = np.union1d(held_out, fitted)
    return list(zip(space.decode(codes[picked]), np.isin(picked, held_out).tolist(), strict=True))


def spread_out(n: int) -> list[int]:
    """0 to n - 1 such that those up to any place lie evenly: the ends first, then halves, quarters and so on."""
    if n < 3:
        return list(range(n))
    found = [0, n - 1]
    step = 1.0
    while len(found) < n:
        step /= 2
        places = np.arange(step, 1, 2 * step) * (n - 1)
        found += [i for i in dict.fromkeys(places.round().astype(int).tolist()) if i not in found]
    return found


def by_kind_macs(space: SearchSpace, codes: Codes) -> Floats:
    """``(archs, kinds)`` multiplications in the layers of each kind."""
    work, counts = work_of(space), layer_counts(space, codes)
    return np.stack([counts[:, rows] @ work.macs[rows] for rows in by_kind(space.lowering.specs).values()], axis=1)
