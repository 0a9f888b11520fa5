"""Channels of a network that `init` gives are sorted before the first step, and the run says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vitnas.errors import UnknownNameError
from vitnas.files import read_json
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.settings import make_settings
from vitnas.supernets.data import dataset_of
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet, build_network
from vitnas.supernets.training.loop import TrainingLoop
from vitnas.supernets.training.processes.distributed import World
from vitnas.supernets.training.train import start_run

ENERGY = "block1_ffn-feed_forward"


@pytest.fixture
def given(tmp_path: Path, small_space: SearchSpace) -> Path:
    torch.manual_seed(5)
    arch = small_space.largest()
    network = build_network(small_space.lower(arch))
    (tmp_path / "arch.json").write_text(json.dumps(arch.to_json()))
    (tmp_path / "report.json").write_text(json.dumps({"task": {"num_classes": 10}}))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    return tmp_path


def started(run: RunFolder) -> Supernet:
    settings = make_settings(TrainSettings, run.config["train"], "here")
    return TrainingLoop(run, settings, dataset_of(run), World()).net.eval()


@torch.no_grad()
def test_a_given_network_begins_sorted_and_answers_as_before(given: Path, small_run: Callable[..., RunFolder]) -> None:
    x = torch.randn(4, 1, 8, 8)
    plain = started(small_run(given / "plain", init=str(given), init_order="none"))
    run = small_run(given / "run", init=str(given), init_order="dimap")
    net = started(run)
    arch = net.space.largest()
    torch.testing.assert_close(net(x, arch), plain(x, arch), rtol=1e-4, atol=1e-4)
    assert (net(x, net.space.smallest()) != plain(x, net.space.smallest())).any()
    columns, sorted_columns = (n.layers[ENERGY].reduce.weight for n in (plain, net))
    assert not torch.equal(columns, sorted_columns)
    assert torch.allclose(columns.sum(0).sort().values, sorted_columns.sum(0).sort().values, atol=1e-5)
    told = read_json(run.order_file)
    assert told["importance"] == "dimap"
    assert f"{ENERGY}.hidden" in told["sorted"]
    assert "patch_embedding.patch" in {name.partition("-")[2] for name in told["refused"]}
    assert run.config["train"]["init_order"] == "dimap"
    assert not (given / "plain" / "order.json").exists()


def test_a_run_that_was_trained_as_a_supernet_keeps_its_order(given: Path, small_run: Callable[..., RunFolder]) -> None:
    from vitnas.supernets.training.train import train

    donor = small_run(given / "donor", steps=1)
    train(donor, progress=False)
    run = small_run(given / "heir", init=str(donor.path))
    assert started(run).donors == ()
    assert not run.order_file.exists()


@torch.no_grad()
def test_a_part_of_a_space_gets_the_channels_that_matter(tmp_path: Path, small_space: SearchSpace) -> None:
    """Sorted as a whole, then cut: of hidden channels of which half are zero, half is the given network."""
    torch.manual_seed(5)
    arch, x = small_space.largest(), torch.randn(4, 1, 8, 8)
    network = build_network(small_space.lower(arch)).eval()
    block = dict(network.named_children())["block1_ffn"]
    for weight in (block.expand.weight, block.expand.bias, block.reduce.weight.T):
        weight[: len(weight) // 2] = 0
    (tmp_path / "arch.json").write_text(json.dumps(arch.to_json()))
    report = {"task": asdict(small_space.task), "blueprint": small_space.lower(arch).to_json()}
    (tmp_path / "report.json").write_text(json.dumps(report))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    space = load_space(f"prune:{tmp_path / 'arch.json'}")
    half = space.restrict(**{"block1_ffn.hidden": (len(block.expand.bias) // 2,)})
    for order, same in (("dimap", True), ("none", False)):
        settings = TrainSettings(steps=6, batch_size=16, threads=1, loggers=(), init=str(tmp_path), init_order=order)
        net = started(start_run(tmp_path / order, half, "digits", settings))
        off = (net(x, half.largest()) - network(x)).abs().max()
        assert (off < 1e-4) == same
    assert f"{ENERGY}.hidden" in read_json(RunFolder(tmp_path / "dimap").order_file)["sorted"]


def test_an_unknown_importance_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no importance named 'tailor'.*'taylor'"):
        TrainSettings(init_order="tailor")
