"""Where the first weights come from, and that a network taken over answers as it did."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.timm_import import import_timm
from vitnas.errors import CheckpointError, InvalidArchError
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, Task, load_space
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet, build_network
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.weights.checkpoints import TrainingProgress, load_supernet, save_checkpoint
from vitnas.supernets.weights.initial_weights import initialise
from vitnas.supernets.weights.pretrained.hugging_face import to_timm

WIDTH, DEPTH, HIDDEN = 192, 8, 576
GENES = {"width": WIDTH, "depth": DEPTH, "mlp_ratio": (3.0,) * DEPTH, "heads": (3,) * DEPTH}


def deit(classes: int = 10) -> SearchSpace:
    """DeiT's space for images of side 32, without its largest networks."""
    return load_space("deit", Task(32, classes)).restrict(width=(192, 384), heads=(3, 6), depth=(6, 8, 10))


def timm_model(classes: int, depth: int = DEPTH, side: int = 32) -> nn.Module:
    transformer = import_timm().models.vision_transformer.VisionTransformer
    torch.manual_seed(5)
    model: nn.Module = transformer(side, 16, 3, classes, embed_dim=WIDTH, depth=depth, num_heads=3, mlp_ratio=3.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def logits_of(model: nn.Module, x: Tensor, head: nn.Linear) -> Tensor:
    """What the model answers with another last layer."""
    features: Tensor = model.forward_head(model.forward_features(x), pre_logits=True)  # type: ignore[operator]
    return head(features)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(timm_model(10).state_dict(), path)
    return path


@torch.no_grad()
def test_a_timm_network_in_a_supernet_answers_as_timm(file: Path) -> None:
    net, model, x = Supernet(deit()), timm_model(10), torch.randn(2, 3, 32, 32)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    arch = net.space.arch(**GENES)
    told = initialise(net, f"timm:some_vit@{file}")
    assert arch.id in told
    assert "head" not in told
    expected = model(x)
    assert expected.std() > 0.05
    torch.testing.assert_close(net.eval()(x, arch), expected, rtol=0, atol=1e-4)
    for name, tensor in net.state_dict().items():  # what the network does not have is as it was
        if "block8" in name or "block9" in name:
            assert torch.equal(tensor, before[name])
    ffn = "layers.block0_ffn-feed_forward.expand.weight"
    assert torch.equal(net.state_dict()[ffn][HIDDEN:], before[ffn][HIDDEN:])


@torch.no_grad()
def test_other_classes_get_a_new_head_and_the_body_stays_timms(file: Path) -> None:
    net, model, x = Supernet(deit(classes=7)), timm_model(10), torch.randn(2, 3, 32, 32)
    fresh = {name: t.clone() for name, t in net.state_dict().items() if "head-classifier.linear" in name}
    assert "10 classes are others, so the head is new" in initialise(net, str(file))
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in fresh.items())
    arch = net.space.arch(**GENES)
    head = nn.Linear(WIDTH, 7)
    head.weight.copy_(fresh["layers.head-classifier.linear.weight"][:, :WIDTH])
    head.bias.copy_(fresh["layers.head-classifier.linear.bias"])
    torch.testing.assert_close(net.eval()(x, arch), logits_of(model, x, head), rtol=0, atol=1e-4)


def test_a_published_arch_is_called_by_its_name(tmp_path: Path) -> None:
    import_timm()
    from timm.models import create_model

    model = create_model("deit_tiny_patch16_224", num_classes=5)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    space = load_space("matformer-tiny", Task(num_classes=3))
    told = initialise(Supernet(space), str(tmp_path / "weights.safetensors"))
    assert "arch MatViT-Ti 768 of space 'matformer-tiny'; its 5 classes are others" in told


