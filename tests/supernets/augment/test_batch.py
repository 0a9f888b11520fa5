"""The laws of augmentation as a whole, and what each part draws."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vitnas.errors import SettingsError
from vitnas.settings import make_settings
from vitnas.supernets.augment import RECIPE, Augment, augment, batch_seed_of, seeds_of
from vitnas.supernets.augment.draws import Draws

ALONE = Augment(flip=0.5, crop_padding=2, crop_scale=0.3, rand_augment=2, rand_probability=0.9, erase=0.5)
"""All that happens to an image on its own."""


def batch(n: int = 16, shape: tuple[int, int, int] = (3, 12, 12), seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 10, (n,), generator=generator)
    return pixels, labels, torch.from_numpy(seeds_of(seed, 0, np.arange(n)))


def images_of(settings: Augment, *args: Tensor, batch_seed: int = 1) -> Tensor:
    return augment(*args, batch_seed, settings, num_classes=10)[0]


def test_by_default_nothing_happens():
    pixels, labels, seeds = batch()
    images, target = augment(pixels, labels, seeds, 3, Augment(), 10)
    assert torch.equal(images, pixels / 255)
    assert torch.equal(target.argmax(dim=1), labels)
    assert torch.equal(target.sum(dim=1), torch.ones(16))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    n=st.integers(1, 9),
    channels=st.sampled_from([1, 3, 4]),
    height=st.integers(8, 17),
    width=st.integers(8, 17),
    order=st.randoms(use_true_random=False),
)
def test_an_image_depends_on_its_seed_alone(seed, n, channels, height, width, order):
    args = batch(n, (channels, height, width), seed)
    together = images_of(ALONE, *args)
    assert together.shape == (n, channels, height, width)
    assert 0 <= together.min() <= together.max() <= 1
    rows = list(range(n))
    order.shuffle(rows)
    assert torch.equal(images_of(ALONE, *(a[rows] for a in args), batch_seed=99), together[rows])
    part = rows[: 1 + n // 2]
    assert torch.equal(images_of(ALONE, *(a[part] for a in args)), together[part])


def test_another_seed_changes_the_image_and_the_global_generator_is_not_asked():
    pixels, labels, seeds = batch()
    torch.manual_seed(0)
    np.random.seed(0)
    first = images_of(ALONE, pixels, labels, seeds)
    assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(0)))
    torch.manual_seed(1)
    np.random.seed(1)
    assert torch.equal(images_of(ALONE, pixels, labels, seeds), first)
    other = images_of(ALONE, pixels, labels, seeds + 1)
    assert all(not torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_draws_are_uniform_and_independent():
    draws = Draws(torch.from_numpy(seeds_of(5, 3, np.arange(20_000))))
    a, b = draws["flip"], draws["erase"]
    for drawn in (a, b):
        counts, _ = np.histogram(drawn, bins=20, range=(0, 1))
        chi_square = ((counts - 1000) ** 2 / 1000).sum()
        assert chi_square < 43.8, "a chance of one in a thousand at 19 degrees of freedom"
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    assert abs(np.corrcoef(a[:-1], a[1:])[0, 1]) < 0.03


def test_seeds_differ_between_images_epochs_and_trainings():
    seeds = np.concatenate([seeds_of(seed, epoch, np.arange(1000)) for seed in (0, 1) for epoch in (0, 1)])
    assert len(np.unique(seeds)) == 4000
    assert np.array_equal(seeds_of(0, 1, np.array([7, 3])), seeds_of(0, 1, np.arange(8))[[7, 3]])
    batch_seeds = {batch_seed_of(seed, step) for seed in (0, 1) for step in range(1000)}
    assert len(batch_seeds) == 2000
    assert min(batch_seeds) >= 0


def test_scrambling_is_splitmix64():
    # The first outputs of the published generator from state 0.
    from vitnas.supernets.augment.draws import scramble

    step = 0x9E3779B97F4A7C15 - (1 << 64)
    first, second = scramble(torch.tensor([0, step])).tolist()
    assert first % (1 << 64) == 0xE220A8397B1DCDAF
    assert second % (1 << 64) == 0x6E789E6AA1B965F4


def test_a_flip_is_a_mirror_image_for_the_share_asked():
    pixels, labels, seeds = batch(2000, (1, 4, 4))
    images = images_of(Augment(flip=0.3), pixels, labels, seeds)
    mirrored = (images == pixels.flip(3) / 255).all(dim=3).all(dim=2)[:, 0]
    kept = (images == pixels / 255).all(dim=3).all(dim=2)[:, 0]
    assert (mirrored | kept).all()
    assert abs(mirrored.float().mean() - 0.3) < 0.04
    assert torch.equal(images_of(Augment(flip=1), pixels, labels, seeds), pixels.flip(3) / 255)


def test_a_shift_moves_every_image_by_whole_pixels():
    pixels, labels, seeds = batch(300, (3, 8, 8))
    images = images_of(Augment(crop_padding=2, fill=0), pixels, labels, seeds)
    padded = torch.nn.functional.pad(pixels, (2, 2, 2, 2)) / 255
    seen = set()
    for image, wide in zip(images, padded, strict=True):
        places = [(y, x) for y in range(5) for x in range(5) if torch.equal(image, wide[:, y : y + 8, x : x + 8])]
        assert len(places) == 1
        seen |= set(places)
    assert len(seen) == 25


def test_a_crop_is_a_rectangle_of_the_image_at_least_as_large_as_asked():
    side = 64
    ramp = torch.arange(side, dtype=torch.uint8) * 4
    pixels = torch.stack([ramp.expand(side, side), ramp[:, None].expand(side, side)])[None].repeat(200, 1, 1, 1)
    seeds = torch.from_numpy(seeds_of(0, 0, np.arange(200)))
    images = images_of(Augment(crop_scale=0.2), pixels, torch.zeros(200, dtype=torch.int64), seeds) * 255 / 4
    # The slope of a ramp tells how much of the side is stretched over the image.
    middle = slice(8, -8)
    width = (images[:, 0, 0, -9] - images[:, 0, 0, 8]) / (side - 17)
    height = (images[:, 1, -9, 0] - images[:, 1, 8, 0]) / (side - 17)
    area, ratio = width * height, height / width
    assert 0.17 < area.min() < 0.3
    assert 0.9 < area.max() < 1.05
    assert 0.65 < ratio.min() < 0.85
    assert 1.2 < ratio.max() < 1.5
    columns = images[:, 0, middle]
    assert (columns.amax(dim=1) - columns.amin(dim=1)).max() <= 0.2501, "columns stay columns, but for rounding"


def test_erasing_covers_a_rectangle_of_noise():
    pixels = torch.zeros(400, 3, 32, 32, dtype=torch.uint8)
    seeds = torch.from_numpy(seeds_of(1, 0, np.arange(400)))
    images = images_of(Augment(erase=0.25), pixels, torch.zeros(400, dtype=torch.int64), seeds)
    covered = (images > 0).any(dim=1)
    share = covered.float().mean(dim=(1, 2))
    assert abs((share > 0).float().mean() - 0.25) < 0.07
    assert 0 < share[share > 0].min() < 0.05
    assert 0.25 < share.max() < 0.36
    for mask in covered[share > 0]:
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert torch.equal(mask, rows[:, None] & columns), "one rectangle"
    noise = images[images > 0]
    assert abs(noise.mean() - 0.5) < 0.01
    assert abs(noise.std() - 1 / math.sqrt(12)) < 0.01


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 9),
    batch_seed=st.integers(0, 2**62),
    mixup=st.sampled_from([0.0, 0.2, 1.0]),
    cutmix=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_targets_sum_to_one_and_say_what_was_mixed(n, batch_seed, mixup, cutmix):
    # Every image has a brightness of its own, so the pixels tell what is in them.
    pixels = (torch.arange(n, dtype=torch.uint8) * 20)[:, None, None, None].expand(n, 1, 8, 10)
    settings = Augment(mixup=mixup, cutmix=cutmix)
    images, target = augment(pixels, torch.arange(n), torch.arange(n), batch_seed, settings, n)
    assert torch.allclose(target.sum(dim=1), torch.ones(n), rtol=0, atol=1e-6)
    own, partner = torch.arange(n), (torch.arange(n) ^ 1).clamp(max=n - 1)
    for i in range(n):
        assert set(target[i].nonzero().flatten().tolist()) <= {int(own[i]), int(partner[i])}
        expected = (target[i] @ pixels[:, 0, 0, 0].float()) / 255
        assert images[i].mean().item() == pytest.approx(expected.item(), abs=1e-5)
    if n % 2:
        assert torch.allclose(images[-1], pixels[-1] / 255, rtol=0, atol=1e-6)


def test_cutmix_pastes_and_mixup_blends_and_both_take_turns():
    pixels = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 1, 16, 16)
    labels = torch.tensor([0, 1])
    blended, shares = 0, []
    for step in range(400):
        images, target = augment(pixels, labels, labels, batch_seed_of(0, step), Augment(mixup=0.8, cutmix=1), 2)
        pure = bool(((images == 0) | (images == 1)).all())
        blended += not pure
        if pure:
            pasted = images[0] == 1
            assert pasted.float().mean().item() == pytest.approx(target[0, 1].item(), abs=1e-6)
        shares.append(target[0, 0].item())
    assert 150 < blended < 250
    assert np.std(shares) > 0.2


def test_even_parts_of_a_batch_are_mixed_as_the_whole():
    args = batch(16)
    settings = replace(ALONE, mixup=0.8, cutmix=1.0)
    for step in range(6):
        whole = augment(*args, batch_seed_of(0, step), settings, 10)
        halves = [
            augment(*(a[rows] for a in args), batch_seed_of(0, step), settings, 10) for rows in (slice(8), slice(8, 16))
        ]
        for i in range(2):
            assert torch.equal(torch.cat([half[i] for half in halves]), whole[i])


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("flip", 1.5, "flip must be from 0 to 1"),
        ("crop_padding", -1, "crop_padding must be at least 0"),
        ("crop_scale", 0.0, "crop_scale must be more than 0 and at most 1"),
        ("rand_magnitude", 11.0, "rand_magnitude must be from 0 to 10"),
        ("mixup", -0.1, "mixup must be at least 0"),
        ("flipp", 1.0, "Did you mean 'flip'"),
    ],
)
def test_settings_out_of_range_are_refused(key, value, rule):
    with pytest.raises(SettingsError, match=rule):
        make_settings(Augment, {key: value}, "[train.augment]")


def test_the_recipe_is_the_one_that_stored_answers_know():
    """A change of what seeds and settings mean must raise RECIPE, or answers stored before would be taken for others."""
    pixels, labels, seeds = batch(64, (3, 16, 16))
    settings = replace(ALONE, mixup=0.8, cutmix=1.0)
    images, target = augment(pixels, labels, seeds, batch_seed_of(0, 0), settings, 10)
    weights = torch.linspace(-1, 1, images.numel(), dtype=torch.float64).view_as(images)
    found = ((images.double() * weights).mean().item(), (target.double() ** 2).mean().item())
    assert RECIPE == 1
    assert found == pytest.approx((-0.010711355, 0.064466827), abs=2e-6)


@pytest.mark.gpu
def test_a_gpu_draws_the_same():
    args = batch(64, (3, 32, 32))
    settings = replace(ALONE, mixup=0.8)
    here, there = (augment(*(a.to(d) for a in args[:2]), args[2], 5, settings, 10) for d in ("cpu", "cuda"))
    assert torch.allclose(here[1], there[1].cpu(), rtol=0, atol=1e-6)
    apart = (here[0] - there[0].cpu()).abs()
    assert (apart > 2.5 / 255).float().mean() < 0.01, "but for pixels on the border of what a map reaches"
