from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import Arch, load_space
from vitnas.supernets.goals.losses import alpha_divergence
from vitnas.supernets.layers.layer import crop
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.lessons import Batch, take_lessons
from vitnas.supernets.training.samplers import Lesson
from vitnas.supernets.training.samplers.sandwich import Sandwich

SPACE = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3, 4))
SMALL, LARGE = SPACE.smallest(), SPACE.largest()


def batch() -> Batch:
    made = torch.Generator().manual_seed(3)
    x, y = torch.randn(8, 1, 8, 8, generator=made), torch.randint(0, 10, (8,), generator=made)
    return Batch(x, y, F.one_hot(y, 10).float() * 0.9 + 0.01)


def gradients(net: Supernet) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


def test_gradients_of_a_sandwich_are_the_sum_of_each() -> None:
    given = batch()
    lessons = Sandwich(SPACE, 0, num_steps=10, label_share=0.0).plan(0)
    net = Supernet(SPACE, 1)
    marks = take_lessons(net, lessons, [batch()])

    with torch.no_grad():
        taught = net(given.x, LARGE).softmax(dim=1)
    summed = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for i, lesson in enumerate(lessons):
        alone = Supernet(SPACE, 1)
        logits = alone(given.x, lesson.arch)
        loss = soft_cross_entropy(logits, taught if lesson.teachers else given.target)
        torch.testing.assert_close(marks.losses[i], loss.item(), rtol=1e-6, atol=0)
        torch.testing.assert_close(marks.label_losses[i], F.cross_entropy(logits, given.y).item(), rtol=1e-6, atol=0)
        loss.backward()
        for name, gradient in gradients(alone).items():
            summed[name] += gradient
    assert_close(gradients(net), summed)


@pytest.mark.parametrize("loss", ["soft", "alpha"])
def test_several_teachers_are_averaged(loss: str) -> None:
    given = batch()
    net = Supernet(SPACE, 1)
    marks = take_lessons(net, (Lesson(SMALL), Lesson(LARGE), Lesson(SMALL, (0, 1), loss)), [given])  # type: ignore[arg-type]
    with torch.no_grad():
        target = (net(given.x, SMALL).softmax(dim=1) + net(given.x, LARGE).softmax(dim=1)) / 2
        distance = alpha_divergence if loss == "alpha" else soft_cross_entropy
        torch.testing.assert_close(marks.losses[2], distance(net(given.x, SMALL), target).item())


def test_shares_of_a_batch_add_up_to_it() -> None:
    lessons = (Lesson(LARGE), Lesson(SMALL, (0,)))
    whole, shared = Supernet(SPACE, 1), Supernet(SPACE, 1)
    given = batch()
    expected = take_lessons(whole, lessons, [given])
    parts = [Batch(*part) for part in zip(*(t.split((5, 3)) for t in (given.x, given.y, given.target)), strict=True)]
    marks = take_lessons(shared, lessons, parts)
    assert_close(gradients(shared), gradients(whole))
    assert marks.losses == pytest.approx(expected.losses, rel=1e-5)
    assert marks.label_losses == pytest.approx(expected.label_losses, rel=1e-5)


def test_archs_that_see_a_part_each_make_one_step_together() -> None:
    given = batch()
    net, alone = Supernet(SPACE, 1), Supernet(SPACE, 1)
    take_lessons(net, (Lesson(SMALL, part=(0, 2)), Lesson(LARGE, part=(1, 2))), [given])
    logits = torch.cat([alone(given.x[::2], SMALL), alone(given.x[1::2], LARGE)])
    soft_cross_entropy(logits, torch.cat([given.target[::2], given.target[1::2]])).backward()
    assert_close(gradients(net), gradients(alone))


def test_shares_of_a_batch_keep_who_learns_from_which_image() -> None:
    lessons = (Lesson(SMALL, part=(0, 2)), Lesson(LARGE, part=(1, 2)))
    whole, shared, given = Supernet(SPACE, 1), Supernet(SPACE, 1), batch()
    expected = take_lessons(whole, lessons, [given])
    parts = [Batch(*part) for part in zip(*(t.split((6, 2)) for t in (given.x, given.y, given.target)), strict=True)]
    marks = take_lessons(shared, lessons, parts)
    assert_close(gradients(shared), gradients(whole))
    assert marks.losses == pytest.approx(expected.losses, rel=1e-5)


def test_lessons_can_be_taken_one_group_after_the_other() -> None:
    lessons = (Lesson(LARGE), Lesson(SMALL, (0,)))
    whole, parted = Supernet(SPACE, 1), Supernet(SPACE, 1)
    expected = take_lessons(whole, lessons, [batch()])
    given = batch()
    first, second = (take_lessons(parted, lessons, [given], chosen) for chosen in ((0,), (1,)))
    assert [*first.losses, *second.losses] == expected.losses
    assert_close(gradients(parted), gradients(whole))


def test_gradients_of_one_arch_stay_inside_its_slices() -> None:
    arch: Arch = SMALL
    net = Supernet(SPACE, 1)
    take_lessons(net, (Lesson(arch),), [batch()])
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
