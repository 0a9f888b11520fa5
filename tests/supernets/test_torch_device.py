"""Where torch computes: devices by name, and code that names none by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from vitnas.errors import SettingsError
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.torch_device import CPU, describe_device, exact, find_device

PACKAGE = Path(__file__).parents[2] / "vitnas"


@pytest.fixture
def gpus(monkeypatch):
    """So many GPUs, as torch would tell of them."""

    def pretend(cuda: int, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Pretended 9000")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


def test_auto_takes_the_first_kind_that_is_here(gpus):
    gpus(2, mps=True)
    assert find_device("auto") == torch.device("cuda")
    gpus(0, mps=True)
    assert find_device("auto") == torch.device("mps")
    gpus(0)
    assert find_device("auto") == CPU


def test_a_device_that_is_not_here_is_refused_with_those_that_are(gpus):
    gpus(2)
    assert find_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(
        SettingsError,
        match=r"\[train\] torch_device is 'cuda:2', but torch finds cuda:0, cuda:1 here; choose one of these, 'cpu' or 'auto'",
    ):
        find_device("cuda:2", "[train] torch_device")
    with pytest.raises(SettingsError, match="'mps'"):
        find_device("mps")
    gpus(0)
    with pytest.raises(SettingsError, match="torch finds no GPU here; choose 'cpu' or 'auto'"):
        find_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", "cuda:-1", ""])
def test_a_name_of_no_device_is_refused_where_it_is_set(name):
    with pytest.raises(SettingsError, match=r"\[train\] torch_device must be text such as 'cuda:1'"):
        TrainSettings(torch_device=name)


def test_a_gpu_is_told_with_its_model(gpus):
    gpus(1)
    assert describe_device(find_device("auto")) == "cuda (Pretended 9000)"
    assert describe_device(CPU) == "cpu"


def test_sums_are_kept_in_double_precision_where_there_is_one():
    assert [exact(torch.device(kind)) for kind in ("cpu", "cuda", "mps")] == [
        torch.float64,
        torch.float64,
        torch.float32,
    ]


def test_no_code_assumes_a_gpu_or_its_number():
    """Devices come from settings alone; what measures latency on GPUs names the GPU that it is asked for."""
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        if "latency_lut" not in path.parts
        for line in path.read_text().splitlines()
        if re.search(r"\.cuda\(\)|\"cuda:0\"|'cuda:0'|device=\"cuda", line)
    ]
    assert found == []
