"""A search while it is at work: its study, read from beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vitnas.errors import InvalidArchError, SearchError
from vitnas.nas.objectives import Objective, non_dominated, to_minimise
from vitnas.nas.pareto.answers import ANSWERS
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.quantity import std_of
from vitnas.nas.study import MARK, as_recorded
from vitnas.nas.trials import Rows
from vitnas.reporting.evaluated import Evaluated
from vitnas.search_spaces import Arch


def front_so_far(folder: Path) -> tuple[ParetoFront, Evaluated] | None:
    """What no arch evaluated by now beats, and all of them; None before the first evaluation.

    Limits and measurements of latency are weighed when the search ends, so the front may still lose points.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    database = folder / "study.db"
    if not database.is_file():
        return None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.RDBStorage(f"sqlite:///{database.resolve()}")
        studies = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
        marked = next((study for study in studies if MARK in study.user_attrs), None)
        if marked is None:
            return None
        mark = marked.user_attrs[MARK]
        trials = Rows(storage, storage.get_study_id_from_name(marked.study_name), columns=())
        notes = [attrs for _, attrs in trials.news() if "arch" in attrs and as_recorded(attrs)]
        return _front(mark, notes)
    except (
        optuna.exceptions.OptunaError, SQLAlchemyError, RuntimeError, InvalidArchError, KeyError, TypeError, ValueError,
    ) as error:  # fmt: skip
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise SearchError(f"cannot read the study '{database}': {reason}; wait for the search to end") from None


def _front(mark: Mapping[str, Any], notes: list[Mapping[str, Any]]) -> tuple[ParetoFront, Evaluated] | None:
    objectives = tuple(Objective.named(name) for name in mark["objectives"])
    good = [note for note in notes if "metrics" in note]
    if not good:
        return None
    names = list(dict.fromkeys(name for note in good for name in note["metrics"]))
    metrics = [note.get("metrics", {}) for note in notes]
    figures = {name: np.array([one.get(name, np.nan) for one in metrics], dtype=np.float64) for name in names}
    archs = [Arch.from_json(note["arch"]) for note in notes]
    whole = np.isfinite(np.column_stack([figures[o.name] for o in objectives])).all(axis=1)
    rows = np.flatnonzero(whole)
    values = to_minimise([figures[o.name][rows] for o in objectives], objectives)
    best = sorted(rows[non_dominated(values)], key=lambda i: _order(objectives, metrics[i]))
    points = [
        Point(
            archs[i],
            {o.name: metrics[i][o.name] for o in objectives},
            {},  # told when the search ends
            {o.name: metrics[i][std_of(o.name)] for o in objectives if std_of(o.name) in metrics[i]},
            str(notes[i].get(ANSWERS, "")),
        )
        for i in best
    ]
    front = ParetoFront(
        mark["space"], mark["fingerprint"], objectives, tuple(points), config={"origin": mark["origin"]}
    )
    evaluated = Evaluated([a.id for a in archs], [n["arch"] for n in notes], figures, len(notes) - len(good))
    return front, evaluated


def _order(objectives: tuple[Objective, ...], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """As in a finished front: by what is minimised, then the rest."""
    ranked = sorted(objectives, key=lambda o: o.direction != "minimise")
    return tuple(o.sign * metrics[o.name] for o in ranked)
