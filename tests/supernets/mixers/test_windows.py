"""Windows, shifts and offsets against their plain forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitnas.supernets.mixers.windows import cyclic_shift, from_windows, offset_index, pair_index, shift_mask, to_windows


def test_windows_at_rank_4_are_those_of_the_6d_view() -> None:
    x = torch.randn(2, 6, 8, 5)
    expected = x.reshape(2, 2, 3, 2, 4, 5).permute(0, 1, 3, 2, 4, 5).reshape(-1, 12, 5)
    assert torch.equal(to_windows(x, 3, 4), expected)
    assert torch.equal(from_windows(expected, 3, 4, (6, 8)), x)


@pytest.mark.parametrize("steps", [-3, -1, 0, 2, 5])
@pytest.mark.parametrize("axis", [1, 2])
def test_a_cyclic_shift_is_a_roll(steps: int, axis: int) -> None:
    x = torch.randn(2, 5, 7, 3)
    assert torch.equal(cyclic_shift(x, steps, axis), x.roll(steps, axis))


def test_an_offset_is_the_query_less_the_key() -> None:
    table = np.arange(3 * 5).reshape(3, 5)  # offsets -1..1 down, -2..2 across
    found = table.ravel()[offset_index(2, 3)]
    assert found[0, 0] == table[1, 2]
    assert found[0, 5] == table[1 - 1, 2 - 2]  # from (0, 0) to (1, 2)
    assert found[4, 2] == table[1 + 1, 2 - 1]  # from (1, 1) to (0, 2)


def test_dilated_offsets_are_counted_in_steps() -> None:
    found = pair_index(1, 6, 2, (1, 3))  # offsets -2..2 of two places each
    assert found[5, 1] == 2 + 2
    assert found[0, 4] == 2 - 2


def test_the_mask_hides_what_the_shift_brought_together() -> None:
    mask = shift_mask((4, 4), 2)
    assert mask.shape == (4, 4, 4)
    assert (mask[0] == 0).all()  # the first window is whole
    assert (mask[-1] == 0).sum() == 4  # the last holds four corners, strangers to each other
