"""Predictor: what every learner of scores promises, what it refuses, and how it is kept in a file."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vitnas.errors import DataError, InvalidArchError, SearchError
from vitnas.files import BLANK, KEY, check_seal, seal_bytes, write_bytes
from vitnas.predictors.regressor import Arrays, Floats, Prediction
from vitnas.search_spaces import Arch, Codes, SearchSpace
from vitnas.search_spaces.cost_range import CostOf
from vitnas.search_spaces.site_values import SiteValues

FORMAT = "vitnas-predictor/3"
FEWEST_ARCHS = 4
BESIDE = "beside."
"""How the names of arrays begin that hold what a predictor reads beside choices."""
PROBES = 8
"""Archs whose predictions a file carries, so that one that would be read differently is refused."""

Population = Codes | Sequence[Arch]


class Predictor(ABC):
    """Learns a score from evaluated archs of one space.

    A subclass says how to fit and predict on clean data and which arrays make up what it learned.
    """

    name: str
    """The name in the registry; files carry it."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._fitted = False
        self._also: tuple[CostOf, ...] = ()

    def reading(self, *also: CostOf) -> Self:
        """The same, which reads these numbers of an arch beside its choices, if it learns from features.

        It is to be called before anything is learned. A file carries those that are `SiteValues`; with others it is not saved.
        """
        return self

    def fit(self, archs: Population, scores: ArrayLike) -> Self:
        """Learns anew from all of these archs.

        Args:
            archs: evaluated ones, as ``(n, columns)`` codes or as they are.
            scores: ``(n,)`` finite numbers.
        """
        codes = self._checked(archs)
        y = np.asarray(scores, dtype=np.float64)
        where = f"{self.name} predictor for space '{self.space.name}'"
        if y.shape != (len(codes),):
            raise DataError(f"{where}: need one score for each of {len(codes)} archs, got shape {y.shape}")
        if not np.isfinite(y).all():
            bad = int(np.flatnonzero(~np.isfinite(y))[0])
            raise DataError(f"{where}: score {bad} is {y[bad]}; leave out archs whose evaluation failed")
        distinct = len(np.unique(codes, axis=0))
        if distinct < FEWEST_ARCHS:
            raise DataError(
                f"{where}: {distinct} distinct archs are too few, at least {FEWEST_ARCHS} are needed; evaluate more"
            )
        if y.max() == y.min():
            raise DataError(
                f"{where}: all {len(y)} scores are {y[0]:g}, so there is nothing to learn; evaluate archs that differ "
                "more, or on more images"
            )
        self._fit(codes, y)
        self._fitted = True
        self._probes = codes[:PROBES].copy()
        return self

    def predict(self, archs: Population) -> Prediction:
        """Scores of a population that need not have been seen, as codes or as archs."""
        if not self._fitted:
            raise SearchError(
                f"{self.name} predictor for space '{self.space.name}' has learned nothing; call fit first"
            )
        mean, std = self._predict(self._checked(archs))
        return Prediction(mean, std)

    def save(self, path: Path) -> None:
        """Writes what was learned as safetensors."""
        from safetensors.numpy import save

        if not self._fitted:
            raise SearchError(f"cannot save a {self.name} predictor that has learned nothing; call fit first")
        beside = {f"{BESIDE}{i}": one.table for i, one in enumerate(self._also) if isinstance(one, SiteValues)}
        if len(beside) < len(self._also):
            raise SearchError(
                f"cannot save a {self.name} predictor that reads what no file carries; give it sums over layers (SiteValues)"
            )
        header = {
            "format": FORMAT,
            "predictor": self.name,
            "space": self.space.name,
            "fingerprint": self.space.fingerprint,
            KEY: BLANK,
        }
        probes = {"probe.codes": self._probes, "probe.mean": self.predict(self._probes).mean}
        arrays = {name: np.ascontiguousarray(array) for name, array in {**self._state(), **probes, **beside}.items()}
        write_bytes(path, seal_bytes(save(arrays, {"vitnas": json.dumps(header)})))

    @classmethod
    def load(cls, path: Path, space: SearchSpace) -> Self:
        """Reads what `save` wrote, for the space that it was fitted on."""
        header, arrays = read_predictor(path)
        if header.get("format") != FORMAT:
            raise DataError(f"'{path}': format is {header.get('format')!r}, this version reads '{FORMAT}'; fit it anew")
        if header.get("predictor") != cls.name:
            raise DataError(f"'{path}' holds a {header.get('predictor')} predictor, not a {cls.name} one")
        if header.get("fingerprint") != space.fingerprint:
            raise DataError(
                f"'{path}' was fitted on space '{header.get('space')}' ({header.get('fingerprint')}), not on "
                f"'{space.name}' ({space.fingerprint}); load it with its own space, or fit it anew"
            )
        beside = [arrays[name] for name in sorted(n for n in arrays if n.startswith(BESIDE))]
        if any(table.shape != SiteValues.zeros(space).shape for table in beside):
            raise DataError(f"'{path}' is damaged (what it reads beside choices is not of '{space.name}'); fit it anew")
        found = cls(space).reading(*(SiteValues(space, table) for table in beside))
        try:
            found._restore(arrays)
            found._probes, before = arrays["probe.codes"], arrays["probe.mean"]
        except (KeyError, ValueError) as error:
            raise DataError(f"'{path}' is damaged ({error}); fit it anew") from None
        found._fitted = True
        now = found.predict(found._probes).mean
        if not np.isfinite(before).all() or not np.allclose(now, before, rtol=1e-3, atol=1e-3 * float(np.ptp(before))):
            raise DataError(
                f"'{path}' predicts {now[0]:g} of an arch of which it predicted {before[0]:g} when it was written: "
                "this version counts or reads archs differently; fit it anew"
            )
        return found

    @abstractmethod
    def _fit(self, codes: Codes, scores: Floats) -> None: ...

    @abstractmethod
    def _predict(self, codes: Codes) -> tuple[Floats, Floats]: ...

    @abstractmethod
    def _state(self) -> Arrays: ...

    @abstractmethod
    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Takes over what `_state` gave; a `KeyError` or `ValueError` means damage."""

    def _checked(self, archs: Population) -> Codes:
        codes = archs if isinstance(archs, np.ndarray) else self.space.encode(archs)
        columns = len(self.space.columns)
        where = f"{self.name} predictor for space '{self.space.name}'"
        if codes.ndim != 2 or codes.shape[1] != columns:
            raise InvalidArchError(f"{where}: codes must have shape (archs, {columns}), got {codes.shape}")
        if not np.issubdtype(codes.dtype, np.integer):
            raise InvalidArchError(f"{where}: codes must be integers, got {codes.dtype}; use space.encode")
        bad = np.flatnonzero(~self.space.genome.valid(codes))
        if len(bad):
            raise InvalidArchError(
                f"{where}: row {bad[0]} of the codes is no arch of the space ({codes[bad[0]].tolist()}); "
                "encode archs with the space that the predictor was made for"
            )
        return codes


def read_predictor(path: Path) -> tuple[dict[str, str], Arrays]:
    """Header and arrays of a predictor file."""
    from safetensors import SafetensorError, safe_open

    try:
        check_seal(path)
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})["vitnas"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise DataError(f"predictor file '{path}' does not exist; check the path") from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise DataError(f"'{path}' is no predictor that vitnas wrote ({error}); fit it anew") from None
    if not isinstance(header, dict):
        raise DataError(f"'{path}' is no predictor that vitnas wrote; fit it anew")
    return header, arrays
