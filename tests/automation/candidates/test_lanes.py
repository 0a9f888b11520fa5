"""Where networks are trained: threads that a training may share among several, or GPUs of which it takes one."""

from __future__ import annotations

import pytest
import torch

from vitnas.automation.candidates.lanes import Lanes
from vitnas.automation.planning import Purse
from vitnas.automation.settings import AutoSettings
from vitnas.errors import SettingsError

ASKED = AutoSettings(limits={"cpu": 1.0}, seconds=600.0)


def purse(lanes: Lanes) -> tuple[int, int, int]:
    found = Purse.of(ASKED, lanes)
    return found.workers, found.threads, found.rounds


def test_a_processor_divides_its_threads_among_the_network_and_its_baseline():
    assert purse(Lanes(8)) == (2, 4, 1)
    assert purse(Lanes(1)) == (1, 1, 2)


def test_gpus_are_not_divided(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert Lanes.here("auto") == Lanes(4, "cuda")
    assert purse(Lanes.here("cuda")) == (2, 1, 1)
    assert purse(Lanes.here("cuda:3")) == (1, 1, 2)
    assert (Lanes(4, "cuda").widest, Lanes(4).widest) == (1, 4)
    with pytest.raises(SettingsError, match=r"\[auto\] torch_device is 'cuda:4', but torch finds cuda:0"):
        Lanes.here("cuda:4")


def test_here_are_the_threads_of_torch():
    assert Lanes.here("cpu") == Lanes(torch.get_num_threads())


def test_planning_is_counted_by_the_clock_of_the_lanes() -> None:
    seconds = iter([5.0, 25.0])
    found = Purse.of(ASKED, Lanes(now=lambda: next(seconds)))
    assert found.spent_s == 20
