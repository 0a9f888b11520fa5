"""Registers and tokens of every channel as genes of plain ViTs: counts, sharing, training, export, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from vitnas.errors import SpaceError
from vitnas.latency_lut.runtimes.onnx import open_session, to_onnx
from vitnas.search_spaces import Arch, LayerSpec, Task, load_space
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.supernets.counting.counts import count
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.supernet import Supernet

BOTH: dict[str, Any] = {"registers": (0, 4), "per_channel": (False, True)}
RGB = Task(image_size=8, num_classes=10, in_channels=3)


def small(task: Task = RGB, **more: Any) -> PlainViT:
    return PlainViT(
        "small",
        task,
        width=(16, 24),
        depth=(1, 2),
        heads=(1, 2),
        mlp_ratio=(2.0,),
        patch=4,
        head_width=8,
        **{"pool": "mean", **more},
    )


def one_size(width: int, **more: Any) -> PlainViT:
    """DeiT's blocks at 224 px, one width."""
    return PlainViT("one", Task(), width=(width,), depth=(12,), heads=(width // 64,), mlp_ratio=(4.0,), **more)


def test_registers_cost_what_they_are_and_a_token_each_in_every_block() -> None:
    space = one_size(192, registers=(0, 4))
    without, with_them = (count(space.lower(arch)) for arch in (space.smallest(), space.largest()))
    # ViT-Ti of timm with reg_tokens=4, no_embed_class=True: no positions for registers.
    assert without.num_params == 5_717_416
    assert with_them.num_params == 5_717_416 + 4 * 192
    assert (without.macs, with_them.macs) == (1_253_683_200, 1_282_252_800)


@pytest.mark.parametrize(("width", "without_head"), [(192, 5_426_688), (384, 21_470_208)])
def test_tokens_of_every_channel_have_the_parameters_of_channelvit(width: int, without_head: int) -> None:
    space = one_size(width, per_channel=(True,))
    found = count(space.lower(space.largest()))
    assert found.num_params == without_head + 1000 * width + 1000
    tokens = 3 * 196 + 1
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    assert found.macs == 3 * 196 * 256 * width + 12 * block + 1000 * width


def test_spaces_without_them_are_what_they_were() -> None:
    plain, off = small(), small(registers=(0,), per_channel=(False,))
    assert plain.fingerprint == off.fingerprint
    assert [gene.name for gene in plain.genes()] == ["width", "depth", "mlp_ratio", "heads"]
    for name in ("deit", "autoformer-mini"):
        space = load_space(name)
        assert {"registers", "per_channel"}.isdisjoint({column.gene for column in space.columns})
        for specs in space.lowering.specs_at().values():
            assert all("registers" not in dict(spec.attrs) for spec in specs)


def test_every_combination_is_a_chain_with_its_own_number_of_tokens() -> None:
    space = small(**BOTH)
    seen = set()
    for arch in space.sample(60, np.random.default_rng(0)):
        blueprint = space.lower(arch)  # checks that shapes chain
        genes = dict(arch.genes)
        tokens = 1 + genes["registers"] + 4 * (3 if genes["per_channel"] else 1)
        assert {spec.in_shape[0] for spec in list(blueprint)[1:]} == {tokens}
        assert blueprint.layers[0].kind == ("channel_embedding" if genes["per_channel"] else "patch_embedding")
        seen.add(tokens)
    assert seen == {5, 9, 13, 17}


def test_populations_are_counted_as_single_archs_are() -> None:
    space = small(**BOTH)
    codes = space.genome.sample(20, np.random.default_rng(0))
    found = PopulationCounter(space)(codes)
    for i, arch in enumerate(space.decode(codes)):
        assert found.num_params[i] == count(space.lower(arch)).num_params
        assert found.macs[i] == count(space.lower(arch)).macs


def _corners(space: PlainViT) -> list[Arch]:
    return [space.smallest(), *space.sample(6, np.random.default_rng(1)), space.largest()]


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_the_supernet_shares_weights_over_all_of_them(pool: str) -> None:
    space = small(**BOTH, pool=pool)
    net = Supernet(space, seed=0).eval()
    x = torch.randn(2, 3, 8, 8)
    for arch in _corners(space):
        torch.testing.assert_close(net.extract(arch)(x), net(x, arch), rtol=1e-5, atol=1e-5)


def test_a_training_step_reaches_registers_and_channels() -> None:
    space = small(**BOTH)
    net = Supernet(space, seed=0).train()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    arch = space.largest()
    x, y = torch.randn(8, 3, 8, 8), torch.randint(10, (8,))
    loss = nn.functional.cross_entropy(net(x, arch), y)
    loss.backward()
    reached = {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}
    assert any(name.endswith("registers") for name in reached)
    assert any(name.endswith("channel") for name in reached)
    optimiser.step()
    assert nn.functional.cross_entropy(net(x, arch), y) < loss


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_network_with_them_exports_at_any_batch_size(per_channel: bool, tmp_path: Path) -> None:
    space = small(**BOTH)
    genes = {**dict(space.largest().genes), "per_channel": per_channel}
    network = Supernet(space, seed=0).extract(space.arch(**genes)).eval()
    to_onnx(network, torch.zeros(1, 3, 8, 8), tmp_path / "net.onnx", dynamic_batch=True)
    session = open_session(tmp_path / "net.onnx", threads=1)
    for batch in (1, 3):
        x = torch.randn(batch, 3, 8, 8)
        (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), network(x).detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("more", [{"registers": (0, 4)}, {"per_channel": (True,)}])
def test_relative_positions_beside_them_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(SpaceError, match=rf"relative_reach 2.*{next(iter(more))}.*set relative_reach to 0"):
        small(relative_reach=2, **more).lowering  # noqa: B018


def test_odd_registers_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"registers must be whole numbers from 0 on, got \[-1\]"):
        small(registers=(-1,)).lowering  # noqa: B018


def test_a_restricted_space_has_the_same_layers() -> None:
    space = small(**BOTH)
    few = space.restrict(registers=(4,), per_channel=(True,))
    assert set(few.lowering.specs) <= set(space.lowering.specs)
    assert isinstance(few.lower(few.largest()).layers[0], LayerSpec)
    assert replace(space, registers=(0,)).fingerprint != space.fingerprint
