"""A network that names classes gives its body to one that answers for pixels; the head begins anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tests.timm_import import import_timm
from vitnas.search_spaces import SearchSpace, Task, load_space
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.train import TrainSettings, start_run, train
from vitnas.supernets.weights.initial_weights import initialise
from vitnas.supernets.weights.pretrained import classifying, load_timm

TASK = Task(32, 4, 3)


def deit(task: Task) -> SearchSpace:
    return PlainViT("deit", task, width=(64,), depth=(2,), heads=(1,), mlp_ratio=(2.0,), patch=8)


def timm_state(width: int = 64, depth: int = 2) -> dict[str, Tensor]:
    """As timm names the weights of such a network."""
    model = import_timm().models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=width, depth=depth, num_heads=1, mlp_ratio=2.0, num_classes=7
    )
    return dict(model.state_dict())


def test_weights_of_timm_go_into_all_but_the_head() -> None:
    state = timm_state()
    space = deit(replace(TASK, answer="mask"))
    assert classifying(space).task == TASK
    plain, asked = Supernet(deit(TASK), 0), Supernet(space, 0)
    before = {name: tensor.clone() for name, tensor in asked.state_dict().items()}
    arch = space.largest()
    load_timm(plain, arch, state, new_head=True)
    load_timm(asked, arch, state, new_head=True)
    theirs = plain.state_dict()
    for name, tensor in asked.state_dict().items():
        if "mask_head" in name:
            assert torch.equal(tensor, before[name])
        else:
            assert torch.equal(tensor, theirs[name])
    assert any(not torch.equal(tensor, before[name]) for name, tensor in asked.state_dict().items())


def test_a_run_of_classes_gives_its_layers(tmp_path: Path) -> None:
    space = load_space("autoformer-mini", Task(8, 10, 1)).restrict(width=(48,), depth=(3,), mlp_ratio=(2.0,))
    run = start_run(tmp_path / "run", space, "digits", TrainSettings(steps=1, batch_size=8, threads=1, loggers=()))
    train(run, progress=False)
    net = Supernet(replace(space, task=replace(space.task, answer="mask")), 1)
    assert "so the head is new" in initialise(net, str(tmp_path / "run"))
    theirs = Supernet(space, 0)
    initialise(theirs, str(tmp_path / "run"))
    body = [name for name in net.state_dict() if "mask_head" not in name]
    assert body
    assert all(torch.equal(net.state_dict()[name], theirs.state_dict()[name]) for name in body)
