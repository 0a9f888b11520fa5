"""What every search space promises; runs over the table of spaces, so a new one needs no new test."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch

from tests.contracts.layer_examples import small_space
from tests.fast import fast_only
from vitnas.search_spaces import SPACES, Arch, SearchSpace, Task, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.supernet import Supernet

PRUNED = (
    "prune:deit/DeiT-Ti",
    "prune+rank:deit/DeiT-Ti",
    "prune+width:deit/DeiT-Ti",
    "prune:efficientformerv2/EfficientFormerV2-S0",
    "prune:nextvit/Next-ViT-S",
    "prune:swin/Swin-T",
    "prune:timm:vit_small_patch16_siglip_224",
)
"""Spaces of given networks, which are under no names of the table."""
NAMES = [*SPACES.names(), *PRUNED]
FAST = ("prune:deit/DeiT-Ti", "autoformer-mini", "matformer-tiny", "tinyvit", "efficientformerv2")
each_space = pytest.mark.parametrize("name", NAMES)
each_space_few_fast = pytest.mark.parametrize("name", fast_only(NAMES, FAST))


@lru_cache
def _space(name: str) -> SearchSpace:
    return load_space(name)


@each_space
def test_it_is_known_by_the_name_in_the_table(name: str) -> None:
    assert _space(name).name == name
    assert load_space(name, Task(image_size=64, num_classes=7)).task.num_classes == 7
    assert type(_space(name)).__doc__


@each_space
def test_sampled_archs_lower_to_chains_from_image_to_logits(name: str) -> None:
    space = _space(name)
    task = space.task
    codes = np.concatenate(
        [space.genome.sample(50, np.random.default_rng(0)), space.genome.sample_evenly(50, np.random.default_rng(0))]
    )
    for arch in [space.smallest(), space.largest(), *space.decode(codes)]:
        blueprint = space.lower(arch)  # a blueprint refuses neighbours that do not fit
        channels, height, breadth = blueprint.in_shape  # a space may choose a smaller resolution by a gene
        assert channels == task.in_channels
        assert height == breadth <= task.image_size
        assert blueprint.out_shape == (task.num_classes,)
        assert len(set(blueprint.sites)) == len(blueprint)


@each_space
def test_archs_encode_and_decode_to_themselves(name: str) -> None:
    space = _space(name)
    codes = space.genome.sample(100, np.random.default_rng(1))
    archs = space.decode(codes)
    np.testing.assert_array_equal(space.encode(archs), codes)
    assert all(space.why_invalid(arch) is None for arch in archs)
    assert [space.check(Arch.from_json(arch.to_json())) for arch in archs] == archs


@pytest.mark.heavy
@each_space
def test_an_arch_alone_is_a_space_of_one_network(name: str) -> None:
    space = _space(name)
    for arch in [space.smallest(), *space.sample(2, np.random.default_rng(2))]:
        alone = space.alone(arch)
        assert alone.genome.enumerate().shape[0] == alone.genome.size() == 1
        assert alone.smallest() == alone.largest() == arch
        assert alone.lower(arch) == space.lower(arch)
        assert {site: spec for site, specs in alone.lowering.specs_at().items() for spec in specs} == dict(
            space.lower(arch).items()
        )
        assert alone.fingerprint != space.fingerprint
    with torch.device("meta"):
        net = Supernet(alone)
    assert sum(p.numel() for p in net.parameters()) == count(space.lower(arch)).num_params


@each_space_few_fast
def test_the_smallest_is_the_least_and_the_largest_the_most(name: str) -> None:
    space = _space(name)
    least, most = count(space.lower(space.smallest())), count(space.lower(space.largest()))
    for arch in space.sample(5, np.random.default_rng(2)):
        found = count(space.lower(arch))
        assert least.num_params <= found.num_params <= most.num_params
        assert least.macs <= found.macs <= most.macs


@each_space_few_fast
def test_published_archs_have_their_published_counts(name: str) -> None:
    space = _space(name)
    for label, published in space.published().items():
        arch = space.named(label)
        found = count(space.lower(arch))
        assert found.num_params == published.num_params, label
        assert found.macs == pytest.approx(published.macs, rel=1e-3), label


@each_space
def test_choices_stand_from_the_least_to_the_most_costly(name: str) -> None:
    """Searchers and sandwich training take the first choice for the smallest and the last for the largest."""
    for gene in _space(name).all_genes:
        numbers = [c for c in gene.choices if isinstance(c, int | float)]
        assert numbers == sorted(numbers), gene.name


@pytest.mark.heavy
@each_space
def test_the_fingerprint_follows_the_task_and_is_the_same_each_time(name: str) -> None:
    space = _space(name)
    other = load_space(name, Task(space.task.image_size, space.task.num_classes + 1, space.task.in_channels))
    assert load_space(name).fingerprint == space.fingerprint != other.fingerprint


@pytest.mark.heavy
@each_space_few_fast
def test_the_supernet_at_an_arch_equals_the_network_cut_from_it(name: str) -> None:
    space = small_space(name)
    net = Supernet(space).eval()
    with torch.no_grad():
        for arch in (space.smallest(), space.sample(1, np.random.default_rng(3))[0], space.largest()):
            plain = net.extract(arch)
            x = torch.randn(1, *space.lower(arch).in_shape)
            torch.testing.assert_close(plain(x), net(x, arch), rtol=1e-4, atol=1e-5)
            assert sum(p.numel() for p in plain.parameters()) == count(space.lower(arch)).num_params
