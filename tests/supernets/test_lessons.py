from __future__ import annotations

import torch
from torch import Tensor

from vitnas.search_spaces import Arch, load_space
from vitnas.supernets.layers.layer import crop
from vitnas.supernets.lessons import take_lessons
from vitnas.supernets.samplers import Lesson
from vitnas.supernets.samplers.sandwich import Sandwich
from vitnas.supernets.supernet import Supernet

SPACE = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3, 4))
SMOOTHING = 0.1


def batch() -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(3)
    return torch.randn(8, 1, 8, 8, generator=made), torch.randint(0, 10, (8,), generator=made)


def gradients(net: Supernet) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def test_gradients_of_a_sandwich_are_the_sum_of_each() -> None:
    x, y = batch()
    lessons = Sandwich(SPACE, 0, label_steps=0).plan(0)
    net = Supernet(SPACE, 1)
    losses = take_lessons(net, lessons, x, y, SMOOTHING)
    together = gradients(net)

    one_hot = torch.nn.functional.one_hot(y, 10).float()
    with torch.no_grad():
        taught = net(x, SPACE.largest()).softmax(dim=1)
    summed = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for i, lesson in enumerate(lessons):
        alone = Supernet(SPACE, 1)
        target = taught if lesson.teachers else one_hot * (1 - SMOOTHING) + SMOOTHING / 10
        loss = soft_cross_entropy(alone(x, lesson.arch), target)
        torch.testing.assert_close(losses[i], loss.item(), rtol=1e-6, atol=0)
        loss.backward()
        for name, gradient in gradients(alone).items():
            summed[name] += gradient
    assert together.keys() == summed.keys()
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, summed[name], rtol=1e-4, atol=1e-7)


def test_several_teachers_are_averaged() -> None:
    x, y = batch()
    small, large, pupil = SPACE.smallest(), SPACE.largest(), SPACE.smallest()
    net = Supernet(SPACE, 1)
    losses = take_lessons(net, (Lesson(small), Lesson(large), Lesson(pupil, (0, 1))), x, y, 0.0)
    with torch.no_grad():
        target = (net(x, small).softmax(dim=1) + net(x, large).softmax(dim=1)) / 2
        torch.testing.assert_close(losses[2], soft_cross_entropy(net(x, pupil), target).item())


def test_labels_of_a_lesson_are_smoothed_as_torch_does() -> None:
    x, y = batch()
    net = Supernet(SPACE, 1)
    (loss,) = take_lessons(net, (Lesson(SPACE.largest()),), x, y, 0.3)
    with torch.no_grad():
        expected = torch.nn.CrossEntropyLoss(label_smoothing=0.3)(net(x, SPACE.largest()), y)
    torch.testing.assert_close(loss, expected.item())


def test_gradients_of_one_arch_stay_inside_its_slices() -> None:
    x, y = batch()
    arch: Arch = SPACE.smallest()
    net = Supernet(SPACE, 1)
    take_lessons(net, (Lesson(arch),), x, y, SMOOTHING)
    # Independent truth: where the weights of the extracted network lie in the shared ones.
    sites = SPACE.lower(arch)
    used = {}
    for (site, spec), module in zip(sites.items(), net.extract(arch), strict=True):
        layer = net.layers[f"{site}-{spec.kind}"]
        for name, p in module.named_parameters():
            used[f"layers.{site}-{spec.kind}.{name}"] = (p.shape, layer.centred.get(name, ()))
    assert len(used) < len(list(net.parameters()))
    for name, p in net.named_parameters():
        if name not in used:
            assert p.grad is None, name
            continue
        assert p.grad is not None
        shape, centred = used[name]
        inside = crop(p.grad, shape, centred)
        assert inside.abs().sum() > 0, name
        assert (p.grad != 0).sum() == (inside != 0).sum(), name
