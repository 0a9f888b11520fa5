"""Study: every true evaluation as a trial of an Optuna study, so that nothing is evaluated twice."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import optuna
from sqlalchemy.exc import SQLAlchemyError

from vitnas.errors import InvalidArchError, SearchError
from vitnas.files import KEY, describe_trouble, disk_trouble, holds, refuse_link, sealed, writing
from vitnas.latency_lut.protocol import Timing
from vitnas.nas.early import StoppedEarly
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.answers import ANSWERS
from vitnas.nas.trials import Ended, trials_of
from vitnas.search_spaces import Arch, SearchSpace

MARK = "vitnas"
STUDY_FILE = "study.db"
TIMING = "timing "
STOPPED = "stopped"
RECORDED = ("arch", "arch_id", "seconds", "error", STOPPED, "metrics", ANSWERS, KEY)
"""Attributes of a trial."""
JOURNAL = "journal:///"
POSTGRESQL = "postgresql://"


@dataclass(frozen=True)
class Evaluation:
    """What one arch was found to be.

    Attributes:
        arch: the architecture.
        metrics: quantity -> value; empty when the evaluation failed or was stopped.
        seconds: how long it took.
        error: why it failed, or None.
        answers: on which images it was right, as `Answers` writes them; empty where that is not known.
        stopped: what was known when it was stopped, or None.
    """

    arch: Arch
    metrics: Mapping[str, float]
    seconds: float
    error: str | None = None
    answers: str = ""
    stopped: StoppedEarly | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the arch was evaluated to the end, and well."""
        return self.error is None and self.stopped is None


