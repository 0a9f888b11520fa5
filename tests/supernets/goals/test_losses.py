"""The distances against their definitions, evaluated in float64 from the formulas."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.goals.losses import alpha_divergence, soft_cross_entropy


def drawn(seed: int, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits, teacher = spread * torch.randn(2, 7, 5, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), teacher.softmax(dim=1)


def defined(logits: Tensor, p: Tensor, alpha: float) -> Tensor:
    """The alpha-divergence of each row as Minka (2005) writes it, without a clip."""
    q = logits.softmax(dim=1)
    if alpha == 1:
        return (p * (p / q).log()).sum(dim=1)
    return ((p**alpha * q ** (1 - alpha)).sum(dim=1) - 1) / (alpha * (alpha - 1))


def gradient(loss: Tensor, logits: Tensor) -> Tensor:
    return torch.autograd.grad(loss, logits)[0]


def test_soft_cross_entropy_is_torchs_own():
    logits, target = drawn(0)
    assert torch.allclose(soft_cross_entropy(logits, target), F.cross_entropy(logits, target), rtol=0, atol=1e-12)


def test_alpha_one_is_soft_cross_entropy_and_is_not_clipped():
    logits, p = drawn(1, spread=4)
    loss = alpha_divergence(logits, p, alpha_min=1, alpha_max=1, clip=0.1)
    assert loss.item() == pytest.approx(soft_cross_entropy(logits, p).item(), abs=1e-6)
    expected = gradient(soft_cross_entropy(logits, p), logits)
    assert torch.allclose(gradient(loss, logits), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("alpha", [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
def test_the_gradient_is_the_slope_of_the_divergence(alpha):
    logits, p = drawn(2)
    found = gradient(alpha_divergence(logits, p, alpha, alpha, clip=1e9), logits)
    slope = torch.zeros_like(logits)
    for i in range(logits.numel()):
        step = torch.zeros(logits.numel(), dtype=torch.float64)
        step[i] = 1e-5
        step = step.view_as(logits)
        ends = [defined(logits.detach() + sign * step, p, alpha).mean() for sign in (1, -1)]
        slope.view(-1)[i] = (ends[0] - ends[1]) / 2e-5
    assert torch.allclose(found, slope, rtol=1e-6, atol=1e-9)


def test_every_image_learns_by_its_larger_divergence():
    logits, p = drawn(3, spread=1.5)
    larger = [defined(logits, p, alpha) for alpha in (-1.0, 1.0)]
    chosen = torch.where(larger[0] > larger[1], 0, 1)
    assert set(chosen.tolist()) == {0, 1}, "the example must have both"
    found = gradient(alpha_divergence(logits, p, clip=1e9), logits)
    alone = [gradient(alpha_divergence(logits, p, alpha, alpha, clip=1e9), logits) for alpha in (-1.0, 1.0)]
    for i, which in enumerate(chosen.tolist()):
        assert torch.allclose(found[i], alone[which][i], rtol=1e-9, atol=1e-12)


def test_the_clip_bounds_the_weight_of_a_class():
    logits = torch.tensor([[8.0, 0.0]], dtype=torch.float64, requires_grad=True)
    p = torch.tensor([[1e-6, 1 - 1e-6]], dtype=torch.float64)
    q = logits.detach().softmax(dim=1)
    ratio = (q / p).clamp(max=5)  # at alpha -1
    weight = q * (-ratio + 0.5)
    expected = -(weight * logits.log_softmax(dim=1)).sum()
    assert alpha_divergence(logits, p, -1, -1, clip=5).item() == pytest.approx(expected.item(), rel=1e-12)


def test_certain_teachers_and_students_stay_finite():
    logits = torch.tensor([[300.0, -300.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    p = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    loss = alpha_divergence(logits, p)
    assert loss.isfinite()
    assert gradient(loss, logits).isfinite().all()


def test_equal_predictions_have_no_gradient():
    logits, _ = drawn(4)
    same = logits.detach().softmax(dim=1)
    assert gradient(alpha_divergence(logits, same), logits).abs().max() < 1e-12
