"""Every operation of RandAugment against Pillow's own, pixel by pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from vitnas.supernets.augment.rand_augment import OPERATIONS, apply_operations

SIZES = [(3, 8, 8), (1, 8, 8), (3, 32, 32), (3, 24, 40), (1, 33, 21)]


def pixels_of(seed: int, shape: tuple[int, int, int]) -> Tensor:
    """Smooth shapes with some noise and a range that leaves room, as photographs have."""
    rng = np.random.default_rng(seed)
    c, h, w = shape
    y, x = np.mgrid[:h, :w] / max(h, w)
    waves = [np.sin(rng.uniform(1, 9) * x + rng.uniform(1, 9) * y + rng.uniform(0, 6)) for _ in range(c)]
    image = 128 + 80 * np.stack(waves) + rng.normal(0, 12, (c, h, w))
    return torch.from_numpy(image.clip(0, 255).astype(np.uint8))


def picture(pixels: Tensor) -> Image.Image:
    return Image.fromarray(pixels[0].numpy()) if len(pixels) == 1 else Image.fromarray(pixels.permute(1, 2, 0).numpy())


def pixels(image: Image.Image) -> Tensor:
    array = torch.from_numpy(np.array(image))
    return array[None] if array.ndim == 2 else array.permute(2, 0, 1)


def moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    fill = (128,) * 3 if image.mode == "RGB" else 128
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill)


def turned(image: Image.Image, degrees: float) -> Image.Image:
    fill = (128,) * 3 if image.mode == "RGB" else 128
    return image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=fill)


def by_pillow(name: str, image: Image.Image, share: float, sign: float) -> Image.Image:
    w, h = image.size
    factor = 1 + 0.9 * share * sign
    return {
        "auto_contrast": lambda: ImageOps.autocontrast(image),
        "equalise": lambda: ImageOps.equalize(image),
        "invert": lambda: ImageOps.invert(image),
        "posterise": lambda: ImageOps.posterize(image, round(8 - 4 * share)),
        "solarise": lambda: ImageOps.solarize(image, 256 * (1 - share)),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(factor),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(factor),
        "colour": lambda: ImageEnhance.Color(image).enhance(factor),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(factor),
        "rotate": lambda: turned(image, 30 * share * sign),
        "shear_x": lambda: moved(image, (1, 0.3 * share * sign, 0, 0, 1, 0)),
        "shear_y": lambda: moved(image, (1, 0, 0, 0.3 * share * sign, 1, 0)),
        "translate_x": lambda: moved(image, (1, 0, 0.45 * share * sign * w, 0, 1, 0)),
        "translate_y": lambda: moved(image, (1, 0, 0, 0, 1, 0.45 * share * sign * h)),
    }[name]()


def applied(batch: Tensor, name: str, share: float, sign: float) -> Tensor:
    n = len(batch)
    which = np.full(n, OPERATIONS.index(name))
    return apply_operations(batch, which, np.full(n, share), np.full(n, sign), fill=128 / 255)


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_pillows(name, shape):
    batch = torch.stack([pixels_of(seed, shape) for seed in range(4)])
    for share in (0.1, 0.5, 0.9, 1.0):
        for sign in (-1.0, 1.0):
            found = applied(batch, name, share, sign)
            expected = torch.stack([pixels(by_pillow(name, picture(p), share, sign)) for p in batch])
            apart = (found.int() - expected.int()).abs()
            # Pillow reckons maps in other steps: a place on the very border may fall on its other side.
            allowed = 0.01 if name.startswith(("rotate", "shear", "translate")) else 0.0
            assert (apart > 1).float().mean() <= allowed, (share, sign, int(apart.max()))
            exact = {"auto_contrast", "equalise", "invert", "posterise", "solarise"}
            assert name not in exact or (apart == 0).all(), (share, sign)


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n not in ("auto_contrast", "equalise", "invert")])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_magnitude_zero_changes_nothing(name, sign):
    for shape in SIZES:
        batch = torch.stack([pixels_of(seed, shape) for seed in range(3)])
        assert torch.equal(applied(batch, name, 0.0, sign), batch)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_flat_image_and_a_tiny_one_are_no_trouble(name):
    for shape in ((3, 8, 8), (1, 1, 1), (2, 2, 2), (4, 8, 8)):
        flat = torch.full((2, *shape), 77, dtype=torch.uint8)
        found = applied(flat, name, 0.5, 1.0)
        assert found.shape == flat.shape
        assert found.dtype == torch.uint8


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), channels=st.sampled_from([1, 2, 3]), side=st.integers(8, 20))
def test_operations_together_are_operations_alone(seed, channels, side):
    rng = np.random.default_rng(seed)
    n = 12
    batch = torch.stack([pixels_of(int(s), (channels, side, side)) for s in rng.integers(2**31, size=n)])
    which = rng.integers(-1, len(OPERATIONS), n)
    share, sign = rng.random(n), rng.choice([-1.0, 1.0], n)
    before = batch.clone()
    together = apply_operations(batch, which, share, sign, fill=0.5)
    assert torch.equal(batch, before), "the pixels given are not touched"
    for i in range(n):
        alone = apply_operations(batch[i : i + 1], which[i : i + 1], share[i : i + 1], sign[i : i + 1], fill=0.5)
        assert torch.equal(together[i], alone[0]), OPERATIONS[which[i]]
        if which[i] < 0:
            assert torch.equal(together[i], batch[i])
