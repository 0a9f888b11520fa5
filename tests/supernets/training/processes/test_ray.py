"""Ray Train on this machine: the same weights as one process, also when a worker dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vitnas.errors import SettingsError, TrainingError
from vitnas.run import RunFolder
from vitnas.supernets.training.processes.ray import train_on_ray
from vitnas.supernets.training.train import train
from vitnas.supernets.weights.checkpoints import checkpoint_folders, load_supernet

MakeRun = Callable[..., RunFolder]


def kill_a_worker_of(run: RunFolder) -> int:
    """Kills the process that holds this run's lock, once there is a checkpoint; 0 if it never came."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if checkpoint_folders(run):
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    held = {os.readlink(file) for file in (folder / "fd").iterdir()}
                except OSError:
                    continue
                if str(run.path / ".lock") in held:
                    os.kill(int(folder.name), signal.SIGKILL)
                    return int(folder.name)
        time.sleep(0.05)
    return 0


@pytest.mark.ray
@pytest.mark.slow  # three starts of two workers
@pytest.mark.timeout(900)
def test_a_worker_that_dies_changes_nothing(tmp_path: Path, small_run: MakeRun) -> None:
    options = {"steps": 60, "checkpoint_every": 4, "threads": 2}
    undisturbed, run = small_run(tmp_path / "undisturbed", **options), small_run(tmp_path / "run", **options)
    train_on_ray(undisturbed, 2)
    killed: list[int] = []
    killer = threading.Thread(target=lambda: killed.append(kill_a_worker_of(run)))
    killer.start()
    train_on_ray(run, 2)
    killer.join()
    assert killed[0] not in (0, os.getpid())
    expected = load_supernet(undisturbed).state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in load_supernet(run).state_dict().items())
    assert checkpoint_folders(run)[-1].name == "step-00000060"
    assert not (run.path / ".ray").exists()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_an_error_of_the_training_ends_it_with_its_own_words(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", steps=20, learning_rate=1e30, clip_norm=0.0, warmup=0.0, max_bad_steps=2)
    with pytest.raises(TrainingError, match=r"stopped at step .* lower learning_rate") as caught:
        train_on_ray(run, 2)
    assert "\n" not in str(caught.value)  # no traceback


def test_workers_that_cannot_work_are_refused_at_once(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run")
    with pytest.raises(SettingsError, match="cannot train with 0 workers"):
        train_on_ray(run, 0)
    with pytest.raises(SettingsError, match=r"batch_size is 16, .* 3 workers .* choose a multiple of 3"):
        train_on_ray(run, 3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_the_error_of_one_process_is_that_of_many(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run")
    config = run.config_file.read_text().replace('torch_device = "auto"', 'torch_device = "cuda"')
    run.config_file.write_text(config)
    with pytest.raises(SettingsError, match="torch finds no GPU here"):
        train(run, progress=False)
