"""GP: a Gaussian process, a straight line plus a smooth bend, on counts and choices. Numpy and scipy only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.predictors.learned import LearnedPredictor
from vitnas.predictors.network_features import NetworkFeatures
from vitnas.predictors.regressor import Arrays, Floats, Option, Regressor, scaling

LEARNED_FROM = 300
"""Rows that lengths and variances are learned from; the rest refine the prediction only."""

MOST_LANDMARKS = 256
"""Rows that a prediction compares with; up to here the process is exact."""

JITTER = 1e-8


class GPRegressor(Regressor):
    """y ~ line * z.z' + bend * exp(-|z - z'|^2 / 2) + noise, z the features, each group in a length of its own.

    Line, bend, noise and lengths maximise the evidence of the data times a wide prior. With more rows than
    landmarks, the process is projected onto landmarks that are spread out by pivoted Cholesky decomposition
    (Rasmussen and Williams, 2006, section 8.3.4), and predictions cost the same from there on.
    """

    options: Mapping[str, Option] = {
        "length": Option(2.0, 0.3, 20.0),
        "noise": Option(0.1, 0.01, 1.0),
    }

    def _fit(self, X: Floats, t: Floats) -> tuple[Floats, Floats]:
        self._center, scale = scaling(X)
        spread = X.std(axis=0) > 0
        groups = np.repeat(np.arange(len(self.groups)), self.groups) if self.groups else np.zeros(X.shape[1], np.intp)
        sizes = np.maximum(np.bincount(groups, weights=spread), 1.0)
        self._weights = spread / (scale * np.sqrt(sizes[groups]))
        Z = (X - self._center) * self._weights
        some = np.random.default_rng(0).permutation(len(t))[:LEARNED_FROM]
        present = np.unique(groups)
        logs = self._learn(Z[some], t[some], [groups == g for g in present])
        self._line, self._bend, self._noise = np.exp(logs[:3]).tolist()
        self._weights = self._weights / np.exp(logs[3:])[np.searchsorted(present, groups)]
        return self._condition((X - self._center) * self._weights, t)

    def _learn(self, Z: Floats, t: Floats, members: list[NDArray[np.bool_]]) -> Floats:
        """Logarithms of line, bend, noise and of the length of each group."""
        from scipy.optimize import minimize

        inner = np.stack([Z[:, m] @ Z[:, m].T for m in members])
        length, noise = np.log(self.chosen["length"]), np.log(self.chosen["noise"])
        prior = np.array([0.0, 0.0, noise, *[length] * len(members)])
        width = np.array([3.0, 2.0, 2.0, *[1.0] * len(members)])
        found = minimize(
            _cost,
            prior,
            args=(inner, t, prior, width),
            jac=True,
            method="L-BFGS-B",
            bounds=[(p - 4 * w, p + 4 * w) for p, w in zip(prior, width, strict=True)],
            options={"maxiter": 60},
        )
        best: Floats = found.x
        return best

    def _condition(self, Z: Floats, t: Floats) -> tuple[Floats, Floats]:
        """Predictions of every row from all others, and what is needed to predict new ones."""
        from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular

        self._landmarks = Z[_spread_out(self._kernel, Z, self._noise)]
        K = self._kernel(self._landmarks, self._landmarks)
        lower = cholesky(K + JITTER * np.trace(K) / len(K) * np.eye(len(K)), lower=True)
        phi = solve_triangular(lower, self._kernel(self._landmarks, Z), lower=True).T
        A = cho_factor(phi.T @ phi + self._noise * np.eye(len(lower)), lower=True)
        along = cho_solve(A, phi.T @ t)
        self._alpha = solve_triangular(lower, along, lower=True, trans="T")
        # Of k* the landmarks explain k* C k*, C = L^-T (1 - noise A^-1) L^-1, kept as its square root.
        explained = np.eye(len(lower)) - self._noise * cho_solve(A, np.eye(len(lower)))
        values, vectors = np.linalg.eigh(explained)
        self._explain = solve_triangular(lower, vectors * np.sqrt(np.maximum(values, 0.0)), lower=True, trans="T")
        far = np.maximum(self._prior(Z) - np.einsum("nm,nm->n", phi, phi), 0.0)
        unseen = np.maximum(1 - np.einsum("nm,mn->n", phi, cho_solve(A, phi.T)), 1e-6)
        return t - (t - phi @ along) / unseen, np.sqrt(self._noise / unseen + far)

    def _predict(self, X: Floats) -> tuple[Floats, Floats]:
        # Single precision is twice as fast and errs by less than a thousandth of the scores' deviation.
        Z = ((X - self._center) * self._weights).astype(np.float32)
        K = self._kernel(Z, self._landmarks.astype(np.float32))
        known = K @ self._explain.astype(np.float32)
        left = self._prior(Z) - np.einsum("nm,nm->n", known, known)
        mean = (K @ self._alpha.astype(np.float32)).astype(np.float64)
        return mean, np.sqrt(np.maximum(left.astype(np.float64), 0.0) + self._noise)

    def _kernel(self, A: NDArray[Any], B: NDArray[Any]) -> NDArray[Any]:
        inner: NDArray[Any] = A @ B.T
        bent = inner - np.einsum("nf,nf->n", A, A)[:, None] / 2
        bent -= np.einsum("nf,nf->n", B, B)[None] / 2
        np.exp(np.minimum(bent, 0.0, out=bent), out=bent)
        inner *= self._line
        bent *= self._bend
        inner += bent
        return inner

    def _prior(self, Z: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = np.einsum("nf,nf->n", Z, Z) * self._line + self._bend
        return found

    def _state(self) -> Arrays:
        return {
            "center": self._center,
            "weights": self._weights,
            "landmarks": self._landmarks,
            "alpha": self._alpha,
            "explain": self._explain,
            "numbers": np.array([self._line, self._bend, self._noise]),
        }

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._center, self._weights, self._landmarks = arrays["center"], arrays["weights"], arrays["landmarks"]
        self._alpha, self._explain = arrays["alpha"], arrays["explain"]
        self._line, self._bend, self._noise = arrays["numbers"].tolist()
        features, landmarks = len(self._center), len(self._alpha)
        if self._landmarks.shape != (landmarks, features) or len(self._explain) != landmarks:
            raise ValueError(f"arrays do not fit {features} features and {landmarks} landmarks")


def _cost(logs: Floats, inner: NDArray[np.float64], t: Floats, prior: Floats, width: Floats) -> tuple[float, Floats]:
    """Negative log posterior of the logarithms, and its gradient."""
    from scipy.linalg import cho_factor, cho_solve

    line, bend, noise = np.exp(logs[:3])
    scaled = inner * np.exp(-2 * logs[3:])[:, None, None]
    total = scaled.sum(axis=0)
    norms = np.diagonal(scaled, axis1=1, axis2=2)
    distances = norms[:, :, None] + norms[:, None, :] - 2 * scaled
    bent = bend * np.exp(-distances.sum(axis=0) / 2)
    straight = line * total
    away = (logs - prior) / width
    try:
        factor = cho_factor(
            straight + bent + (noise + JITTER * (line * np.trace(total) / len(t) + bend)) * np.eye(len(t)), lower=True
        )
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(logs)
    alpha = cho_solve(factor, t)
    value = t @ alpha / 2 + np.log(np.diag(factor[0])).sum() + away @ away / 2
    slope = (cho_solve(factor, np.eye(len(t))) - np.outer(alpha, alpha)) / 2
    gradient = [(slope * straight).sum(), (slope * bent).sum(), noise * np.trace(slope)]
    gradient += [(slope * (bent * d - 2 * line * s)).sum() for d, s in zip(distances, scaled, strict=True)]
    return float(value), np.array(gradient) + away / width


def _spread_out(kernel: Any, Z: Floats, noise: float) -> NDArray[np.intp]:
    """Rows by pivoted Cholesky decomposition: each is the one that those before it explain least."""
    if len(Z) <= MOST_LANDMARKS:
        return np.arange(len(Z))
    left = np.array([kernel(row[None], row[None])[0, 0] for row in Z])
    factor = np.zeros((MOST_LANDMARKS, len(Z)))
    picked: list[int] = []
    for i in range(MOST_LANDMARKS):
        best = int(left.argmax())
        picked.append(best)
        row = kernel(Z[best : best + 1], Z)[0] - factor[:i, best] @ factor[:i]
        factor[i] = row / np.sqrt(max(left[best], 1e-12))
        left = np.maximum(left - factor[i] ** 2, 0.0)
        left[picked] = -1.0
    return np.array(picked)


class GP(LearnedPredictor):
    """A Gaussian process on choices, sums and counts."""

    name = "gp"
    features = NetworkFeatures
    regressor = GPRegressor
