import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vitnas.supernets.goals.losses import soft_cross_entropy
from vitnas.supernets.training.teachers.sparse import dense, largest, sharpen


def probabilities(seed: int, n: int, num_classes: int, spread: float) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(n, num_classes, generator=generator)).softmax(dim=1)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), num_classes=st.integers(2, 60), spread=st.floats(0, 30), data=st.data())
def test_what_is_kept_is_the_largest_and_never_more_than_there_is(seed, num_classes, spread, data):
    k = data.draw(st.integers(1, num_classes))
    p = probabilities(seed, 5, num_classes, spread)
    values, classes = largest(p, k)
    assert values.dtype == torch.float16
    assert classes.dtype == torch.int16
    exact = p.gather(1, classes.long())
    assert (values.double() <= exact.double()).all()
    assert (values.double().sum(dim=1) <= 1 + 1e-6).all()
    assert torch.allclose(values.float(), exact, rtol=1e-3, atol=1e-7)
    assert torch.equal(exact, p.sort(dim=1, descending=True).values[:, :k])

    full = dense(values, classes, num_classes)
    assert torch.allclose(full.sum(dim=1), torch.ones(5), rtol=0, atol=1e-5)
    assert torch.allclose(full.gather(1, classes.long()), exact, rtol=2e-3, atol=1e-6)
    others = full.scatter(1, classes.long(), -1)
    for row in others:
        left = row[row >= 0]
        assert len(left) == num_classes - k
        assert left.numel() == 0 or torch.equal(left, left[:1].expand_as(left)), "the rest is spread evenly"


def test_all_classes_kept_is_dense_distillation():
    p = probabilities(0, 32, 10, 2.0)
    target = dense(*largest(p, 10), 10)
    assert torch.allclose(target, p, rtol=1e-3, atol=1e-6)
    student = torch.randn(32, 10, generator=torch.Generator().manual_seed(1)).requires_grad_()
    losses = [soft_cross_entropy(student, t) for t in (target, p)]
    assert abs(losses[0] - losses[1]) < 1e-3 * losses[1]
    slopes = [torch.autograd.grad(loss, student)[0] for loss in losses]
    assert torch.allclose(*slopes, rtol=0, atol=2e-5)


def test_many_classes_need_wider_numbers():
    p = torch.full((1, 32768), 1 / 32768)
    assert largest(p, 2)[1].dtype == torch.int32
    assert largest(p[:, :32767] / p[:, :32767].sum(), 2)[1].dtype == torch.int16


def test_sharpening_is_a_temperature():
    logits = torch.randn(6, 9, generator=torch.Generator().manual_seed(2))
    for temperature in (0.2, 1.0, 4.0):
        expected = (logits / temperature).softmax(dim=1)
        assert torch.allclose(sharpen(logits.softmax(dim=1), temperature), expected, rtol=1e-4, atol=1e-6)
    certain = torch.tensor([[1.0, 0.0, 0.0]])
    assert torch.equal(sharpen(certain, 0.2), certain)
