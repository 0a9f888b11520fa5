"""Choices of tokens in half precision: what counts as a flip, and what a format that has too many does."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.exporters import EXPORTERS, Exporter
from vitnas.deployment.exporters.exporter import Facts
from vitnas.deployment.flips import Flips, flips_in_half, refuse_flips
from vitnas.errors import ExportError
from vitnas.search_spaces import Blueprint, LayerSpec, Task
from vitnas.search_spaces.published.staged_vit import StagedViT
from vitnas.supernets.data import load_dataset
from vitnas.supernets.layers.reducing_attention import ReducingAttention
from vitnas.supernets.supernet import Supernet, build_network

HEADS = {"heads": 2, "head_width": 8}


def network(by: str, *left: int) -> nn.Sequential:
    """Layers that choose, one after the other, at first 16 patches and at last as many as these, with random weights."""
    torch.manual_seed(0)
    sizes = [1 + patches for patches in (16, *left)]
    specs = [
        LayerSpec.of("reducing_attention", (before, 16), (after, 16), by=by, **HEADS)
        for before, after in itertools.pairwise(sizes)
    ]
    found = build_network(Blueprint(tuple(f"block{i}_attention" for i in range(len(specs))), tuple(specs)))
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.normal_(0, 0.3)
    return found.eval()


def images(n: int = 20) -> Tensor:
    return torch.randn(n, 17, 16, generator=torch.Generator().manual_seed(1))


def test_nothing_is_said_where_nothing_is_chosen() -> None:
    assert flips_in_half(network("keep", 16), images()) is None


@pytest.mark.parametrize("by", ["keep", "merge"])
def test_choices_of_the_very_numbers_do_not_flip(by: str) -> None:
    """Where scores lie far apart, half precision sees the same."""
    layer = network(by, 8)
    x = torch.zeros(4, 17, 16)
    x[:, torch.arange(17), torch.arange(17) % 16] = torch.linspace(1, 4, 17)
    flips = flips_in_half(layer, x)
    assert flips is not None
    assert (flips.num_choices, flips.num_flipped) == (4, 0)


def test_a_choice_between_equals_is_a_flip_when_it_falls_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half precision stands in for anything that reverses the order of what is seen: then every choice flips."""
    layer = network("keep", 8, 4)
    members = ReducingAttention.members

    def reversed_in_half(self: ReducingAttention, x: Tensor) -> Tensor:
        found = members(self, x)
        return found if x.dtype == torch.float32 else torch.cat([found[:, :, :1], found[:, :, 1:].flip(-1)], dim=-1)

    assert (flips_in_half(layer, images(5)) or Flips(0, 1, 1)).share < 0.5
    monkeypatch.setattr(ReducingAttention, "members", reversed_in_half)
    flips = flips_in_half(layer, images(5))
    assert flips is not None
    assert (flips.num_images, flips.num_choices) == (5, 10)
    assert flips.num_flipped >= 9


def test_the_order_of_tokens_is_no_flip(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = network("keep", 8)
    members = ReducingAttention.members

    def other_order(self: ReducingAttention, x: Tensor) -> Tensor:
        found = members(self, x)
        return found if x.dtype == torch.float32 else found.flip(1)

    expected = flips_in_half(layer, images())
    monkeypatch.setattr(ReducingAttention, "members", other_order)
    assert flips_in_half(layer, images()) == expected


def test_choices_before_and_after_a_merging_of_windows_are_counted() -> None:
    """Which patch it was that a layer chose has no name behind one that makes others of them."""
    specs = [
        LayerSpec.of("reducing_attention", (17, 16), (9, 16), by="keep", **HEADS),
        LayerSpec.of("window_merging", (9, 16), (5, 16), columns=4, down=1, across=2),
        LayerSpec.of("reducing_attention", (5, 16), (4, 16), by="keep", **HEADS),
    ]
    torch.manual_seed(0)
    layers = build_network(Blueprint(("first", "between", "last"), tuple(specs))).eval()
    flips = flips_in_half(layers, images(5))
    assert flips is not None
    assert (flips.num_images, flips.num_choices) == (5, 10)


class Exact(Exporter):
    name = "exact"

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        raise AssertionError

    def run(self, path: Path, x: Tensor) -> Tensor:
        raise AssertionError


class InHalf(Exact):
    name = "in-half"
    most_flips: ClassVar[float | None] = 0.1


def test_a_format_in_half_precision_refuses_what_flips_too_often() -> None:
    few, many = Flips(32, 64, 6), Flips(32, 64, 7)
    refuse_flips(InHalf(), None, "arch x")
    refuse_flips(InHalf(), few, "arch x")
    refuse_flips(Exact(), many, "arch x")
    with pytest.raises(ExportError, match=r"arch x, format 'in-half': 10.9% of 64 choices .* limit of 10%.*'window'"):
        refuse_flips(InHalf(), many, "arch x")


class Module(Exporter):
    """The network itself, in a form that is refused where one choice of tokens flips."""

    name = "module"
    most_flips: ClassVar[float | None] = 0.0
    kept: ClassVar[list[nn.Module]] = []

    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        self.kept.append(network)
        (folder / "module").write_text("kept")
        return folder / "module"

    def run(self, path: Path, x: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = self.kept[-1](x)
        return found


@pytest.mark.heavy
def test_an_export_counts_flips_and_heeds_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EXPORTERS, "load", lambda name: Module)
    dataset = load_dataset("digits")
    task = Task(image_size=dataset.train.image_size, num_classes=10, in_channels=1)
    space = StagedViT(
        "few", task, width=(32,), depth=((1,),) * 3, heads=(2,), head_width=16, ratio=(1.0,), patch=dataset.train.image_size // 8,
        tokens=((0.5,), (0.25,)), grid=((1.0,), (0.25,)),
    )  # fmt: skip
    keep, plain = (
        next(arch for arch in space.decode(space.genome.enumerate()) if arch["reducer"] == reducer)
        for reducer in ("keep", "none")
    )
    net, settings = Supernet(space).eval(), ExportSettings(formats=("module",), measure=False, verify_images=8)
    assert export(space, net, plain, dataset, tmp_path / "plain", settings)["flips"] is None
    few = {"num_images": 8, "num_choices": 16, "num_flipped": 0}
    monkeypatch.setattr("vitnas.deployment.export.flips_in_half", lambda network, x: Flips(**few))
    assert export(space, net, keep, dataset, tmp_path / "keep", settings)["flips"] == few
    monkeypatch.undo()
    monkeypatch.setattr(EXPORTERS, "load", lambda name: Module)
    monkeypatch.setattr(ReducingAttention, "members", _of_noise)
    with pytest.raises(ExportError, match="format 'module': .* flip in half precision .* limit of 0%"):
        export(space, net, keep, dataset, tmp_path / "refused", settings)
    assert not (tmp_path / "refused").exists()


def _of_noise(self: ReducingAttention, x: Tensor) -> Tensor:
    """As if every choice fell by chance."""
    places = torch.rand(len(x), x.shape[1]).argsort(dim=1) % self.spec.out_shape[0]
    return (places.unsqueeze(1) == torch.arange(self.spec.out_shape[0])[:, None]).to(x.dtype)


def test_core_ml_has_a_limit_in_all_its_forms() -> None:
    for name in EXPORTERS.names():
        assert (EXPORTERS.load(name).most_flips is not None) == name.startswith("coreml")
