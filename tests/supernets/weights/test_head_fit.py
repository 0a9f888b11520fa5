"""A fitted head is the solution of a convex problem over the features of a network that stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vitnas.search_spaces import Task, load_space
from vitnas.supernets.data import Pixels, load_dataset
from vitnas.supernets.evaluation import cut_out, evaluate
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.head_fit import DECAY, fit_head
from vitnas.supernets.weights.pretrained.matching import class_tensors


def drawn(space, number: int = 60) -> Pixels:
    rng, task = np.random.default_rng(0), space.task
    x = rng.integers(0, 256, (number, task.in_channels, task.image_size, task.image_size), dtype=np.uint8)
    return Pixels.of(x, np.arange(number) % task.num_classes, (0.5,) * task.in_channels, (0.25,) * task.in_channels)


@pytest.mark.parametrize(("name", "size"), [("autoformer-mini", 32), ("efficientformerv2", 64)])
def test_only_the_classifier_changes(name: str, size: int) -> None:
    space = load_space(name, Task(image_size=size, num_classes=3, in_channels=3))
    net, arch = Supernet(space), space.smallest()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    assert fit_head(net, arch, drawn(space)) == 60
    site, spec = space.lower(arch).sites[-1], space.lower(arch).layers[-1]
    heads = {f"layers.{site}-{spec.kind}.{tensor}" for tensor in class_tensors(spec)}
    changed = {key for key, tensor in net.state_dict().items() if not torch.equal(tensor, before[key])}
    assert changed == heads


def test_the_head_fits_the_network_that_is_evaluated() -> None:
    """With the statistics of its images, which a supernet has not."""
    space = load_space("efficientformerv2", Task(image_size=64, num_classes=3, in_channels=3))
    net, arch, images = Supernet(space), space.smallest(), drawn(space)
    fit_head(net, arch, images)
    assert evaluate(cut_out(net, arch, images), images).accuracy > 0.95  # more features than images


def test_no_other_weights_have_a_lower_loss() -> None:
    digits = load_dataset("digits")
    space = load_space("autoformer-mini", digits.task)
    net, arch = Supernet(space), space.largest()
    fit_head(net, arch, digits.train)
    network = net.extract(arch).eval()
    seen: list[torch.Tensor] = []
    last = network[-1].linear
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        network(digits.train.all()[0])
    labels = digits.train.all()[1]
    deviation = seen[0].std(0)
    weight = last.weight.detach().clone().requires_grad_()
    bias = last.bias.detach().clone().requires_grad_()
    loss = F.cross_entropy(F.linear(seen[0], weight, bias), labels) + DECAY / 2 * (weight * deviation).square().sum()
    loss.backward()
    assert (weight.grad / deviation).norm() < 1e-2
    assert bias.grad.norm() < 1e-2
    right = (network(digits.val.all()[0]).argmax(1) == digits.val.all()[1]).float().mean()
    assert right > 0.7  # features of a network that learned nothing
