"""Workers and GPUs: what part each takes, and that Ray gives it. Here Ray is told of GPUs that are none."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import SearchError
from vitnas.nas.execution import make_executor
from vitnas.nas.execution.place import computed_on
from vitnas.nas.execution.ray import RayExecutor, share_of_gpus


@given(there=st.integers(1, 64), workers=st.integers(1, 200))
def test_workers_share_gpus_evenly(there, workers):
    share = share_of_gpus(there, workers, None, needed=True)
    assert 0 < share <= 1
    on_one = -(-workers // there)  # on the GPU that has most
    assert share * on_one <= 1
    assert share == pytest.approx(1 / on_one, abs=1e-4)  # as finely as Ray divides


def test_without_gpus_workers_take_none_unless_they_must():
    assert share_of_gpus(0, 4, None, needed=False) == 0.0
    with pytest.raises(SearchError, match=r"4 workers with 1 GPUs each find room for 0 on the 0 GPUs"):
        share_of_gpus(0, 4, None, needed=True)
    with pytest.raises(SearchError, match=r"room for 4 on the 2 GPUs.*smaller gpus_per_worker"):
        share_of_gpus(2, 5, 0.4, needed=False)
    assert share_of_gpus(2, 5, 0.25, needed=False) == 0.25


def test_one_gpu_by_its_number_is_not_for_several_workers():
    with pytest.raises(SearchError, match="Ray gives each worker a GPU; choose 'cuda'"):
        RayExecutor(2, torch_device="cuda:1")


def test_what_is_computed_here_is_told_by_the_device_that_is_found():
    with make_executor(1, torch_device="cpu") as executor:
        assert computed_on(executor) is None


def seen(item: int) -> str:
    """Which GPUs Ray shows the process that works."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.ray
@pytest.mark.slow
def test_ray_gives_each_worker_its_part_of_a_gpu():
    import ray

    from vitnas.ray_cluster import connect, disconnect

    assert connect(2, None, SearchError)  # without GPUs
    try:
        with RayExecutor(2, torch_device="auto") as executor:
            executor.start()
            assert (executor.torch_device, computed_on(executor)) == ("cpu", None)
    finally:
        disconnect()
    ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with RayExecutor(2, torch_device="auto") as executor:
            executor.start()
            assert computed_on(executor) == "cuda"
            assert [outcome.get() for outcome in executor.map(seen, range(4))] == ["0"] * 4
            assert ray.available_resources().get("GPU", 0.0) == pytest.approx(0.0)
    finally:
        ray.shutdown()
