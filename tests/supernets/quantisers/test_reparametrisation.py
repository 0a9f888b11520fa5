"""What weights absorb changes nothing that is computed."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from vitnas.supernets.quantisers.adalog import AdaLog
from vitnas.supernets.quantisers.reparametrisation import bias_of_shift, to_per_tensor
from vitnas.supernets.quantisers.sulq import ShiftUniformLog2
from vitnas.supernets.quantisers.uniform import UniformQuantiser

seeds = st.integers(0, 10**6)


@given(seed=seeds, bits=st.integers(3, 8))
@settings(max_examples=15, deadline=None)
def test_shifted_codes_need_a_bias_and_nothing_else(seed: int, bits: int) -> None:
    torch.manual_seed(seed)
    x, weight, bias = F.gelu(torch.randn(20, 12)), torch.randn(5, 12), torch.randn(5)
    weight = UniformQuantiser.fit(weight, bits, axis=0, symmetric=True)(weight)
    for quantiser in (AdaLog.fit(x, bits), ShiftUniformLog2.fit(x.relu(), bits)):
        shifted = quantiser(x) + quantiser.shift
        torch.testing.assert_close(
            F.linear(quantiser(x), weight, bias),
            F.linear(shifted, weight, bias - bias_of_shift(weight, quantiser.shift)),
            atol=1e-4,
            rtol=1e-4,
        )


@given(seed=seeds, bits=st.integers(3, 8))
@settings(max_examples=15, deadline=None)
def test_one_step_serves_all_channels_once_the_weights_have_theirs(seed: int, bits: int) -> None:
    torch.manual_seed(seed)
    gain, offset = torch.rand(16) * 5 + 0.1, torch.randn(16)
    weight, bias, x = torch.randn(7, 16), torch.randn(7), torch.randn(60, 16) * 2 + 1
    normed = F.layer_norm(x, (16,), gain, offset)
    channels = UniformQuantiser.fit(normed, bits, axis=-1)
    one = to_per_tensor(gain, offset, weight, channels)
    moved = F.layer_norm(x, (16,), one.gain, one.offset)
    torch.testing.assert_close(
        F.linear(moved, one.weight, bias + one.weight @ one.moved), F.linear(normed, weight, bias), atol=1e-3, rtol=1e-4
    )
    zero = float(one.quantiser.zero_point)
    assert zero == round(zero)
    assert 0 <= zero < 2**bits
    # The codes are those of the channels, but where rounding meets a tie.
    assert (one.quantiser.encode(moved) != channels.encode(normed)).float().mean() < 0.01
    assert (one.quantiser.encode(moved) - channels.encode(normed)).abs().max() <= 1


def test_the_error_goes_to_the_weights() -> None:
    torch.manual_seed(0)
    gain, weight = torch.ones(64), torch.randn(30, 64)
    gain[:3] = 12.0
    normed = F.layer_norm(torch.randn(500, 64), (64,), gain, torch.zeros(64))
    one = to_per_tensor(gain, torch.zeros(64), weight, UniformQuantiser.fit(normed, 4, axis=-1))

    def share(w: torch.Tensor) -> float:
        return UniformQuantiser.fit(w, 4, axis=0, symmetric=True).error(w) / float(w.square().mean())

    assert UniformQuantiser.fit(normed, 4, axis=-1).error(normed) < UniformQuantiser.fit(normed, 4).error(normed) / 3

    def seen(w: torch.Tensor, ratio: torch.Tensor) -> float:
        """Squared error of a weight, by channels as they count in the answer."""
        quantised = UniformQuantiser.fit(w, 4, axis=0, symmetric=True)(w)
        return float(((quantised - w) / ratio).square().mean())

    assert seen(one.weight, one.weight[0] / weight[0]) > 3 * seen(weight, torch.ones(64))
