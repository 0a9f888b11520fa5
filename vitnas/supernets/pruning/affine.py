"""The affine map with the least squared error from rows to rows, which come in batches."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class _AffineSums:
    """What was seen; rows count from means of the first batch, to lose no digits."""

    near_x: Tensor
    near_y: Tensor
    first_x: Tensor
    first_y: Tensor
    inner: Tensor
    cross: Tensor

    @classmethod
    def around(cls, x: Tensor, y: Tensor) -> _AffineSums:
        n, m = x.shape[1], y.shape[1]
        zeros = (torch.zeros(*shape, dtype=torch.float64) for shape in ((n,), (m,), (n, n), (m, n)))
        return cls(x.double().mean(dim=0), y.double().mean(dim=0), *zeros)


@dataclass
class AffineFit:
    """A least squares fit that has seen `rows` rows so far."""

    rows: int = 0
    _sums: _AffineSums | None = field(default=None, repr=False)

    def see(self, x: Tensor, y: Tensor) -> None:
        """Adds a batch: (rows, in) and (rows, out)."""
        own = self._sums = self._sums or _AffineSums.around(x, y)
        off_x, off_y = x.double() - own.near_x, y.double() - own.near_y
        self.rows += len(x)
        own.first_x += off_x.sum(dim=0)
        own.first_y += off_y.sum(dim=0)
        own.inner += off_x.T @ off_x
        own.cross += off_y.T @ off_x

    def solve(self) -> tuple[Tensor, Tensor]:
        """The weight (out, in) and the bias (out,), in double precision; of several that fit alike, the least."""
        assert self._sums is not None
        own = self._sums
        mean_x, mean_y = own.first_x / self.rows, own.first_y / self.rows
        inner = own.inner - self.rows * torch.outer(mean_x, mean_x)
        cross = own.cross - self.rows * torch.outer(mean_y, mean_x)
        weight = cross @ torch.linalg.pinv(inner, hermitian=True)
        return weight, own.near_y + mean_y - weight @ (own.near_x + mean_x)
