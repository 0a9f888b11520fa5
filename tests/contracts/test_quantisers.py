"""What holds for every quantiser, wherever it was made for: few values, in order, each of which stands for itself."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from vitnas.errors import SettingsError, UnknownNameError
from vitnas.supernets.quantisers import QUANTISERS
from vitnas.supernets.quantisers.quantiser import Role
from vitnas.supernets.quantisers.simulation import SIMULATIONS, simulation

PAIRS = [(name, role) for name in QUANTISERS for role in Role if role in QUANTISERS.load(name).roles]
IDS = [f"{name}-{role.value}" for name, role in PAIRS]
every_pair = pytest.mark.parametrize(("name", "role"), PAIRS, ids=IDS)

KEEP_ZERO = {"uniform", "dual_clip", "power_of_two", "log2", "log_sqrt2", "twin", "tangent"}
KEEP_ZERO_AFTER_SOFTMAX = {"adalog"}
"""After a GELU its numbers are shifted."""


@dataclass(frozen=True)
class Drawn:
    """Numbers such as a role sees."""

    seed: int
    spread: float

    def at(self, role: Role) -> Tensor:
        x = torch.randn(40, 24, generator=torch.Generator().manual_seed(self.seed)) * self.spread
        match role:
            case Role.SOFTMAX:
                return x.softmax(dim=-1)
            case Role.GELU:
                return F.gelu(x)
            case Role.INPUTS:
                return x + self.spread
            case _:
                return x / 24**0.5


drawn = st.builds(Drawn, st.integers(0, 10**6), st.floats(0.2, 6))
bits_of = st.integers(2, 8)


@every_pair
@given(drawn=drawn, bits=bits_of)
@settings(max_examples=8, deadline=None)
def test_a_code_of_so_many_bits_stands_for_one_value(name: str, role: Role, drawn: Drawn, bits: int) -> None:
    values = drawn.at(role)
    quantiser = QUANTISERS.load(name).fit(values, bits)
    codes = quantiser.encode(values)
    assert 0 <= codes.min() <= codes.max() < 2**bits
    assert torch.equal(codes, codes.round())
    once = quantiser(values)
    assert len(once.unique()) <= 2**bits
    assert once.dtype == values.dtype
    assert torch.equal(quantiser.decode(codes).to(once.dtype), once)
    torch.testing.assert_close(quantiser(once), once, rtol=1e-5, atol=1e-6 * float(values.abs().max()))


@every_pair
@given(drawn=drawn, bits=bits_of)
@settings(max_examples=8, deadline=None)
def test_larger_numbers_have_no_smaller_values(name: str, role: Role, drawn: Drawn, bits: int) -> None:
    values = drawn.at(role)
    quantiser = QUANTISERS.load(name).fit(values, bits)
    most = 3 * float(values.abs().max())
    ordered = torch.cat([values.flatten(), torch.linspace(-most, most, 500)]).sort().values
    steps = quantiser(ordered)
    assert steps.isfinite().all()
    assert (steps.diff() >= 0).all()
    assert steps.abs().max() <= 1.01 * max(float(values.abs().max()), 1.0)  # what lies beyond is clipped


@every_pair
def test_more_bits_lose_less(name: str, role: Role) -> None:
    values = Drawn(3, 2.0).at(role)
    errors = [QUANTISERS.load(name).fit(values, bits).error(values) for bits in (2, 3, 4, 6, 8)]
    # Whole exponents gain nothing from finer codes, so there is a little room.
    assert all(more <= 1.15 * fewer for fewer, more in pairwise(errors))
    assert errors[2] < errors[0] / 2
    assert errors[0] < float(values.square().mean())


@every_pair
def test_zero_stays_zero_where_the_method_says_so(name: str, role: Role) -> None:
    values = Drawn(4, 2.0).at(role)
    kept = all(float(QUANTISERS.load(name).fit(values, bits)(torch.zeros(1))) == 0 for bits in range(2, 9))
    assert kept == (name in KEEP_ZERO or (name in KEEP_ZERO_AFTER_SOFTMAX and role is Role.SOFTMAX))


@every_pair
def test_tensors_of_one_number_are_no_trouble(name: str, role: Role) -> None:
    for values in (torch.zeros(9), torch.full((9,), 0.5), torch.full((1,), 1e-9)):
        quantiser = QUANTISERS.load(name).fit(values, 4)
        assert quantiser(values).isfinite().all()
        assert len(quantiser(torch.linspace(-2, 2, 300)).unique()) <= 16


@pytest.mark.parametrize("name", QUANTISERS.names())
def test_what_cannot_be_fitted_is_refused(name: str) -> None:
    fit = QUANTISERS.load(name).fit
    for bits in (1, 17):
        with pytest.raises(SettingsError, match=f"not {bits}"):
            fit(torch.rand(5), bits)
    for values in (torch.zeros(0), torch.tensor([1.0, torch.nan]), torch.tensor([torch.inf])):
        with pytest.raises(SettingsError, match="finite values"):
            fit(values, 4)


def test_only_uniform_steps_and_palettes_of_weights_are_executed() -> None:
    executed = {name: QUANTISERS.load(name).executed for name in QUANTISERS}
    assert {name for name in executed if executed[name]} == {"uniform", "codebook"}
    assert executed["codebook"] == {Role.WEIGHTS}
    assert all(QUANTISERS.load(name).executed <= QUANTISERS.load(name).roles for name in executed)
    assert {name for name, one in SIMULATIONS.items() if one.executed} == {"uniform", "palette"}


def test_methods_use_quantisers_where_they_were_made_for() -> None:
    for one in SIMULATIONS.values():
        for role in Role:
            assert role in QUANTISERS.load(one.at(role)).roles
    assert simulation("RepQ-ViT").softmax == "log_sqrt2"
    with pytest.raises(UnknownNameError, match="Did you mean 'RepQ-ViT'"):
        simulation("RepQViT")
