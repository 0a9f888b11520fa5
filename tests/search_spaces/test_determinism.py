"""The same seed gives the same archs in another process, and files of today are read tomorrow."""

from __future__ import annotations

import os
import subprocess
import sys

from vitnas.search_spaces import SPACES, load_space

PROGRAM = """
import hashlib, json
import numpy as np
from vitnas.search_spaces import SPACES, load_space

found = {}
for name in SPACES:
    space = load_space(name)
    rng = np.random.default_rng(7)
    codes = space.genome.sample(50, rng)
    other = space.genome.sample_evenly(50, rng)
    codes = space.genome.mutate(space.genome.cross_over(codes, other, rng), rng, 0.1)
    archs = [arch.id for arch in space.decode(codes)]
    found[name] = [space.fingerprint, hashlib.sha256(codes.tobytes()).hexdigest(), *archs]
print(json.dumps(found))
"""


def _in_a_new_process(hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def test_codes_ids_and_fingerprints_are_the_same_in_every_process() -> None:
    first = _in_a_new_process("1")
    assert first == _in_a_new_process("2")
    assert all(load_space(name).fingerprint in first for name in SPACES)
