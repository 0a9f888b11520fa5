"""Freed memory goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

HOLES = """
import torch
from pathlib import Path
from vitnas.supernets.training.malloc import return_large_blocks

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if {tight}:
    return_large_blocks()
torch.ones(24 << 18)  # 24 MB, freed at once: glibc learns to keep such blocks
before = held()
blocks = [torch.ones(2 << 18) for _ in range(100)]
kept = blocks[::10]
del blocks
print(held() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="speaks of glibc's malloc")
def test_blocks_between_others_are_given_back() -> None:
    grown = {
        tight: int(
            subprocess.run(
                [sys.executable, "-c", HOLES.format(tight=tight)], capture_output=True, text=True, check=True
            ).stdout
        )
        for tight in (False, True)
    }
    assert grown[True] < 40e6 < 150e6 < grown[False]
