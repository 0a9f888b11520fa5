"""Freed memory stays for the next tensors."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from vitnas.supernets.training.malloc import keep_freed_blocks

if {kept}:
    keep_freed_blocks()

def step():
    for size in (2, 40, 3, 70):  # MB
        torch.ones(size << 18)

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="speaks of glibc's malloc")
def test_steps_take_no_new_pages() -> None:
    """Each page that a step takes anew is a fault: of the largest tensor alone there are some 170 of 4 kB a MB."""
    faults = {
        kept: int(
            subprocess.run(
                [sys.executable, "-c", FAULTS.format(kept=kept)], capture_output=True, text=True, check=True
            ).stdout
        )
        for kept in (False, True)
    }
    assert faults[True] < 100 < 1000 < faults[False]
