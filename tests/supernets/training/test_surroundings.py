"""Freed memory stays for the next tensors."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from vitnas.supernets.training.surroundings import keep_freed_blocks

if {kept}:
    keep_freed_blocks()

def step():
    for size in (2, 40, 3, 70):  # MB
        torch.ones(size << 18)

for _ in range(10):  # until the heap is as large as a step needs
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


HELD = """
import torch
from pathlib import Path
from vitnas.supernets.training.surroundings import keep_freed_blocks, return_freed_blocks

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

keep_freed_blocks()
before = held()
blocks = [torch.ones(4 << 18) for _ in range(50)]  # 200 MB
del blocks
kept = held() - before
return_freed_blocks()
print(kept, held() - before)
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="speaks of glibc's malloc")
def test_what_is_free_goes_back_at_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert left < 20e6 < 150e6 < kept
