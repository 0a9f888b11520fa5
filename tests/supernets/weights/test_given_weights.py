"""A given network keeps its answers when its weights go into the supernet of its pruned space."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.supernets.weights.test_initial_weights import hugging_face_state
from tests.timm_import import import_timm
from vitnas.errors import CheckpointError
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Pruned, SearchSpace, Task, load_space
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet, build_network
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.weights.checkpoints import TrainingProgress, load_supernet, save_checkpoint
from vitnas.supernets.weights.given_weights import given_network, take_given
from vitnas.supernets.weights.initial_weights import initialise
from vitnas.supernets.weights.pretrained import network_from_timm
from vitnas.supernets.weights.sources import TimmState

TASK = Task(32, 10)
FAMILIES = {
    "deit_tiny_patch16_224": ("deit", "DeiT-Ti"),
    "efficientformerv2_s0": ("efficientformerv2", "EfficientFormerV2-S0"),
    "tiny_vit_5m_224": ("tinyvit", "TinyViT-5M"),
    "pvt_v2_b0": ("pvtv2", "PVTv2-B0"),
    "convnext_atto": ("convnext", "ConvNeXt-Atto"),
    "efficientformer_l1": ("efficientformer", "EfficientFormer-L1"),
    "swin_tiny_patch4_window7_224": ("swin", "Swin-T"),
    "nextvit_small": ("nextvit", "Next-ViT-S"),
}
QUICK = ("deit_tiny_patch16_224",)


def space_of(name: str, task: Task | None = None) -> Pruned:
    space = load_space(name, task)
    assert isinstance(space, Pruned)
    return space


def lively(model: nn.Module) -> nn.Module:
    """Every weight random, and activations of order one."""
    torch.manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5)
            elif name.endswith("bias"):
                parameter.normal_(0, 0.05)
            else:
                parameter.uniform_(0.2, 0.6)
    return model.eval()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.heavy if n in QUICK else pytest.mark.slow) for n in FAMILIES]
)
@torch.no_grad()
def test_the_full_choice_is_the_given_network_to_the_bit_and_timms_by_parity(name: str) -> None:
    family, label = FAMILIES[name]
    model = lively(import_timm().create_model(name, num_classes=10))
    space = space_of(f"prune:timm:{name}", Task(224, 10))
    base = load_space(family, Task(224, 10))
    ours = network_from_timm(base, base.named(label), model.state_dict()).eval()
    net = Supernet(space).eval()
    take_given(net, given_network(space, TimmState(model.state_dict())), name)
    x = torch.randn(1, 3, 224, 224)
    found, full = net(x, space.largest()), ours(x)
    if family == "deit":  # two products instead of one: equal where the library sums a row in one order
        torch.testing.assert_close(found, full, rtol=0, atol=1e-6)
    else:
        assert torch.equal(found, full)
    assert torch.equal(net.extract(space.largest()).eval()(x), found)
    expected = model(x)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


# -- a small ViT, from everywhere ------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> nn.Module:
    """A DeiT-Ti of timm for small images."""
    made: nn.Module = import_timm().create_model("deit_tiny_patch16_224", img_size=32, num_classes=10)
    return lively(made)


@pytest.fixture(scope="module")
def space() -> Pruned:
    return space_of("prune:timm:deit_tiny_patch16_224", TASK)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_files_of_safetensors_torch_and_hugging_face_give_the_same(
    tmp_path: Path, model: nn.Module, space: Pruned, x: Tensor
) -> None:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(state, tmp_path / "m.safetensors")
    torch.save(state, tmp_path / "m.pth")
    torch.save({"model": {f"module.{name}": t for name, t in state.items()}, "epoch": 3}, tmp_path / "training.pt")
    (tmp_path / "hf").mkdir()
    save_file(hugging_face_state(state), tmp_path / "hf" / "model.safetensors")
    (tmp_path / "hf" / "config.json").write_text(json.dumps({"hidden_size": 192, "num_attention_heads": 3}))
    for source in ("timm:deit_tiny_patch16_224@{}/m.safetensors", "{}/m.pth", "{}/training.pt", "{}/hf"):
        net = Supernet(space, seed=4).eval()
        told = initialise(net, source.format(tmp_path))
        assert "the network that space 'prune:timm:deit_tiny_patch16_224' was made of" in told
        assert "head" not in told
        torch.testing.assert_close(net(x, space.largest()), model(x), rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", ["deit/DeiT-Ti", "timm:deit_tiny_patch16_224", "timm:vit_tiny_patch16_224"])
def test_at_full_rank_it_is_the_given_network(name: str, model: nn.Module, x: Tensor) -> None:
    low, plain = space_of(f"prune+rank:{name}", TASK), space_of(f"prune:{name}", TASK)
    expected = given_network(plain, TimmState(model.state_dict())).network
    net = Supernet(low, seed=2).eval()
    take_given(net, given_network(low, TimmState(model.state_dict())), "model")
    torch.testing.assert_close(net(x, low.largest()), expected(x), rtol=0, atol=1e-6)
    weight = net.layers["block3_ffn-low_rank_feed_forward"].expand.product()[0]
    assert torch.equal(weight, model.state_dict()["blocks.3.mlp.fc1.weight"])


@torch.no_grad()
def test_the_space_of_low_ranks_takes_it_too(tmp_path: Path, model: nn.Module, x: Tensor) -> None:
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    space = load_space("low-rank-vit", TASK).restrict(width=(192,), heads=(3,))
    net = Supernet(space, seed=4).eval()
    told = initialise(net, str(tmp_path / "m.safetensors"))
    assert "arch DeiT-Ti of space 'low-rank-vit'" in told
    torch.testing.assert_close(net(x, space.named("DeiT-Ti")), model(x), rtol=0, atol=1e-4)
    with pytest.raises(CheckpointError, match=r"'qkv.down' has shape \(192, 192\), in the space \(96, 192\)"):
        initialise(Supernet(space.restrict(rank=(0.5,))), str(tmp_path / "m.safetensors"))


@torch.no_grad()
def test_a_restricted_space_takes_what_it_keeps(model: nn.Module, space: Pruned, x: Tensor) -> None:
    given = given_network(space, TimmState(model.state_dict()))
    whole, part = (
        Supernet(space).eval(),
        space.restrict(**{"block3_ffn.hidden": (0, 96, 384), "block1_attention.heads": (2,)}),
    )
    take_given(whole, given, "model")
    net = Supernet(part).eval()
    take_given(net, given, "model")
    for arch in (part.largest(), *part.sample(2, np.random.default_rng(0))):
        torch.testing.assert_close(net(x, arch), whole(x, arch))


@torch.no_grad()
def test_other_classes_keep_the_head_as_the_supernet_drew_it(model: nn.Module, x: Tensor) -> None:
    space = space_of("prune:timm:deit_tiny_patch16_224", Task(32, 4))
    net = Supernet(space, seed=8).eval()
    before = {n: t.clone() for n, t in net.state_dict().items() if "linear" in n and "head" in n}
    told = take_given(net, given_network(space, TimmState(model.state_dict())), "model")
    assert "its classes are others, so the head is new" in told
    assert before
    assert all(torch.equal(net.state_dict()[n], t) for n, t in before.items())
    norm = net.state_dict()["layers.head-classifier.norm.weight"]
    assert torch.equal(norm, model.state_dict()["norm.weight"])


def test_positions_of_other_images_are_resampled_and_it_is_said(model: nn.Module) -> None:
    space = space_of("prune:timm:deit_tiny_patch16_224", Task(64, 10))
    told = take_given(Supernet(space), given_network(space, TimmState(model.state_dict())), "model")
    assert "its 2 x 2 positions were resampled to these images" in told


def test_a_torch_file_of_more_than_tensors_is_refused(tmp_path: Path, space: Pruned, model: nn.Module) -> None:
    torch.save(model, tmp_path / "whole.pth")
    with pytest.raises(CheckpointError, match=r"only plain tensors are taken, so save model\.state_dict\(\)"):
        initialise(Supernet(space), str(tmp_path / "whole.pth"))
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="holds no table of tensors"):
        initialise(Supernet(space), str(tmp_path / "none.pth"))


def test_another_network_changes_nothing(space: Pruned) -> None:
    other = import_timm().create_model("deit_tiny_patch16_224", img_size=32, depth=3, num_classes=10)
    net = Supernet(space)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(CheckpointError, match="have no 'blocks.3"):
        take_given(net, given_network(space, TimmState(other.state_dict())), "other")
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


# -- runs and exports ------------------------------------------------------------------------


@pytest.fixture
def donor(tmp_path: Path, small_run: Callable[..., RunFolder]) -> RunFolder:
    run = small_run(tmp_path / "donor")
    net = Supernet(run.space, seed=9)
    save_checkpoint(run, net, make_optimizer(net, TrainSettings()), TrainingProgress(1))
    return run


def arch_file(folder: Path, arch: Arch) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "arch.json").write_text(json.dumps(arch.to_json()))
    return folder / "arch.json"


@torch.no_grad()
def test_an_arch_of_a_run_is_taken_from_the_weights_of_the_run(donor: RunFolder) -> None:
    arch = donor.space.smallest()
    file = arch_file(donor.path / "search-cpu", arch)
    space = space_of(f"prune:{file}")
    expected, x = load_supernet(donor).extract(arch), torch.randn(2, 1, 8, 8)
    for source in (donor.path, donor.checkpoints / "step-00000001", file):
        net = Supernet(space, seed=2).eval()
        initialise(net, str(source))
        assert torch.equal(net(x, space.largest()), expected(x))


@torch.no_grad()
def test_a_run_of_a_pruned_space_gives_the_next_round_its_weights(donor: RunFolder, tmp_path: Path) -> None:
    """Prune, train, prune again: each space is made of an arch of the one before."""
    first = space_of(f"prune:{arch_file(donor.path / 'search-cpu', donor.space.largest())}")
    run = RunFolder.create(tmp_path / "first", first, {})
    net = Supernet(first, seed=1)
    initialise(net, str(donor.path))
    save_checkpoint(run, net, make_optimizer(net, TrainSettings()), TrainingProgress(1))
    arch = first.sample(1, np.random.default_rng(3))[0]
    second = space_of(f"prune:{arch_file(run.path / 'front', arch)}")
    again, x = Supernet(second, seed=2).eval(), torch.randn(2, 1, 8, 8)
    initialise(again, str(run.path))
    assert torch.equal(again(x, second.largest()), net.eval()(x, arch))
    same = Supernet(RunFolder.open(run.path).space, seed=3).eval()
    assert "took the shared weights of run" in initialise(same, str(run.path))


def test_a_run_of_another_space_is_refused(donor: RunFolder, space: Pruned, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="it is a run of space 'autoformer-mini', of which the network"):
        initialise(Supernet(space), str(donor.path))
    largest = space_of(f"prune:{arch_file(donor.path / 'a', donor.space.largest())}")
    smallest = arch_file(donor.path / "b", donor.space.smallest())
    with pytest.raises(CheckpointError, match="of the run is not the network that space"):
        initialise(Supernet(largest), str(smallest))


@torch.no_grad()
def test_an_export_gives_its_layers_and_its_weights(tmp_path: Path, small_space: SearchSpace) -> None:
    arch, x = small_space.smallest(), torch.randn(2, 1, 8, 8)
    network = build_network(small_space.lower(arch)).eval()
    file = arch_file(tmp_path, arch)
    report = {"task": asdict(small_space.task), "blueprint": small_space.lower(arch).to_json()}
    (tmp_path / "report.json").write_text(json.dumps(report))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    space = space_of(f"prune:{file}")
    for source in (tmp_path, file, tmp_path / "weights.safetensors"):
        net = Supernet(space, seed=3).eval()
        initialise(net, str(source))
        assert torch.equal(net(x, space.largest()), network(x))
