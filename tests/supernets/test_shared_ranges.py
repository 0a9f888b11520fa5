"""Shared ranges: they hold for every arch of the supernet, and stale or damaged ones are measured anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from vitnas.errors import ForeignFilesError
from vitnas.run import RunFolder
from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.compressed import compressed
from vitnas.search_spaces.covering import layers_in, layers_of
from vitnas.supernets.data import dataset_of
from vitnas.supernets.shared_ranges import (
    MOST_BESIDE,
    NUM_ARCHS,
    _some_archs,
    at_precisions,
    measure_ranges,
    ranges_of,
)
from vitnas.supernets.training.train import train
from vitnas.supernets.weights.checkpoints import load_supernet


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_run: Callable[..., RunFolder]) -> RunFolder:
    found = small_run(tmp_path_factory.mktemp("precision") / "run", steps=2)
    train(found, progress=False)
    return found


@pytest.fixture(scope="module")
def images(run):
    return dataset_of(run).train


def test_every_arch_finds_its_ranges(run, images):
    net = load_supernet(run)
    shared = measure_ranges(net, images)
    assert shared.num_images == 128
    for arch in run.space.decode(run.space.genome.sample(10, np.random.default_rng(0))):
        blueprint = run.space.lower(arch)
        found = shared.of(net.extract(arch), blueprint)
        assert found is not None
        assert {site for site, _ in found} == set(blueprint.sites)


def test_layers_that_few_archs_have_are_seen_too():
    """Of twenty mixers at each of twelve sites, eight archs have eight at most."""
    space = load_space("mixers", Task(32, 10, 3))
    archs = _some_archs(space, 0)
    seen = {layer for arch in archs for layer in layers_in(space, arch)}
    assert seen == layers_of(space)
    assert NUM_ARCHS < len(archs) <= NUM_ARCHS + MOST_BESIDE
    few = load_space("autoformer-mini", Task(8, 10, 1))
    assert len(_some_archs(few, 0)) == NUM_ARCHS


@torch.no_grad()
def test_what_was_not_seen_is_measured_on_the_network_itself(run, images):
    net, space = load_supernet(run), compressed(run.space, ("w8a8",), keep=())
    shared = measure_ranges(net, images)
    arch = space.compress(run.space.smallest(), "w8a8")
    network, x = net.extract(space.plain(arch)).eval(), images.all()[0][:8]
    own = at_precisions(network, space.lower(arch), images)(x)
    assert not torch.equal(at_precisions(network, space.lower(arch), images, shared)(x), own)
    less = type(shared)(dict(list(shared.seen.items())[1:]), shared.num_images)
    assert torch.equal(at_precisions(network, space.lower(arch), images, less)(x), own)


def test_a_file_is_read_again_and_measured_anew_when_it_is_stale(run, images):
    net, said = load_supernet(run), list[str]()
    first = ranges_of(run, net, images, said.append)
    second = ranges_of(run, net, images, said.append)
    assert said == [f"ranges of activations are those of {NUM_ARCHS} archs on 128 images: '{run.ranges_file}'"]
    assert list(first.seen) == list(second.seen)
    for place in first.seen:
        assert first.seen[place].ends(8) == second.seen[place].ends(8)
    ranges_of(run, net, images.only(np.arange(200)), said.append)
    assert len(said) == 2
    with torch.no_grad():
        next(net.parameters()).mul_(2)
    ranges_of(run, net, images, said.append)
    assert len(said) == 3
    run.ranges_file.write_bytes(run.ranges_file.read_bytes()[:-3] + b"abc")
    ranges_of(run, net, images, said.append)
    assert len(said) == 4


def test_a_file_of_somebody_else_stays(run, images):
    run.ranges_file.write_text("mine")
    with pytest.raises(ForeignFilesError, match="record of ranges that vitnas wrote"):
        ranges_of(run, load_supernet(run), images, str)
    assert Path(run.ranges_file).read_text() == "mine"
    run.ranges_file.unlink()