class Study:
    """The record of a search; open the same one again to continue."""

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        storage: str,
        name: str,
        origin: Mapping[str, str],
        shared: bool = True,
    ) -> None:
        """Opens or begins a study.

        Args:
            space: that all its archs belong to.
            objectives: the values of its trials.
            storage: an Optuna storage URL, or ``journal:///FILE``.
            name: of the study in the storage.
            origin: what the figures come from; a study of other origin is refused.
            shared: whether others may add to it meanwhile.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._objectives = tuple(objectives)
        self._where = f"study '{name}' in {_without_password(storage)}"
        with _told_as_search_errors(self._where):
            opened = _storage(storage)
            self._study = optuna.create_study(
                storage=opened,
                study_name=name,
                directions=[o.direction.removesuffix("ise") + "ize" for o in objectives],
                load_if_exists=True,
            )
            self._claim(origin)
            self._trials = trials_of(self._study, opened, space.columns)
        self._shared = shared
        self._done: dict[str, Evaluation] = {}
        self._timings: dict[str, dict[Arch, Timing]] = {}
        self._notes: set[str] = set()
        self._read_all()

    def refresh(self) -> None:
        """Learns what other searches have added to the same study."""
        if self._shared:
            self._read_all()

    def _read_all(self) -> None:
        with _told_as_search_errors(self._where):
            news = list(self._trials.news())
            notes = self._study.user_attrs
        mine = [(number, attrs) for number, attrs in news if self._is_ours(number, attrs)]
        archs = self._archs([number for number, _ in mine], [attrs["arch"] for _, attrs in mine])
        for arch, (_, attrs) in zip(archs, mine, strict=True):
            seconds, answers = float(attrs.get("seconds", 0.0)), str(attrs.get(ANSWERS, ""))
            stopped = StoppedEarly.read(attrs.get(STOPPED, {}))
            found = Evaluation(arch, attrs.get("metrics", {}), seconds, attrs.get("error"), answers, stopped)
            before = self._done.get(arch.id)
            if before is None or before.stopped is not None:
                self._done[arch.id] = found
        for key, note in notes.items():
            if key.startswith(TIMING) and key not in self._notes:
                self._read_timing(key, note)
        self._notes.update(notes)

    def _is_ours(self, number: int, attrs: Mapping[str, Any]) -> bool:
        """Whether a search recorded a trial, and nothing has changed it since; other programs may have added trials."""
        if "arch" not in attrs:
            return False
        if not as_recorded(attrs):
            warnings.warn(f"{self._where}, trial {number} is damaged; its arch counts as new", stacklevel=2)
            return False
        return True

    def timings(self, device: str) -> Mapping[Arch, Timing]:
        """Archs that were measured end to end on a device."""
        return self._timings.get(device, {})

    def record_timing(self, device: str, arch: Arch, timing: Timing) -> None:
        """Keeps a measurement, as a note of the study: trials that have ended do not change any more."""
        note = sealed({"device": device, "arch": arch.to_json(), "timing": asdict(timing)})
        with _told_as_search_errors(self._where):
            self._study.set_user_attr(f"{TIMING}{device} {arch.id}", note)
        self._timings.setdefault(device, {})[arch] = timing

    def find(self, arch: Arch) -> Evaluation | None:
        """What is known of an arch."""
        return self._done.get(arch.id)

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(list(self._done.values()))

    def __len__(self) -> int:
        return len(self._done)

    def record(self, *evaluations: Evaluation) -> None:
        """Adds finished trials in one transaction; they are on the disk when this returns."""
        codes = self._space.encode([evaluation.arch for evaluation in evaluations]).tolist()
        with _told_as_search_errors(self._where):
            self._trials.add([self._ended(row, one) for row, one in zip(codes, evaluations, strict=True)])
        self._done.update((evaluation.arch.id, evaluation) for evaluation in evaluations)

    def _ended(self, codes: Sequence[int], evaluation: Evaluation) -> Ended:
        stopped = evaluation.stopped
        attrs = {"arch": evaluation.arch.to_json(), "arch_id": evaluation.arch.id, "seconds": evaluation.seconds}
        if stopped is not None:
            attrs |= {STOPPED: stopped.to_json()}
        else:
            attrs |= {"metrics": dict(evaluation.metrics)} if evaluation.is_whole else {"error": evaluation.error}
        attrs |= {ANSWERS: evaluation.answers} if evaluation.answers else {}
        values = [evaluation.metrics[o.name] for o in self._objectives] if evaluation.is_whole else None
        return Ended(codes, values, sealed(attrs), stopped is not None)

    def _claim(self, origin: Mapping[str, str]) -> None:
        """Marks a new study as that of this search, or checks that it is."""
        wanted = {**_terms(self._space, self._objectives), "origin": dict(origin)}
        found = self._study.user_attrs.get(MARK)
        if found is None and not self._study.get_trials(deepcopy=False):
            self._study.set_user_attr(MARK, wanted)
            return
        if found is None:
            raise SearchError(f"{self._where} was not made by a vitnas search; choose another name")
        _refuse_difference(self._where, found, wanted)

    def _archs(self, numbers: Sequence[int], notes: Sequence[Any]) -> list[Arch]:
        """What the attributes of trials stand for, all at once; one by one where that names the trial that is wrong."""
        try:
            return self._space.decode(self._space.encode([Arch.from_json(note) for note in notes]))
        except InvalidArchError:
            for number, note in zip(numbers, notes, strict=True):
                try:
                    self._space.check(Arch.from_json(note))
                except InvalidArchError as error:
                    raise SearchError(f"{self._where}, trial {number}: {error}") from None
            raise

    def _read_timing(self, key: str, note: Any) -> None:
        try:
            if not holds(note):
                warnings.warn(f"{self._where}, note '{key}' is damaged and left out", stacklevel=2)
                return
            arch = self._space.check(Arch.from_json(note["arch"]))
            timing = msgspec.convert(note["timing"], Timing)
            self._timings.setdefault(str(note["device"]), {}).setdefault(arch, timing)
        except (InvalidArchError, msgspec.ValidationError, KeyError, TypeError) as error:
            raise SearchError(f"{self._where}, note '{key}': {error}; choose another folder with --out") from None


def refuse_other_study(space: SearchSpace, objectives: Sequence[Objective], folder: Path, name: str) -> None:
    """Refuses a folder whose study is of another space or has other objectives, before anything is computed.

    Args:
        space: of the search.
        objectives: of the search.
        folder: that may hold a study.
        name: of the study; empty for that of the folder.
    """
    if not (folder / STUDY_FILE).is_file():
        return
    storage, name = database(folder), name or folder.resolve().name
    where = f"study '{name}' in {storage}"
    with _told_as_search_errors(where):
        opened = _storage(storage)
        if name not in optuna.get_all_study_names(opened):
            return
        found = optuna.load_study(study_name=name, storage=opened).user_attrs.get(MARK)
    if found is not None:
        _refuse_difference(where, found, _terms(space, objectives))


def _terms(space: SearchSpace, objectives: Sequence[Objective]) -> dict[str, Any]:
    return {"space": space.name, "fingerprint": space.fingerprint, "objectives": [o.name for o in objectives]}


def _refuse_difference(where: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        if found.get(key) != value:
            raise SearchError(
                f"{where} has {key} {found.get(key)!r}, this search has {value!r}; "
                "choose another folder with --out, or search as before"
            )


def as_recorded(attrs: Mapping[str, Any]) -> bool:
    """Whether the attributes of a trial are those that `Study.record` gave it; others may have added more."""
    one_end = sum(end in attrs for end in ("metrics", "error", STOPPED)) == 1
    whole = {"arch", "arch_id", "seconds"} <= attrs.keys() and one_end
    return whole and holds({name: attrs[name] for name in RECORDED if name in attrs})


def database(folder: Path) -> str:
    """The storage of a study that lies in a folder, in a file of its own there."""
    for name in (STUDY_FILE, f"{STUDY_FILE}-journal", f"{STUDY_FILE}-wal"):
        with writing(folder / name):
            refuse_link(folder / name)
    return f"sqlite:///{folder.resolve() / STUDY_FILE}"


def _storage(url: str) -> optuna.storages.BaseStorage:
    if url.startswith(JOURNAL):
        from optuna.storages.journal import JournalFileBackend

        return optuna.storages.JournalStorage(JournalFileBackend(url.removeprefix(JOURNAL)))
    if url.startswith(POSTGRESQL):
        if find_spec("psycopg") is None:
            raise ImportError("PostgreSQL needs its driver; install it with `pip install 'vitnas[postgresql]'`")
        url = url.replace("postgresql", "postgresql+psycopg", 1)  # which driver is meant differs between versions
    return optuna.storages.RDBStorage(url)


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


@contextmanager
def _told_as_search_errors(where: str) -> Iterator[None]:
    try:
        yield
    except (
        optuna.exceptions.OptunaError, SQLAlchemyError, ImportError, ValueError, OSError,
        TypeError, LookupError, AttributeError, AssertionError,  # what Optuna makes of a damaged database
    ) as error:  # fmt: skip
        number = disk_trouble(error)
        if number is not None:
            raise SearchError(f"{where}: {describe_trouble(number)}; what is evaluated is kept") from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SearchError(f"{where} cannot be used: {reason}; check the storage, or choose another") from error
