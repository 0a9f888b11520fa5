"""Two processes that talk over gloo train what one process trains on the whole batch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.problems.listening import off_loopback
from vitnas.errors import SettingsError
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.processes.distributed import World, join_world
from vitnas.supernets.training.processes.meeting import FILE
from vitnas.supernets.training.train import train
from vitnas.supernets.weights.checkpoints import checkpoint_folders, load_supernet

MakeRun = Callable[..., RunFolder]

TRAIN = """
import sys
from pathlib import Path
from vitnas.run import RunFolder
from vitnas.supernets.training.train import train
train(RunFolder.open(Path(sys.argv[1])), progress=False)
"""

AVERAGE = """
import sys
import torch
from vitnas.supernets.training.processes import distributed as world
from vitnas.supernets.training.processes.distributed import join_world

world.BUCKET = 5  # so that several buckets are needed
with join_world("cpu") as world:
    parameters = [torch.nn.Parameter(torch.zeros(3, 2)) for _ in range(4)]
    parameters.append(torch.nn.Parameter(torch.zeros(2, dtype=torch.float64)))
    frozen = torch.nn.Parameter(torch.zeros(2), requires_grad=False)
    both, first, second, nobody, double = parameters
    both.grad = torch.full((2, 3), 1.0 + world.rank).T  # strides of their own
    (second if world.rank else first).grad = torch.full((3, 2), 8.0)
    double.grad = torch.tensor([1.0, 1e-12 * world.rank], dtype=torch.float64)
    world.average_gradients([*parameters, frozen])
    assert torch.equal(both.grad, torch.full((3, 2), 1.5)), both.grad
    assert torch.equal(first.grad, torch.full((3, 2), 4.0))
    assert torch.equal(second.grad, torch.full((3, 2), 4.0))
    assert nobody.grad is None
    assert frozen.grad is None
    assert double.grad.tolist() == [1.0, 5e-13]
    assert world.mean([world.rank, 7.0]) == [0.5, 7.0]
    assert world.mean([float("nan") if world.rank else 1.0]) != [1.0]
    world.barrier()
    assert world.share(torch.arange(6)).tolist() == [[0, 1, 2], [3, 4, 5]][world.rank]
    assert world.leads == (world.rank == 0)
    print("agreed")
"""

ARCHS = """
import sys
import torch
from torch.nn import functional as F
from vitnas.search_spaces import load_space
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.processes.distributed import join_world

space = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3,), mlp_ratio=(2.0, 3.0))
torch.manual_seed(0)
x, y = torch.randn(8, 1, 8, 8), torch.randint(10, (8,))
with join_world("cpu") as world:
    net = Supernet(space)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for step in range(5):
        optimizer.zero_grad()
        arch = (space.smallest(), space.largest())[(world.rank + step) % 2]
        F.cross_entropy(net(world.share(x), arch), world.share(y)).backward()
        world.average_gradients(net.parameters())
        optimizer.step()
    torch.save(net.state_dict(), f"{sys.argv[1]}/{world.rank}.pt")
