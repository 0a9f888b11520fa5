"""Heads of exits learn on blocks that stay as they are, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vitnas.api.cascades.exits import add_exits
from vitnas.errors import CheckpointError
from vitnas.run import RunFolder
from vitnas.search_spaces import Exits
from vitnas.search_spaces.cascades.prefixes import prefixes
from vitnas.supernets.cascades.exit_training import supernet_with_exits
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.settings.exits import ExitSettings
from vitnas.supernets.weights.checkpoints import load_supernet


def test_only_heads_of_exits_have_changed(trained: RunFolder, exiting: RunFolder) -> None:
    before, after = load_supernet(trained).state_dict(), load_supernet(exiting).state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {name.split(".")[1] for name in after.keys() - before.keys()} == {"exit1-classifier", "exit1-local_exit"}
    assert after.keys() > before.keys()


def test_a_plain_head_begins_as_that_of_the_deepest_archs(trained: RunFolder, exiting: RunFolder) -> None:
    assert isinstance(exiting.space, Exits)
    net = supernet_with_exits(exiting.space, load_supernet(trained), seed=3)
    head, exit1 = net.layers["head-classifier"].state_dict(), net.layers["exit1-classifier"].state_dict()
    assert all(torch.equal(exit1[name], tensor) for name, tensor in head.items())


def test_trained_heads_know_more_than_fresh_ones(trained: RunFolder, exiting: RunFolder) -> None:
    space, dataset = exiting.space, dataset_of(exiting)
    assert isinstance(space, Exits)
    fresh, learned = supernet_with_exits(space, load_supernet(trained), seed=0), load_supernet(exiting)
    for arch in prefixes(space, space.largest()):
        before, after = (evaluate_arch(net, arch, dataset).loss for net in (fresh, learned))
        assert after < 0.98 * before, arch


def test_a_run_with_exits_is_a_run(exiting: RunFolder) -> None:
    opened = RunFolder.open(exiting.path)
    assert opened.space.name == "exits:1,plain+local:autoformer-mini"
    assert opened.space.fingerprint == exiting.space.fingerprint
    assert opened.config["exits"]["at"] == [1]


def test_a_folder_with_a_run_is_refused(trained: RunFolder, exiting: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="already holds a run"):
        add_exits(trained, exiting.path, ExitSettings(at=(1,)))
