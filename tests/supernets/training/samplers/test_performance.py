from __future__ import annotations

import math

import numpy as np
import pytest

from vitnas.search_spaces import Arch, SearchSpace, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.training.samplers.bank import Bank
from vitnas.supernets.training.samplers.performance import Performance


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("autoformer-mini").restrict(depth=(3, 4))


def make(space: SearchSpace, seed: int = 0, **options: float) -> Performance:
    quick = {"tabulated": 200, "capacity": 6, "label_share": 0.0, **options}
    return Performance(space, seed, steps_per_epoch=100, num_steps=600, **quick)  # type: ignore[arg-type]


def fill(sampler: Performance, level: int, n: int) -> list[Arch]:
    codes = np.unique(sampler.bands[level].codes, axis=0)[:n]
    archs = sampler.space.decode(codes)
    for i, arch in enumerate(archs):
        sampler.banks[level].add(arch, 0.5 * i)
    return archs


def test_a_bank_keeps_the_best_and_never_more_than_it_has_room_for(space: SearchSpace) -> None:
    bank, archs = Bank(5), space.sample(60, np.random.default_rng(0))
    losses = {arch: float(i * 7 % 61) for i, arch in enumerate(archs)}
    for arch, loss in losses.items():
        bank.add(arch, loss)
        assert len(bank) <= 5
    assert sorted(bank.losses.values()) == sorted(losses.values())[:5]
    assert bank.best() == min(losses, key=losses.__getitem__)
    bank.add(next(iter(bank.losses)), -1.0)  # it is there already
    bank.add(space.smallest(), math.nan)
    assert -1.0 not in bank.losses.values()
    assert all(map(math.isfinite, bank.losses.values()))


def test_a_refresh_changes_what_is_there_and_adds_nothing(space: SearchSpace) -> None:
    bank = Bank(5)
    one, other, stranger = space.sample(3, np.random.default_rng(1))
    bank.add(one, 1.0)
    bank.add(other, 2.0)
    bank.refresh({one: 3.0, other: math.inf, stranger: 0.0})
    assert bank.losses == {one: 3.0}


def test_draws_follow_the_exponential_of_the_loss(space: SearchSpace) -> None:
    bank, archs = Bank(3), space.sample(3, np.random.default_rng(2))
    for arch, loss in zip(archs, (1.0, 2.0, 4.0), strict=True):
        bank.add(arch, loss)
    rng = np.random.default_rng(0)
    drawn = [bank.draw(rng) for _ in range(4000)]
    weights = np.exp([-1.0, -2.0, -4.0])
    assert [drawn.count(arch) / 4000 for arch in archs] == pytest.approx(weights / weights.sum(), abs=0.03)


def test_the_share_of_good_archs_rises_in_equal_stages(space: SearchSpace) -> None:
    sampler = make(space)
    shares = [sampler.exploit_share(step) for step in range(0, 600, 100)]
    assert shares == pytest.approx([0.2, 0.35, 0.5, 0.65, 0.8, 0.95])
    assert sampler.exploit_share(99) == pytest.approx(0.2)
    assert sampler.exploit_share(10_000) == pytest.approx(0.95)


def test_good_archs_come_only_from_a_bank_more_than_half_full(space: SearchSpace) -> None:
    for n, comes in ((3, False), (4, True)):
        sampler = make(space, exploit_first=1.0, exploit_last=1.0)
        level = 4
        archs = fill(sampler, level, n)
        picks = sampler.space.decode(
            np.concatenate([sampler.pick(level, step, np.random.default_rng(step)) for step in range(20)])
        )
        assert (set(picks) <= set(archs)) == comes


def test_new_archs_enter_with_the_loss_of_their_step_and_the_minimum_arch_does_not(space: SearchSpace) -> None:
    sampler = make(space)
    lessons = sampler.plan(0)
    sampler.observe(0, lessons, [3.0, 2.0, 1.0, 0.0])
    bank = sampler.banks[sampler.level(0)]
    assert bank.losses == {lesson.arch: loss for lesson, loss in zip(lessons[:3], (3.0, 2.0, 1.0), strict=True)}
    assert sum(map(len, sampler.banks)) == len(bank)


def test_of_several_draws_the_widest_and_shallowest_is_taken(space: SearchSpace) -> None:
    sampler = make(space)
    level = 5
    codes = sampler.bands[level].codes[:40]
    anchor = sampler.space.decode(sampler.minimums[level][None])[0]

    def slack(arch: Arch) -> int:
        """The published measure, gene by gene: with the anchor's width, less with the anchor's depth."""
        genes, depth = dict(arch.genes), int(str(anchor["depth"]))
        narrow = space.arch(**{**genes, "width": anchor["width"]})

        def fitted(name: str) -> tuple[object, ...]:
            own, spare = genes[name], anchor[name]
            assert isinstance(own, tuple)
            assert isinstance(spare, tuple)
            return tuple(own[i] if i < len(own) else spare[i] for i in range(depth))

        shallow = space.arch(**{**genes, "depth": depth, "heads": fitted("heads"), "mlp_ratio": fitted("mlp_ratio")})
        return count(space.lower(narrow)).macs - count(space.lower(shallow)).macs

    (chosen,) = space.decode(sampler._wide_and_shallow([codes], level))
    archs = space.decode(codes)
    assert slack(chosen) == min(map(slack, archs))
    widths, depths = ([int(str(arch[gene])) for arch in archs] for gene in ("width", "depth"))
    assert int(str(chosen["width"])) > np.mean(widths)
    assert int(str(chosen["depth"])) < np.mean(depths)


def test_the_anchor_is_the_best_of_the_lowest_level_once_there_is_one(space: SearchSpace) -> None:
    sampler = make(space, band_width=0.3)
    np.testing.assert_array_equal(sampler._anchor(3), sampler.minimums[3])
    best = fill(sampler, 0, 3)[0]
    assert space.decode(sampler._anchor(3)[None]) == [best]
    np.testing.assert_array_equal(sampler._anchor(0), sampler.minimums[0])


def test_a_space_without_depths_takes_the_first_draw() -> None:
    flat = load_space("autoformer-mini").restrict(depth=(3,))
    sampler = make(flat)
    codes = sampler.bands[4].codes[:5]
    np.testing.assert_array_equal(sampler._wide_and_shallow([codes], 4), codes[:1])


def test_banks_are_heard_again_but_no_oftener_than_they_have_room(space: SearchSpace) -> None:
    sampler = make(space)
    period = max(100, 6 * len(sampler.bands))
    assert sampler.refresh_steps == period
    known = {arch for level in range(len(sampler.bands)) for arch in fill(sampler, level, 2)}
    asked = [step for step in range(3 * period) if sampler.audition(step)]
    assert asked == list(range(0, 3 * period, period // 4))
    assert set(sampler.audition(0)) == known
    assert set(sampler.audition(period // 4)) == set(sampler.banks[sampler.level(period // 4)].losses)
    sampler.hear(0, dict.fromkeys(known, 0.25))
    assert {loss for bank in sampler.banks for loss in bank.losses.values()} == {0.25}
