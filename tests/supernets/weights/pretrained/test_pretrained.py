"""What loading refuses; needs no timm, for a state dict is only names and tensors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vitnas.errors import CheckpointError
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.supernets.weights.pretrained import FAMILIES, network_from_timm
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def _deit(depth: int, num_classes: int = 10) -> dict[str, Tensor]:
    """Names and shapes as in timm's vision_transformer.py, of width 192 on images of side 32."""
    width, hidden = 192, 384
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, 5, width),
        "patch_embed.proj.weight": (width, 3, 16, 16),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        "head.weight": (num_classes, width),
        "head.bias": (num_classes,),
    }
    for i in range(depth):
        for name, (rows, columns) in {
            "attn.qkv": (3 * width, width),
            "attn.proj": (width, width),
            "mlp.fc1": (hidden, width),
            "mlp.fc2": (width, hidden),
        }.items():
            shapes |= {f"blocks.{i}.{name}.weight": (rows, columns), f"blocks.{i}.{name}.bias": (rows,)}
        for name in ("norm1", "norm2"):
            shapes |= {f"blocks.{i}.{name}.weight": (width,), f"blocks.{i}.{name}.bias": (width,)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


@pytest.fixture
def space() -> SearchSpace:
    return load_space("deit", Task(32, 10))


@pytest.fixture
def arch(space: SearchSpace) -> Arch:
    return space.arch(width=192, depth=6, mlp_ratio=(2.0,) * 6, heads=(3,) * 6)


def test_weights_land_where_their_roles_say(space: SearchSpace, arch: Arch) -> None:
    state = _deit(6)
    network = network_from_timm(space, arch, state)
    fused = state["blocks.2.attn.qkv.weight"]
    torch.testing.assert_close(
        network.block2_attention.qkv_weight[1, 2], fused[192 + 128 : 192 + 192]
    )  # key, third head
    torch.testing.assert_close(network.stem.position[1, 0], state["pos_embed"][0, 3])


def test_a_missing_tensor_is_named(space: SearchSpace, arch: Arch) -> None:
    with pytest.raises(CheckpointError, match=r"have no 'blocks\.5\.norm1\.weight'.*another architecture"):
        network_from_timm(space, arch, _deit(5))


def test_tensors_left_over_are_named(space: SearchSpace, arch: Arch) -> None:
    with pytest.raises(
        CheckpointError, match=r"12 tensors that the architecture has no place for, such as 'blocks\.6\."
    ):
        network_from_timm(space, arch, _deit(7))


def test_another_number_of_classes_is_refused_with_both_shapes(space: SearchSpace, arch: Arch) -> None:
    with pytest.raises(CheckpointError, match=r"'head'.*'linear\.weight' has shape \(21, 192\).*needs \(10, 192\)"):
        network_from_timm(space, arch, _deit(6, num_classes=21))


def test_nothing_is_written_when_something_does_not_fit(space: SearchSpace, arch: Arch) -> None:
    from vitnas.supernets.supernet import Supernet
    from vitnas.supernets.weights.pretrained import load_timm

    supernet = Supernet(space.restrict(width=(192,), heads=(3,), mlp_ratio=(2.0,), depth=(6,)))
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    with pytest.raises(CheckpointError):
        load_timm(supernet, arch, _deit(6, num_classes=21))
    assert supernet.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_a_space_without_rules_says_which_have_some() -> None:
    space = load_space("vitres")
    with pytest.raises(CheckpointError, match="'vitres' has no rules .*deit"):
        network_from_timm(space, space.smallest(), {})


def test_every_family_with_rules_is_a_space() -> None:
    for name in FAMILIES:
        assert load_space(name).published()


def test_indices_that_follow_from_the_shape_are_passed_over() -> None:
    weights = TimmWeights({"a.weight": torch.zeros(1), "a.attention_bias_idxs": torch.zeros(1)})
    assert weights.modules({"": "a"}).keys() == {".weight"}
    weights.require_all_read()
