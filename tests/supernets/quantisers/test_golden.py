"""Quantisers against vectors computed by hand, against other ways to compute them, and against figures found beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.quantisers.adalog import AdaLog, as_tables
from vitnas.supernets.quantisers.codebook import Codebook
from vitnas.supernets.quantisers.dual_clip import DualClip
from vitnas.supernets.quantisers.log2 import Log2
from vitnas.supernets.quantisers.log_sqrt2 import LogSqrt2
from vitnas.supernets.quantisers.logarithmic import powers
from vitnas.supernets.quantisers.power_of_two import PowerOfTwo
from vitnas.supernets.quantisers.quantiser import SHARES, TableQuantiser
from vitnas.supernets.quantisers.shifted import Shifted
from vitnas.supernets.quantisers.sulq import ShiftUniformLog2
from vitnas.supernets.quantisers.tangent import Tangent
from vitnas.supernets.quantisers.twin import Twin
from vitnas.supernets.quantisers.uniform import UniformQuantiser

ROOT = math.sqrt(0.5)


@pytest.fixture(scope="module")
def attention() -> Tensor:
    return (2 * torch.randn(300, 65, generator=torch.Generator().manual_seed(0))).softmax(dim=-1)


def _of(kind: type[TableQuantiser], top: float, step: float, bits: int) -> TableQuantiser:
    return kind(*powers(top, step, bits))


@pytest.mark.parametrize(
    ("quantiser", "numbers", "values"),
    [
        (_of(Log2, 1.0, 1.0, 2), [0.0, 0.17, 0.18, 0.35, 0.36, 0.7, 0.71, 3.0], [0, 0, 0.25, 0.25, 0.5, 0.5, 1, 1]),
        (
            _of(LogSqrt2, 1.0, 0.5, 3),
            [0.0, 0.1, 0.12, 0.15, 0.24, 0.3, 0.45, 0.7, 0.9],
            [0, 0, 0.125, ROOT / 4, 0.25, ROOT / 2, 0.5, ROOT, 1],
        ),
        (Twin.split_at(0.5, 4), [-1, 0.08, 0.09, 0.5, 0.51, 0.9, 2], [0, 0, 1 / 6, 0.5, 2 / 3, 1, 1]),
        (
            Twin.beside_zero(3.0, 2),
            [-1, -0.13, -0.1, -0.03, 0.1, 1.4, 1.6],
            [-0.16997, -0.16997, -0.16997 / 2, 0, 0, 0, 3],
        ),
        (
            UniformQuantiser(torch.tensor(0.5), torch.tensor(1.0), 2),
            [-9, -0.3, -0.2, 0.2, 0.8, 9],
            [-0.5, -0.5, 0, 0, 1, 1],
        ),
        (
            UniformQuantiser(torch.tensor(0.5), torch.tensor(4.0), 3, symmetric=True),
            [-9, -0.8, 0.2, 0.3, 9],
            [-1.5, -1, 0, 0.5, 1.5],
        ),
    ],
)
def test_hand_made_vectors(
    quantiser: UniformQuantiser | TableQuantiser, numbers: list[float], values: list[float]
) -> None:
    torch.testing.assert_close(quantiser(torch.tensor(numbers)), torch.tensor(values, dtype=torch.float32))


def test_uniform_steps_are_those_of_torch() -> None:
    x = torch.randn(1000) + 0.3
    ours = UniformQuantiser.fit(x, 8)
    theirs = torch.fake_quantize_per_tensor_affine(x, float(ours.scale), int(ours.zero_point), 0, 255)
    torch.testing.assert_close(ours(x), theirs)
    weight = torch.randn(6, 50) * torch.arange(1, 7)[:, None]
    ours = UniformQuantiser.fit(weight, 8, axis=0, symmetric=True, clip=False)
    scale = weight.abs().amax(dim=1) / 127
    torch.testing.assert_close(ours.scale.flatten(), scale)
    theirs = torch.fake_quantize_per_channel_affine(weight, scale, torch.zeros(6), 0, -127, 127)
    torch.testing.assert_close(ours(weight), theirs)


def test_a_step_for_each_channel_is_that_of_the_channel_alone() -> None:
    x = torch.randn(200, 5) * torch.tensor([0.1, 1, 2, 5, 30])
    whole = UniformQuantiser.fit(x, 4, axis=-1)
    for i in range(5):
        torch.testing.assert_close(whole(x)[:, i], UniformQuantiser.fit(x[:, i], 4)(x[:, i]))
    assert whole.error(x) < UniformQuantiser.fit(x, 4).error(x)


def _channels() -> torch.Tensor:
    """Rows whose channels differ in width and place, one of them with a long tail on one side."""
    x = torch.randn(500, 6, generator=torch.Generator().manual_seed(5)) * torch.tensor([0.1, 0.5, 1, 2, 4, 8])
    x = x + torch.tensor([0.0, 3, -1, 0, 9, 0])
    x[:, 2] = torch.empty(500).exponential_(generator=torch.Generator().manual_seed(5)) * 2 - 6
    return x


def test_ends_that_are_cut_apart_lose_no_more_than_ends_cut_together() -> None:
    x = _channels()
    together, apart = (kind.fit(x, 3, axis=-1) for kind in (UniformQuantiser, DualClip))
    errors = [(one(x) - x).square().mean(dim=0) for one in (together, apart)]
    assert (errors[1] <= errors[0] * (1 + 1e-6)).all()
    assert errors[1][2] < 0.9 * errors[0][2]
    for i in range(6):  # the best of all pairs, by hand
        low, high = float(x[:, i].min().clamp(max=0)), float(x[:, i].max().clamp(min=0))
        pairs = [(low * a, high * b) for a in SHARES for b in SHARES]
        steps = [(max((b - a) / 7, 1e-30), a) for a, b in pairs]
        least = min(
            float((torch.fake_quantize_per_tensor_affine(x[:, i], s, round(-a / s), 0, 7) - x[:, i]).square().mean())
            for s, a in steps
        )
        assert float(errors[1][i]) <= least * (1 + 1e-4)


def test_steps_are_powers_of_two_of_one_another() -> None:
    x = _channels()
    found = PowerOfTwo.fit(x, 6, axis=-1)
    shifts = torch.log2(found.scale / found.scale.min())
    assert torch.equal(shifts, shifts.round())
    assert len(shifts.unique()) > 1
    assert shifts.max() <= 3
    assert found.zero_point.ndim == 0
    assert float(found.zero_point) == round(float(found.zero_point))
    apart, one = UniformQuantiser.fit(x, 6, axis=-1), UniformQuantiser.fit(x, 6)
    assert apart.error(x) < found.error(x) < one.error(x)
    # Channels at one step are sums of whole numbers: what a norm makes of them needs shifts alone.
    codes = (found.encode(x) - found.zero_point) * torch.exp2(shifts)
    torch.testing.assert_close(codes * found.scale.min(), found(x))
    same = torch.randn(400, 5, generator=torch.Generator().manual_seed(1))
    assert PowerOfTwo.fit(same[:, :1], 6, axis=-1).error(same[:, :1]) <= UniformQuantiser.fit(same[:, :1], 6).error(
        same[:, :1]
    )


def test_shifted_channels_are_symmetric_about_their_middle() -> None:
    x, weight = _channels(), torch.randn(7, 6, generator=torch.Generator().manual_seed(2))
    found = Shifted.fit(x, 6, axis=-1, weight=weight)
    middle = (x.amax(dim=0) + x.amin(dim=0)) / 2
    torch.testing.assert_close(found.shift.flatten(), middle)
    ratio = (x - middle).abs().amax(dim=0).sqrt() / weight.abs().amax(dim=0).sqrt()
    torch.testing.assert_close(found.scale.flatten() / found.scale.min(), ratio / ratio.min())
    mirrored = Shifted.fit(2 * middle - x, 6, axis=-1, weight=weight)
    torch.testing.assert_close(mirrored(2 * middle - x), 2 * middle - found(x))
    far = x + 100  # where a whole zero point is of no help
    assert Shifted.fit(far, 6, axis=-1, weight=weight).error(far) < UniformQuantiser.fit(far, 6).error(far) / 10
    # What the norm and the product behind it absorb: codes of one step, a weight that has the scales, and a bias.
    step, codes = found.scale.min(), found.encode(x) - found.zero_point
    wide = weight * (found.scale / step).flatten()
    torch.testing.assert_close(F.linear(codes * step, wide, weight @ found.shift.flatten()), F.linear(found(x), weight))


def test_sixteen_values_lose_little_against_the_seventeen_of_released_code(attention: Tensor) -> None:
    honest = LogSqrt2.fit(attention, 4)
    assert len(honest(attention).unique()) == 16
    top = float(honest.values[-1])
    code = np.round(-2 * np.log2(np.maximum(attention.double().numpy(), 1e-30) / top)).clip(min=0)
    released = np.where(code >= 16, 0, top * 2 ** (-code / 2))
    assert len(np.unique(released)) == 17
    ratio = honest.error(attention) / float(np.square(released - attention.numpy()).mean())
    assert 1.0 < ratio < 1.2


def test_tables_of_adalog_are_shifts_and_whole_factors() -> None:
    for q, bits in ((18, 4), (37, 3), (96, 4)):
        grid = 2 * 2**bits - 2
        expected = [0.0]
        for code in reversed(range(2**bits - 1)):
            shift, rest = divmod(code * q, 37)
            expected.append(round(grid * 2 ** (-rest / 37)) / grid / 2**shift)
        assert as_tables(q, bits).tolist() == pytest.approx(expected, abs=1e-12)


def test_adalog_with_a_root_of_two_is_log_sqrt2_but_for_its_table(attention: Tensor) -> None:
    exact, bounds = powers(1.0, 0.5, 4)
    assert (as_tables(37 // 2, 4) - exact).abs().max() < 0.03
    best = AdaLog.fit(attention, 4).error(attention)
    assert best < 1.05 * TableQuantiser.error(LogSqrt2(exact.float(), bounds.float()), attention)


def test_whole_exponents_leave_half_of_the_values(attention: Tensor) -> None:
    released = ShiftUniformLog2.fit(attention, 4)
    free = ShiftUniformLog2.unrounded(attention, 4)
    assert len(released(attention).unique()) <= 11
    assert len(free(attention).unique()) == 16
    assert 3 * free.error(attention) < released.error(attention)
    exponents = torch.log2(released.values.double() + released.shift)
    torch.testing.assert_close(exponents, exponents.round(), atol=1e-4, rtol=0)


def test_regions_are_chosen_and_not_added(attention: Tensor) -> None:
    """The released quantiser adds both regions, and then its search is driven to a split that hardly matters."""

    def released(split: float) -> np.ndarray:
        x, half = attention.double().numpy(), 128
        low = np.round(x / (split / (half - 1))).clip(0, half - 1) * split / (half - 1)
        high = np.round(x.clip(split, 1) * (half - 1)).clip(0, half - 1) / (half - 1)
        return low + high

    power = float(attention.square().mean())
    ours = Twin.fit(attention, 8)
    split = float(ours.values[127])
    added = min(float(np.square(released(2.0**-m) - attention.numpy()).mean()) for m in range(1, 20)) / power
    plain = UniformQuantiser(torch.tensor(1 / 255), torch.tensor(0.0), 8).error(attention) / power
    chosen = ours.error(attention) / power
    assert split == 2.0 ** round(math.log2(split))
    assert 0.06 < split < 0.6
    assert chosen < plain / 4
    assert added > plain


def test_tangents_are_fine_at_both_ends() -> None:
    quantiser = Tangent.bent(0.8, 1.4, 4)
    steps = quantiser.values.diff()
    assert quantiser.values[0] == 0
    assert float(quantiser.values[-1]) == pytest.approx(0.8)
    torch.testing.assert_close(steps, steps.flip(0))
    assert steps.argmax() == 7
    assert steps[0] < steps[7] / 10
    even = np.tan(1.4 * (2 * quantiser.values.numpy() / 0.8 - 1))
    assert np.allclose(np.diff(even), np.diff(even)[0])


def _least_error(x: np.ndarray, groups: int) -> float:
    """The least sum of squares about the means of so many neighbouring groups, by dynamic programming."""
    x = np.sort(x)
    first, second = (np.concatenate([[0], np.cumsum(x**k)]) for k in (1, 2))

    def spread(i: int, j: int) -> float:
        return float(second[j] - second[i] - (first[j] - first[i]) ** 2 / (j - i))

    best = [0.0] + [math.inf] * len(x)
    for _ in range(groups):
        best = [0.0] + [min(best[i] + spread(i, j) for i in range(j)) for j in range(1, len(x) + 1)]
    return best[-1]


@pytest.mark.parametrize("bits", [2, 3])
def test_a_palette_is_nearly_the_best_there_is(bits: int) -> None:
    x = torch.randn(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = Codebook.fit(x, bits)
    least = _least_error(x.numpy(), 2**bits)
    assert least * 0.999 <= found.error(x) * 60 <= 1.35 * least
    codes = found.encode(x)
    for code in codes.unique():
        assert float(found.values[code]) == pytest.approx(float(x[codes == code].mean()), abs=1e-5)


def test_few_numbers_are_kept_by_a_palette() -> None:
    x = torch.tensor([0.1, 0.1, -4.0, 7.0, 7.0])
    assert torch.equal(Codebook.fit(x, 2)(x), x)


def test_a_gelu_has_a_fixed_step_below_zero() -> None:
    x = F.gelu(2 * torch.randn(4000, generator=torch.Generator().manual_seed(2)))
    low = Twin.fit(x, 8).values[:128]
    torch.testing.assert_close(low, -0.16997 * torch.arange(128, 0, -1) / 128)
    shift = AdaLog.fit(x, 4).shift
    assert shift == pytest.approx(-float(x.min()))
    assert shift == pytest.approx(0.17, abs=0.001)
