"""Trials: ended evaluations in an Optuna storage, added many at a time and read without what a search never asks for."""

from __future__ import annotations

import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState, create_trial
from sqlalchemy import insert, inspect, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from vitnas.search_spaces import OFF
from vitnas.search_spaces.gene import Column

TRIES = 5
"""How often a database that others keep locked is asked, as by Optuna."""

ENDED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


@dataclass(frozen=True)
class Ended:
    """One evaluation, ready to become a trial.

    Attributes:
        codes: of the arch, one a column of the space.
        values: of the objectives, or None where the evaluation failed or was stopped.
        attrs: what else is kept of it.
        stopped: whether it was stopped; Optuna calls that pruned.
    """

    codes: Sequence[int]
    values: Sequence[float] | None
    attrs: Mapping[str, Any]
    stopped: bool = False

    @property
    def state(self) -> TrialState:
        if self.stopped:
            return TrialState.PRUNED
        return TrialState.FAIL if self.values is None else TrialState.COMPLETE


class Trials(ABC):
    """The ended trials of one study, one parameter a switched-on column of the space."""

    @abstractmethod
    def add(self, ended: Sequence[Ended]) -> None:
        """Adds trials; they are on the disk when this returns."""

    @abstractmethod
    def news(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Numbers and attributes of trials that ended and were not given yet; those added here may be among them."""


def trials_of(study: optuna.Study, storage: object, columns: Sequence[Column]) -> Trials:
    """Row by row where the storage is a database, else as Optuna does it."""
    if isinstance(storage, RDBStorage):
        return Rows(storage, storage.get_study_id_from_name(study.study_name), columns)
    return AnyTrials(study, columns)


class AnyTrials(Trials):
    """In any storage of Optuna, by its public functions: one trial after the other."""

    def __init__(self, study: optuna.Study, columns: Sequence[Column]) -> None:
        self._study = study
        self._columns = columns
        self._distributions = [CategoricalDistribution(column.choices) for column in columns]
        self._seen = 0

    def add(self, ended: Sequence[Ended]) -> None:
        for one in ended:
            on = [i for i, code in enumerate(one.codes) if code != OFF]
            self._study.add_trial(
                create_trial(
                    state=one.state,
                    values=one.values,
                    params={self._columns[i].name: self._columns[i].choices[one.codes[i]] for i in on},
                    distributions={self._columns[i].name: self._distributions[i] for i in on},
                    user_attrs=dict(one.attrs),
                )
            )

    def news(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials[self._seen :]:
            if trial.state in ENDED:
                yield trial.number, trial.user_attrs
        self._seen = next(
            (i for i, t in enumerate(trials[self._seen :], self._seen) if not t.state.is_finished()), len(trials)
        )


class Rows(Trials):
    """In a database: the very rows that Optuna's `add_trial` would write, all of a batch in one transaction.

    `add_trial` asks the database about 100 things to write one trial of 27 parameters, and building the trials to read
    them takes as long. The tables are Optuna's own; what it makes of them is held against `add_trial` by a test.
    """

    def __init__(self, storage: RDBStorage, study_id: int, columns: Sequence[Column]) -> None:
        self._engine = storage.engine
        self._id = study_id
        self._columns = [(c.name, distribution_to_json(CategoricalDistribution(c.choices))) for c in columns]
        self._latest = -1
        """Of the trials that were given, the largest id in the database."""

    def add(self, ended: Sequence[Ended]) -> None:
        if not ended:
            return
        for turn in range(1, TRIES + 1):
            try:
                with Session(self._engine) as session, session.begin():
                    before, latest = self._write(session, ended)
                break
            except OperationalError as error:
                if turn == TRIES or "lock" not in str(error.orig).lower():
                    raise
                time.sleep(random.random() * 2.0)
        if before <= self._latest:  # nobody else has added anything, so there is nothing to read
            self._latest = latest

    def news(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        found: dict[int, tuple[int, dict[str, Any]]] = {}
        with self._engine.connect() as connection:
            for trial_id, number, key, value in connection.execute(attributes_since(self._id, self._latest)):
                found.setdefault(trial_id, (number, {}))[1][key] = json.loads(value)
        self._latest = max(found, default=self._latest)
        yield from found.values()

    def _write(self, session: Session, ended: Sequence[Ended]) -> tuple[int, int]:
        """The largest ids before and after."""
        # Holds the study until the end, on every database, so that nobody else gives the same numbers.
        study = models.StudyModel
        session.execute(update(study).where(study.study_id == self._id).values(study_name=study.study_name))
        trial = models.TrialModel
        newest = select(trial.trial_id, trial.number).where(trial.study_id == self._id)
        before, number = session.execute(newest.order_by(trial.trial_id.desc()).limit(1)).first() or (-1, -1)
        times = _times(datetime.now())
        numbered = enumerate(ended, number + 1)
        made = [{"study_id": self._id, "number": i, "state": one.state, **times} for i, one in numbered]
        session.execute(insert(trial.__table__), made)
        ids = session.scalars(newest.where(trial.trial_id > before).order_by(trial.trial_id)).all()
        rows = list(zip(ids, ended, strict=True))
        for table, row_of in _CHILDREN.items():
            found = [row for trial_id, one in rows for row in row_of(trial_id, one, self._columns)]
            if found:
                session.execute(insert(table.__table__), found)
        return before, ids[-1]


def attributes_since(study_id: int, trial_id: int) -> Any:
    """Id, number, key and JSON of the attributes of ended trials after one, in order."""
    trial, attribute = models.TrialModel, models.TrialUserAttributeModel
    return (
        select(trial.trial_id, trial.number, attribute.key, attribute.value_json)
        .join(attribute, attribute.trial_id == trial.trial_id)
        .where(trial.study_id == study_id, trial.trial_id > trial_id)
        .where(trial.state.in_(ENDED))
        .order_by(trial.trial_id, attribute.trial_user_attribute_id)
    )


def _times(now: datetime) -> dict[str, Any]:
    """The columns of a trial that took no time, as Optuna stores them."""
    made = models.TrialModel(datetime_start=now, datetime_complete=now)
    attributes = inspect(models.TrialModel).column_attrs
    found = {each.columns[0].name: getattr(made, each.key) for each in attributes}
    return {name: value for name, value in found.items() if value is not None}


_Rows = list[dict[str, Any]]
_Names = Sequence[tuple[str, str]]


def _values(trial_id: int, one: Ended, columns: _Names) -> _Rows:
    kind = models.TrialValueModel.TrialValueType.FINITE
    return [
        {"trial_id": trial_id, "objective": i, "value": value, "value_type": kind}
        for i, value in enumerate(one.values or ())
    ]


def _params(trial_id: int, one: Ended, columns: _Names) -> _Rows:
    return [
        {"trial_id": trial_id, "param_name": name, "param_value": code, "distribution_json": distribution}
        for (name, distribution), code in zip(columns, one.codes, strict=True)
        if code != OFF
    ]


def _attrs(trial_id: int, one: Ended, columns: _Names) -> _Rows:
    return [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in one.attrs.items()]


_CHILDREN: dict[Any, Callable[[int, Ended, _Names], _Rows]] = {
    models.TrialValueModel: _values,
    models.TrialParamModel: _params,
    models.TrialUserAttributeModel: _attrs,
}
