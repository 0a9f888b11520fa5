"""A step up the gradient and the way back, against quadratics that can be worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitnas.supernets.training.sam import climb


def test_the_gradient_after_the_climb_is_that_of_the_closed_form() -> None:
    """For f = w A w / 2, the gradient is A w, and where one climbs to A (w + rho A w / |A w|)."""
    torch.manual_seed(0)
    matrix = torch.diag(torch.tensor([1.0, 4.0, 9.0]))
    start = torch.tensor([3.0, -2.0, 0.5])
    # Two parameters: the norm is over both together.
    parts = [nn.Parameter(start[:1].clone()), nn.Parameter(start[1:].clone())]

    def gradient() -> torch.Tensor:
        for p in parts:
            p.grad = None
        w = torch.cat(list(parts))
        (w @ matrix @ w / 2).backward()
        return torch.cat([p.grad for p in parts if p.grad is not None])

    first = gradient()
    undo = climb(parts, 0.7)
    torch.testing.assert_close(gradient(), matrix @ (start + 0.7 * first / first.norm()))
    undo()
    assert torch.equal(torch.cat([p.detach() for p in parts]), start)


def test_no_gradient_no_climb() -> None:
    moved, idle = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    moved.grad = torch.tensor([3.0, 4.0])
    undo = climb([moved, idle], 1.0)
    torch.testing.assert_close(moved.detach(), torch.tensor([1.6, 1.8]))
    assert torch.equal(idle.detach(), torch.ones(2))
    undo()
    assert torch.equal(moved.detach(), torch.ones(2))
    climb([idle], 1.0)()


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_gradients_without_a_direction_move_nothing(value: float) -> None:
    p = nn.Parameter(torch.ones(2))
    p.grad = torch.tensor([value, 0.0])
    climb([p], 1.0)
    assert torch.equal(p.detach(), torch.ones(2))
