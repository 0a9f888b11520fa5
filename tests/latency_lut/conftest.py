"""A stand-in for the converter to LiteRT, which needs an environment of its own."""

import sys

import pytest

from vitnas.latency_lut.devices.litert import CONVERTER

MODULE = """
class Converted:
    def __init__(self, module, inputs):
        self.numbers = sum(p.numel() for p in module.parameters())
        self.shape = list(module(*inputs).shape)

    def export(self, path):
        with open(path, "w") as file:
            file.write(f"{self.numbers} {self.shape}")


def convert(module, inputs):
    print("chatter that is no answer")
    return Converted(module, inputs)
"""


@pytest.fixture
def converter(tmp_path, monkeypatch):
    """A module named litert_torch, whose files say what was converted; its path."""
    module = tmp_path / "modules" / "litert_torch.py"
    module.parent.mkdir()
    module.write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(module.parent))
    monkeypatch.setenv(CONVERTER, sys.executable)
    return module
