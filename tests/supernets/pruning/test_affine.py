"""Affine maps by least squares, from batches."""

from __future__ import annotations

import torch

from vitnas.supernets.pruning.affine import AffineFit


def test_an_affine_map_is_found_again() -> None:
    rng = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(5, 7, generator=rng), torch.randn(5, generator=rng)
    fit = AffineFit()
    for n in (6, 9, 1):
        x = torch.randn(n, 7, generator=rng) * 3 + 10
        fit.see(x, x @ weight.T + bias)
    found, shift = fit.solve()
    assert fit.rows == 16
    torch.testing.assert_close(found.float(), weight, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(shift.float(), bias, rtol=1e-4, atol=1e-3)


def test_it_is_the_least_squares_of_numpy_however_rows_are_divided() -> None:
    rng = torch.Generator().manual_seed(1)
    x, y = torch.randn(64, 6, generator=rng) + 2, torch.randn(64, 3, generator=rng)
    design = torch.cat([x.double(), torch.ones(64, 1, dtype=torch.float64)], dim=1)
    expected = torch.linalg.lstsq(design, y.double()).solution
    for sizes in ([64], [10, 20, 34], [1] * 64):
        fit = AffineFit()
        for rows, answers in zip(x.split(sizes), y.split(sizes), strict=True):
            fit.see(rows, answers)
        weight, bias = fit.solve()
        torch.testing.assert_close(weight, expected[:-1].T)
        torch.testing.assert_close(bias, expected[-1])


def test_channels_that_never_move_are_no_trouble() -> None:
    x = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    x[:, 2] = 3.0
    x[:, 3] = x[:, 0]
    fit = AffineFit()
    fit.see(x, x[:, :1] * 2 + 1)
    weight, bias = fit.solve()
    assert weight.abs().max() < 3
    torch.testing.assert_close((x.double() @ weight.T + bias).float(), x[:, :1] * 2 + 1)