@pytest.mark.parametrize(
    ("depth", "side", "why"),
    [
        (7, 32, ".* no arch has just these, no fewer and no more"),
        (12, 32, ".* no arch has just these, no fewer and no more"),
        (8, 48, r"site 'stem': 'position' has shape \(3, 3, 192\), in the space \(2, 2, 192\)"),
    ],
)
@pytest.mark.heavy
def test_a_network_outside_the_space_is_refused_with_what_differs(
    tmp_path: Path, depth: int, side: int, why: str
) -> None:
    save_file(timm_model(10, depth, side).state_dict(), tmp_path / "m.safetensors")
    net = Supernet(deit())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"does not lie in space 'deit': {why}"):
        initialise(net, str(tmp_path / "m.safetensors"))
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_relative_positions_that_the_weights_lack_are_named(file: Path) -> None:
    space = load_space("autoformer-tiny", Task(32, 10))
    with pytest.raises(CheckpointError, match=r"site 'block0_attention': the space has 'relative', the weights do not"):
        initialise(Supernet(space.restrict(width=(192,), heads=(3,), depth=(12,), mlp_ratio=(3.0,))), str(file))


def hugging_face_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's tensors under the names that transformers' ViTForImageClassification has."""
    found = {}
    names = {"norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense"}
    names |= {"mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
    for name, tensor in state.items():
        if name.startswith("blocks."):
            _, block, rest = name.split(".", 2)
            module, leaf = rest.rsplit(".", 1)
            prefix = f"vit.encoder.layer.{block}"
            if module == "attn.qkv":
                for role, part in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                    found[f"{prefix}.attention.attention.{role}.{leaf}"] = part.clone()
            else:
                found[f"{prefix}.{names[module]}.{leaf}"] = tensor
    top = {"cls_token": "vit.embeddings.cls_token", "pos_embed": "vit.embeddings.position_embeddings"}
    top |= {f"patch_embed.proj.{p}": f"vit.embeddings.patch_embeddings.projection.{p}" for p in ("weight", "bias")}
    top |= {f"norm.{p}": f"vit.layernorm.{p}" for p in ("weight", "bias")}
    top |= {f"head.{p}": f"classifier.{p}" for p in ("weight", "bias")}
    return found | {theirs: state[ours] for ours, theirs in top.items()}


@torch.no_grad()
def test_a_hugging_face_folder_answers_the_same(tmp_path: Path) -> None:
    model = timm_model(10)
    state = hugging_face_state(dict(model.state_dict()))
    assert to_timm(state).keys() == model.state_dict().keys()
    save_file(state, tmp_path / "model.safetensors")
    config = {"hidden_size": WIDTH, "num_attention_heads": 3, "hidden_act": "gelu", "qkv_bias": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    net, x = Supernet(deit()), torch.randn(2, 3, 32, 32)
    initialise(net, str(tmp_path))
    torch.testing.assert_close(net.eval()(x, net.space.arch(**GENES)), model(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"hidden_act": "gelu_new"}, "hidden_act = 'gelu_new'"),
        ({"hidden_size": 192, "num_attention_heads": 12}, "192 channels into 12 heads, the space into heads of 64"),
    ],
)
def test_a_hugging_face_model_that_computes_otherwise_is_refused(
    tmp_path: Path, config: dict[str, object], why: str
) -> None:
    save_file(hugging_face_state(dict(timm_model(10).state_dict())), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=why):
        initialise(Supernet(deit()), str(tmp_path))


def test_a_distillation_token_is_refused_by_its_name(tmp_path: Path) -> None:
    state = hugging_face_state(dict(timm_model(10).state_dict()))
    save_file(state | {"vit.embeddings.distillation_token": torch.zeros(1, 1, WIDTH)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="has a distillation token, which no network of space 'deit' reads"):
        initialise(Supernet(deit()), str(tmp_path))


def test_an_odd_tensor_of_hugging_face_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"'vit\.encoder\.layer\.0\.adapter\.weight', which a plain ViT"):
        to_timm({"vit.embeddings.cls_token": torch.zeros(1), "vit.encoder.layer.0.adapter.weight": torch.zeros(1)})


# -- runs and exports ----------------------------------------------------------------------


@pytest.fixture
def donor(tmp_path: Path, small_run: Callable[..., RunFolder]) -> RunFolder:
    run = small_run(tmp_path / "donor")
    net = Supernet(run.space, seed=9)
    save_checkpoint(run, net, make_optimizer(net, TrainSettings()), TrainingProgress(1))
    return run


def test_a_run_of_the_same_space_gives_all_its_weights(donor: RunFolder, small_space: SearchSpace) -> None:
    for source in (donor.path, donor.checkpoints / "step-00000001"):
        net = Supernet(small_space, seed=1)
        assert "took the shared weights of run" in initialise(net, str(source))
        theirs = load_supernet(donor).state_dict()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in net.state_dict().items())


@torch.no_grad()
def test_a_larger_space_takes_a_smaller_ones_weights_where_they_belong(donor: RunFolder) -> None:
    net, x = Supernet(load_space("autoformer-mini"), seed=1).eval(), torch.randn(2, 1, 8, 8)
    initialise(net, str(donor.path))
    theirs = load_supernet(donor)
    for arch in (donor.space.smallest(), donor.space.largest()):
        torch.testing.assert_close(net(x, arch), theirs(x, arch))


@torch.no_grad()
def test_a_smaller_space_takes_a_larger_ones_weights(donor: RunFolder, small_space: SearchSpace) -> None:
    net, x = Supernet(small_space.restrict(width=(48,)), seed=1).eval(), torch.randn(2, 1, 8, 8)
    initialise(net, str(donor.path))
    arch = small_space.smallest()
    torch.testing.assert_close(net(x, arch), load_supernet(donor)(x, arch))


def test_other_classes_of_a_run_get_a_new_head(donor: RunFolder) -> None:
    space = load_space("autoformer-mini", Task(8, 4, 1))
    net, theirs = Supernet(space, seed=1), load_supernet(donor).state_dict()
    fresh = net.state_dict()["layers.head-classifier.linear.weight"].clone()
    assert "10 classes are others, so the head is new" in initialise(net, str(donor.path))
    assert torch.equal(net.state_dict()["layers.head-classifier.linear.weight"], fresh)
    name = "layers.block1_ffn-feed_forward.reduce.bias"
    assert torch.equal(net.state_dict()[name][:64], theirs[name])


def test_positions_of_other_images_are_refused(donor: RunFolder) -> None:
    kept = {"width": (48, 64), "depth": (3,), "mlp_ratio": (2.0, 3.0)}
    net = Supernet(load_space("autoformer-mini", Task(16, 10, 1)).restrict(**kept))
    with pytest.raises(CheckpointError, match=r"layer 'stem-patch_embedding': 'position' has shape .*no exact rule"):
        initialise(net, str(donor.path))


def test_a_damaged_checkpoint_is_refused(donor: RunFolder, small_space: SearchSpace) -> None:
    folder = donor.checkpoints / "step-00000001"
    (folder / "supernet.safetensors").write_bytes(b"short")
    with pytest.raises(CheckpointError, match="is damaged"):
        initialise(Supernet(small_space), str(folder))


def test_a_run_of_another_space_is_refused(donor: RunFolder) -> None:
    with pytest.raises(CheckpointError, match="run of space 'autoformer-mini', not of 'deit'"):
        initialise(Supernet(deit()), str(donor.path))


@torch.no_grad()
def test_an_exported_arch_answers_the_same(tmp_path: Path, small_space: SearchSpace) -> None:
    arch, x = small_space.smallest(), torch.randn(2, 1, 8, 8)
    network = build_network(small_space.lower(arch)).eval()
    (tmp_path / "arch.json").write_text(json.dumps(arch.to_json()))
    (tmp_path / "report.json").write_text(json.dumps({"task": {"num_classes": 10}}))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    for source in (tmp_path, tmp_path / "weights.safetensors"):
        net = Supernet(small_space, seed=3).eval()
        assert arch.id in initialise(net, str(source))
        torch.testing.assert_close(net(x, arch), network(x))
    with pytest.raises(InvalidArchError, match="belongs to space 'autoformer-mini'"):
        initialise(Supernet(deit()), str(tmp_path))


def test_what_is_no_weights_is_refused_with_the_forms(tmp_path: Path, small_space: SearchSpace) -> None:
    net = Supernet(small_space)
    with pytest.raises(CheckpointError, match="no such weights; give timm:NAME"):
        initialise(net, str(tmp_path / "nothing"))
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        initialise(net, str(tmp_path / "text.safetensors"))
    with pytest.raises(CheckpointError, match="'gone' does not exist"):
        initialise(net, "timm:vit@gone")
    shutil.rmtree(tmp_path)
