"""MLP: an ensemble of small networks that learn which of two archs is better, and by how much."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vitnas.predictors.learned import LearnedPredictor
from vitnas.predictors.network_features import NetworkFeatures
from vitnas.predictors.regressor import Arrays, Floats, Option, Regressor, deal, scaling

if TYPE_CHECKING:
    from torch import Tensor

FOLDS = 5
MEMBERS = 2 * FOLDS
HIDDEN = 32
STEPS = 200
BATCH = 128
OPPONENTS = 8
RATE = 0.015
SHARPNESS = 10.0
"""A pair whose scores differ by a tenth of their deviation is half way to being certain."""


class MLPRegressor(Regressor):
    """Members f(x) = line(x) + hidden layer, trained side by side; each leaves one fold out.

    The loss is the squared error plus, over random pairs, the cross-entropy between the sigmoids of the predicted and of
    the true difference. Both are least at the truth, so ranking better does not bend the scale. Torch trains;
    predictions are numpy's.
    """

    options: Mapping[str, Option] = {"decay": Option(1.0, 0.1, 5.0), "ranking": Option(1.0, 0.1, 10.0)}

    def _fit(self, X: Floats, t: Floats) -> tuple[Floats, Floats]:
        self._center, scale = scaling(X)
        sizes = np.repeat(self.groups, self.groups) if self.groups else np.full(X.shape[1], X.shape[1])
        # Groups weigh the same, however many features they have.
        share = np.sqrt(max(len(self.groups), 1) / np.maximum(sizes, 1))
        self._scale = np.where(X.std(axis=0) > 0, share / scale, 0.0)
        first = [deal(len(t), FOLDS, seed) for seed in range(MEMBERS // FOLDS)]
        unseen = np.stack([first[i // FOLDS] == i % FOLDS for i in range(MEMBERS)])
        self._train((X - self._center) * self._scale, t, ~unseen)
        by_member = self._by_member(X)
        mean = (by_member * unseen).sum(axis=0) / unseen.sum(axis=0)
        self._noise = max(float(((mean - t) ** 2).mean()), 1e-12)
        return mean, np.sqrt(self._noise + by_member.var(axis=0))

    def _train(self, Z: Floats, t: Floats, seen: NDArray[np.bool_]) -> None:
        import torch

        chance = torch.Generator().manual_seed(0)
        width = Z.shape[1]
        within = math.sqrt(max(len(self.groups), 1))
        first = torch.randn(width, MEMBERS * HIDDEN, generator=chance) / within
        last = torch.randn(MEMBERS, HIDDEN, generator=chance) * (0.1 / math.sqrt(HIDDEN))
        weights = [first, last, torch.zeros(width, MEMBERS)]
        biases = [torch.zeros(MEMBERS * HIDDEN), torch.zeros(MEMBERS)]
        for parameter in (*weights, *biases):
            parameter.requires_grad_()
        optimiser = torch.optim.AdamW(
            [{"params": weights, "weight_decay": self.chosen["decay"]}, {"params": biases, "weight_decay": 0.0}],
            fused=True,
        )
        inputs, target = torch.tensor(Z, dtype=torch.float32), torch.tensor(t, dtype=torch.float32)
        counts = torch.tensor(seen, dtype=torch.float32)
        with torch.enable_grad():
            for step in range(STEPS):
                for group in optimiser.param_groups:
                    group["lr"] = RATE / 2 * (1 + math.cos(math.pi * step / STEPS)) * min(1.0, (step + 1) / 10)
                rows = torch.randperm(len(t), generator=chance)[:BATCH]
                hidden = torch.nn.functional.silu(inputs[rows] @ weights[0] + biases[0])
                bent = (hidden.view(len(rows), MEMBERS, HIDDEN) * weights[1]).sum(dim=2)
                predicted = (bent + inputs[rows] @ weights[2] + biases[1]).T
                loss = _loss(predicted, target[rows], counts[:, rows], self.chosen["ranking"], chance)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        self._first, self._last, self._line = (w.detach().numpy() for w in weights)
        self._bias, self._level = (b.detach().numpy() for b in biases)

    def _predict(self, X: Floats) -> tuple[Floats, Floats]:
        by_member = self._by_member(X)
        return by_member.mean(axis=0), np.sqrt(self._noise + by_member.var(axis=0))

    def _by_member(self, X: Floats) -> Floats:
        Z = ((X - self._center) * self._scale).astype(np.float32)
        hidden = Z @ self._first
        hidden += self._bias
        hidden /= 1 + np.exp(np.minimum(-hidden, 80.0))
        bent = np.einsum("nmh,mh->mn", hidden.reshape(len(Z), MEMBERS, HIDDEN), self._last)
        found: Floats = (bent + (Z @ self._line + self._level).T).astype(np.float64)
        return found

    def _state(self) -> Arrays:
        return {
            "center": self._center,
            "scale": self._scale,
            "first": self._first,
            "last": self._last,
            "line": self._line,
            "bias": self._bias,
            "level": self._level,
            "noise": np.array([self._noise]),
        }

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._center, self._scale = arrays["center"], arrays["scale"]
        self._first, self._last, self._line = arrays["first"], arrays["last"], arrays["line"]
        self._bias, self._level = arrays["bias"], arrays["level"]
        (self._noise,) = arrays["noise"].tolist()
        width = len(self._center)
        if self._first.shape != (width, MEMBERS * HIDDEN) or self._line.shape != (width, MEMBERS):
            raise ValueError(f"arrays do not fit {width} features and {MEMBERS} members")


def _loss(predicted: Tensor, true: Tensor, counts: Tensor, ranking: float, chance: Any) -> Tensor:
    """Mean over members of squared error and pairwise cross-entropy, on the archs that a member may see.

    Args:
        predicted: ``(members, n)``.
        true: ``(n,)``.
        counts: ``(members, n)``, 1 where a member may see an arch.
        ranking: weight of the pairs.
        chance: draws each arch's opponents.
    """
    import torch
    from torch.nn import functional as F

    squared = (((predicted - true) ** 2 * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1)).sum()
    other = torch.stack([torch.randperm(len(true), generator=chance) for _ in range(OPPONENTS)])
    better = SHARPNESS * (predicted[:, None] - predicted[:, other])
    truly = torch.sigmoid(SHARPNESS * (true - true[other]))
    both = counts[:, None] * counts[:, other]
    return squared + ranking * len(predicted) * ((F.softplus(better) - truly * better) * both).sum() / both.sum().clamp(
        min=1
    )


class MLP(LearnedPredictor):
    """An ensemble of networks on choices, sums and counts; torch is needed to fit, not to predict."""

    name = "mlp"
    features = NetworkFeatures
    regressor = MLPRegressor
