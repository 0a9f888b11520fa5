from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from vitnas.search_spaces import Arch, SearchSpace, load_space
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.gradient_conflict import combine, split
from vitnas.supernets.training.samplers import Lesson
from vitnas.supernets.training.samplers.options import make_sampler


def pair(cosine: float, length: float = 1.0) -> tuple[Tensor, Tensor]:
    """Leading and pupils' gradient at an angle; the leading one is `length` times as long."""
    made = torch.Generator().manual_seed(1)
    pupils = torch.randn(5, 7, generator=made, dtype=torch.float64)
    other = torch.randn(5, 7, generator=made, dtype=torch.float64)
    other -= (other * pupils).sum() / (pupils * pupils).sum() * pupils
    lead = cosine * pupils / pupils.norm() + (1 - cosine**2) ** 0.5 * other / other.norm()
    return lead * length * pupils.norm(), pupils


@pytest.mark.parametrize("cosine", [0.0, 0.3, 1.0])
def test_gradients_that_agree_are_added(cosine: float) -> None:
    lead, pupils = pair(cosine)
    (found,) = combine([lead], [pupils])
    torch.testing.assert_close(found, lead + pupils, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("cosine", "length"), [(-0.2, 1.0), (-0.9, 1.0), (-0.9, 2.0)])
def test_what_opposes_the_pupils_is_taken_away(cosine: float, length: float) -> None:
    lead, pupils = pair(cosine, length)
    (found,) = combine([lead], [pupils])
    assert found is not None
    along = (found * pupils).sum() / (pupils * pupils).sum()
    torch.testing.assert_close(along, torch.ones_like(along), rtol=1e-6, atol=1e-6)
    across = lead - (lead * pupils).sum() / (pupils * pupils).sum() * pupils
    torch.testing.assert_close(found, across + pupils, rtol=1e-6, atol=1e-6)


def test_never_more_than_twice_the_pupils_is_added_again() -> None:
    lead, pupils = pair(-1.0, 5.0)
    torch.testing.assert_close(combine([lead], [pupils])[0], lead + 3 * pupils)


def test_a_weight_that_one_side_does_not_have_gets_the_other() -> None:
    lead, pupils = pair(-0.5)
    assert combine([lead, None, None], [None, pupils, None]) == [lead, pupils, None]
    zero = torch.zeros_like(pupils)
    torch.testing.assert_close(combine([lead], [zero])[0], lead)


def test_low_precision_stays_what_it_was_and_does_not_overflow() -> None:
    lead, pupils = (200 * t.to(torch.float16) for t in pair(-0.5))
    (found,) = combine([lead], [pupils])
    assert found is not None
    assert found.dtype == torch.float16
    assert found.isfinite().all()


def test_those_who_teach_lead() -> None:
    space = load_space("autoformer-mini")
    sandwich = make_sampler("sandwich", space, 0, {"label_share": 0}, 10, 10)
    assert split(sandwich.plan(0)) == ([0], [1, 2, 3])
    arch = space.smallest()
    assert split((Lesson(arch), Lesson(arch), Lesson(arch, (0, 1)))) == ([0, 1], [2])
    assert split((Lesson(arch), Lesson(arch))) == ([0, 1], [])


def test_on_the_weights_of_a_supernet() -> None:
    """Each weight by itself, from the gradients of the archs of a sandwich step."""
    space = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3,))
    archs = [lesson.arch for lesson in make_sampler("sandwich", space, 0, {}, 10, 10).plan(0)]
    x, y = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8)
    lead = _gradients(space, archs[:1], x, y)
    pupils = _gradients(space, archs[1:2], x, y.flip(0))  # wants the opposite
    found = combine(lead, pupils)
    conflicts = 0
    for g, c, s in zip(found, lead, pupils, strict=True):
        assert c is not None
        assert g is not None
        if s is None:
            assert g is c
            continue
        dot = float((s * c).sum())
        share = min(max(-dot / (float((s * s).sum()) + 1e-6), 0.0), 2.0)
        conflicts += share > 0
        torch.testing.assert_close(g, c + (1 + share) * s, rtol=1e-4, atol=1e-6)
    assert 0 < conflicts < len(found)


def _gradients(space: SearchSpace, archs: Sequence[Arch], x: Tensor, y: Tensor) -> list[Tensor | None]:
    net = Supernet(space, 1)
    for arch in archs:
        torch.nn.functional.cross_entropy(net(x, arch), y).backward()  # type: ignore[no-untyped-call]
    return [p.grad for p in net.parameters()]