"""


def start_world(code: str, *arguments: object, size: int = 2) -> list[subprocess.Popen[str]]:
    """What torchrun does: the same program `size` times, told by the environment who is who."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return [
        subprocess.Popen(
            command,
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def run_world(code: str, *arguments: object) -> list[str]:
    outputs = []
    for process in start_world(code, *arguments):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        outputs.append(out)
    return outputs


NORMS = """
import sys
import numpy as np
import torch
from torch.nn import functional as F
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.processes.distributed import join_world
from vitnas.supernets.training.processes.synced_norm import sync_batch_norms

space = load_space("tinyvit", Task(64, 10, 3))
generator = torch.Generator().manual_seed(0)
x, y = torch.randn(8, 3, 64, 64, generator=generator), torch.randint(10, (8,), generator=generator)

def learn(net, x, y):
    for arch in (space.smallest(), space.sample(1, np.random.default_rng(0))[0]):
        F.cross_entropy(net(x, arch), y).backward()
    return net

with join_world("cpu") as world:
    alone, plain, ours = (Supernet(space).train() for _ in range(3))
    sync_batch_norms(ours)
    learn(alone, x, y)
    for net in (plain, ours):
        learn(net, world.share(x), world.share(y))
        world.average_gradients(net.parameters())

    def away(net):
        pairs = [(a.grad, b.grad) for a, b in zip(alone.parameters(), net.parameters()) if a.grad is not None]
        scale = max(float(a.abs().max()) for a, _ in pairs)
        return max(float((a - b).abs().max()) for a, b in pairs) / scale

    assert away(ours) < 1e-4 < 1e-2 < away(plain), (away(ours), away(plain))
    assert {type(m) for m in ours.extract(space.smallest()).modules()} == {
        type(m) for m in alone.extract(space.smallest()).modules()
    }
    assert ours.state_dict().keys() == alone.state_dict().keys()
    print("agreed")
"""

LISTENS = """
import json, os, sys
from benchmarks.problems.listening import listening
from vitnas.supernets.training.processes.distributed import join_world

with join_world("cpu") as world:
    world.barrier()
    print(json.dumps(sorted(listening(os.getpid()))))
    world.barrier()
"""


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks where Linux lists its sockets")
@pytest.mark.parametrize("in_file", [False, True], ids=["address", "file"])
def test_processes_of_one_machine_listen_on_loopback_alone(
    in_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch's own store listens on all interfaces, and gloo where the machine's name leads."""
    if in_file:
        monkeypatch.setenv(FILE, str(tmp_path / "store"))
    first, second = (
        {(address, port) for address, port in json.loads(output)} for output in run_world(LISTENS, tmp_path)
    )
    assert off_loopback(first | second) == set()
    assert len(second) == 1  # gloo's
    assert len(first) == (1 if in_file else 2)  # and the store's


@pytest.mark.slow
def test_synced_batch_norms_learn_as_one_process_does() -> None:
    """Without, shares of four images train another network."""
    assert run_world(NORMS) == ["agreed\n", "agreed\n"]


def test_gradients_are_averaged_and_untouched_parameters_stay_so() -> None:
    assert run_world(AVERAGE) == ["agreed\n", "agreed\n"]


def test_processes_that_train_other_archs_keep_the_same_weights(tmp_path: Path, small_space: SearchSpace) -> None:
    """And these are what one process gets from the mean of the two losses."""
    run_world(ARCHS, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    torch.manual_seed(0)
    x, y = torch.randn(8, 1, 8, 8), torch.randint(10, (8,))
    net = Supernet(small_space)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for step in range(5):
        optimizer.zero_grad()
        archs = (small_space.smallest(), small_space.largest())
        for rank in (0, 1):
            part = slice(4 * rank, 4 * rank + 4)
            loss = torch.nn.functional.cross_entropy(net(x[part], archs[(rank + step) % 2]), y[part])
            (loss / 2).backward()
        optimizer.step()
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(first[name], tensor, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"optimizer": "sgd", "learning_rate": 0.05}], ids=["adamw", "sgd"])
def test_two_processes_train_what_one_trains(tmp_path: Path, small_run: MakeRun, how: dict[str, Any]) -> None:
    options: dict[str, Any] = {"steps": 20, "batch_size": 16, "checkpoint_every": 10, **how}
    alone, together = small_run(tmp_path / "alone", **options), small_run(tmp_path / "together", **options)
    run_world(TRAIN, together.path)
    train(alone, progress=False)
    expected, found = (load_supernet(run).state_dict() for run in (alone, together))
    if not how:
        expected, found = map(_but_key_biases, (expected, found))
    torch.testing.assert_close(dict(found), dict(expected), rtol=0, atol=1e-5)
    assert [p.name for p in checkpoint_folders(together)] == ["step-00000010", "step-00000020"]
    lines = [run.metrics_file.read_text().count('"grad_norm"') for run in (alone, together)]
    assert lines == [20, 20]  # written by one process alone


def _but_key_biases(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Softmax takes the bias of keys away, so its gradient is rounding alone, which AdamW scales to full steps."""
    return {name: tensor[[0, 2]] if name.endswith("qkv_bias") else tensor for name, tensor in state.items()}


def test_alone_nothing_is_averaged() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    with join_world() as world:
        world.average_gradients([parameter])
        assert world == World(0, 1)
        assert world.mean([1.0, 2.0]) == [1.0, 2.0]
        assert world.share(np.arange(3)).tolist() == [0, 1, 2]
    assert parameter.grad.tolist() == [1, 1]


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"batch of 5 images does not divide among 2 .* multiple of 2"):
        World(0, 2).share(np.arange(5))


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2 and WORLD_SIZE=2 do not go together"),
        ({"RANK": "0", "WORLD_SIZE": "many"}, "WORLD_SIZE='many'; it must be a whole number"),
    ],
)
def test_an_environment_that_contradicts_itself_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], why: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=why), join_world():
        pass


@pytest.mark.slow
def test_a_process_that_dies_is_told_by_the_others(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", steps=100_000, checkpoint_every=1)
    leader, other = start_world(TRAIN, run.path)
    while not checkpoint_folders(run):
        assert leader.poll() is None, leader.communicate()[1]
    other.kill()
    _, err = leader.communicate(timeout=60)
    assert leader.returncode
    assert "LostWorldError: process 0 of 2 lost the others" in err
    assert "--resume" in err
    other.communicate()
    assert load_supernet(run).training is False
