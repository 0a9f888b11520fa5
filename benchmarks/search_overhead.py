"""What a search costs beside its evaluations: CPU milliseconds an evaluation whose score is trivial.

Searches `autoformer-tiny` (30 columns) with nsga2 on true evaluations, without a predictor, over an accuracy that is read
off the arch's id and a cost that adds codes, in batches of 20. Counted is all that `search()` does (searcher, evaluator,
study, log, front, evaluations.parquet) in user and system time of this process and its children; imports are not.

ms.N            CPU ms an evaluation of a search of N; the median of three searches for 1,000
growth          ms of the longest search over those of 1,000
growth.late     the last tenth of the longest search over the evaluations 100 to 1,000, so that what a search costs once
                at its start and end does not hide what grows
resume_s        seconds until the study of the longest search is open again
storage.*.ms    CPU ms a trial for the ways to keep trials in Optuna, 20 at a time: `sqlite_add_trial` (one at a time, as
                before), `sqlite_rows` (all in one transaction, as vitnas does), `journal_add_trial`, `journal_batch` (all
                in one append), `grpc` (a server of Optuna before SQLite, its work included)
storage.*.open_s CPU seconds until Optuna has all of 1,000 trials of a file again
storage.*.mb    megabytes of 1,000 trials
report.*        `vitnas report` of 100,000 evaluations with a front of 5,000: CPU seconds of the command, megabytes of page
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from frame import Results, run, show
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.trial import FrozenTrial, create_trial

from vitnas.nas.objectives import Objective, objectives_named
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.problem import Problem
from vitnas.nas.records import write_evaluations
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.nas.study import Evaluation, Study
from vitnas.nas.trials import Ended, trials_of
from vitnas.search_spaces import OFF, Arch, Codes, load_space

SPACE = load_space("autoformer-tiny")
OBJECTIVES = ("accuracy", "latency_ms")
BATCH = 20


def cpu_s() -> float:
    """User and system seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


@dataclass
class Trivial:
    """Scores an arch by its id, and notes what the process has used by then."""

    used: list[float] = field(default_factory=list)

    def __call__(self, arch: Arch) -> dict[str, float]:
        self.used.append(time.process_time())
        return {"accuracy": int(arch.id, 16) / 16**12}


def cost(codes: Codes) -> NDArray[np.float64]:
    return np.asarray((np.maximum(codes, 0) + 1.0).sum(axis=1), dtype=np.float64)


def search_ms(n: int, folder: Path) -> tuple[float, list[float]]:
    """CPU milliseconds an evaluation, and what was used when each began."""
    settings = SearchSettings(OBJECTIVES, evaluations=n, batch=BATCH, searcher="nsga2", predictor="none", patience=0)
    score = Trivial()
    start = cpu_s()
    search(Problem(SPACE, objectives_named(OBJECTIVES), {"latency_ms": cost}), score, settings, folder, progress=False)
    return 1000 * (cpu_s() - start) / n, score.used


def searches(sizes: Sequence[int], folder: Path) -> dict[str, float]:
    search_ms(45, folder / "imports")
    found = {}
    for n in sizes:
        times = [search_ms(n, folder / f"{n}-{i}") for i in range(3 if n == sizes[0] else 1)]
        found[f"ms.{n}"] = statistics.median(ms for ms, _ in times)
        used = times[0][1]
        if n == sizes[0]:
            early = (used[-1] - used[n // 10]) / (n - n // 10)
    late = (used[-1] - used[-n // 10]) / (n // 10)
    start = cpu_s()
    where = folder / f"{n}-0"
    study = Study(SPACE, objectives(), f"sqlite:///{where / 'study.db'}", where.name, {}, shared=False)
    assert len(study) == n
    return {
        **found,
        "growth": found[f"ms.{n}"] / found[f"ms.{sizes[0]}"],
        "growth.late": late / early,
        "resume_s": cpu_s() - start,
    }


def objectives() -> list[Objective]:
    return [Objective.named(name) for name in OBJECTIVES]


# -- where trials are kept -------------------------------------------------------------------


class Gathering(BaseJournalBackend):  # type: ignore[misc]
    """A journal whose logs wait until they are written at once."""

    def __init__(self, path: Path) -> None:
        self._file = JournalFileBackend(str(path))
        self._waiting: list[dict[str, Any]] = []
        self._written = 0

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._waiting += logs

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        if log_number_from < self._written:
            yield from self._file.read_logs(log_number_from)
        yield from self._waiting[max(0, log_number_from - self._written) :]

    def flush(self) -> None:
        self._file.append_logs(self._waiting)
        self._written += len(self._waiting)
        self._waiting = []


def ended(n: int) -> list[Ended]:
    codes = SPACE.genome.sample(n, np.random.default_rng(0))
    values = [[float(v), float(c)] for v, c in zip(np.random.default_rng(1).random(n), cost(codes), strict=True)]
    return [
        Ended(
            row.tolist(),
            value,
            {
                "arch": arch.to_json(),
                "arch_id": arch.id,
                "seconds": 1e-6,
                "metrics": dict(zip(OBJECTIVES, value, strict=True)),
            },
        )
        for row, arch, value in zip(codes, SPACE.decode(codes), values, strict=True)
    ]


def as_trial(one: Ended) -> FrozenTrial:
    on = [(c, c.choices[code]) for c, code in zip(SPACE.columns, one.codes, strict=True) if code != OFF]
    return create_trial(
        values=one.values,
        params={c.name: choice for c, choice in on},
        distributions={c.name: CategoricalDistribution(c.choices) for c, _ in on},
        user_attrs=dict(one.attrs),
    )


def one_by_one(study: optuna.Study, batch: Sequence[Ended]) -> None:
    for one in batch:
        study.add_trial(as_trial(one))


@contextmanager
def proxied(url: str) -> Iterator[optuna.storages.BaseStorage]:
    """Optuna's gRPC server before a database, in a process of its own."""
    program = (
        "import sys, optuna; optuna.storages.run_grpc_proxy_server(optuna.storages.RDBStorage(sys.argv[1]), "
        "host='127.0.0.1', port=int(sys.argv[2]))"
    )
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, url, str(port)], stderr=subprocess.DEVNULL
    )
    try:
        storage = optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)
        storage.wait_server_ready(timeout=60)
        yield storage
        storage.close()
    finally:
        server.terminate()
        server.wait()


def storages(quick: bool, folder: Path) -> dict[str, float]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    many = ended(300 if quick else 1000)
    few = many[: 60 if quick else 200]
    found: dict[str, float] = {}

    def time_batches(name: str, some: Sequence[Ended], add: Callable[[Sequence[Ended]], object]) -> None:
        start = cpu_s()
        for i in range(0, len(some), BATCH):
            add(some[i : i + BATCH])
        found[f"storage.{name}.ms"] = 1000 * (cpu_s() - start) / len(some)

    def study_in(storage: Any) -> optuna.Study:
        return optuna.create_study(
            storage=storage, study_name="s", directions=["maximize", "minimize"], load_if_exists=True
        )

    def read_again(name: str, path: Path, storage: Callable[[], Any]) -> None:
        start = cpu_s()
        assert len(optuna.load_study(study_name="s", storage=storage()).get_trials(deepcopy=False)) == len(many)
        found[f"storage.{name}.open_s"] = cpu_s() - start
        found[f"storage.{name}.mb"] = path.stat().st_size / 1e6

    plain = study_in(f"sqlite:///{folder / 'plain.db'}")
    time_batches("sqlite_add_trial", few, lambda batch: one_by_one(plain, batch))

    url = f"sqlite:///{folder / 'rows.db'}"
    storage = optuna.storages.RDBStorage(url)
    trials = trials_of(study_in(storage), storage, SPACE.columns)
    time_batches("sqlite_rows", many, trials.add)
    read_again("sqlite_rows", folder / "rows.db", lambda: url)

    journal = study_in(optuna.storages.JournalStorage(JournalFileBackend(str(folder / "one.journal"))))
    time_batches("journal_add_trial", few, lambda batch: one_by_one(journal, batch))

    path = folder / "batches.journal"
    backend = Gathering(path)
    batched = study_in(optuna.storages.JournalStorage(backend))

    def at_once(batch: Sequence[Ended]) -> None:
        one_by_one(batched, batch)
        backend.flush()

    time_batches("journal_batch", many, at_once)
    read_again("journal_batch", path, lambda: optuna.storages.JournalStorage(JournalFileBackend(str(path))))

    study_in(f"sqlite:///{folder / 'grpc.db'}")
    before = cpu_s()
    with proxied(f"sqlite:///{folder / 'grpc.db'}") as proxy:
        pass
    idle = cpu_s() - before
    before = cpu_s()
    with proxied(f"sqlite:///{folder / 'grpc.db'}") as proxy:
        one_by_one(study_in(proxy), few)
    found["storage.grpc.ms"] = 1000 * (cpu_s() - before - idle) / len(few)
    return found


# -- the report ------------------------------------------------------------------------------


def report(evaluations: int, points: int, folder: Path) -> dict[str, float]:
    """Of a search as large as this, made up: a front along a curve, all others behind it."""
    rng = np.random.default_rng(0)
    codes = np.unique(SPACE.genome.sample(evaluations + 100, rng), axis=0)
    archs = SPACE.decode(codes[rng.permutation(len(codes))[:evaluations]])
    along = np.linspace(0, 1, points)
    x = np.concatenate([along, rng.random(evaluations - points)])
    y = np.sqrt(0.1 + x) - np.concatenate([np.zeros(points), 0.02 + 0.3 * rng.random(evaluations - points)])
    order = rng.permutation(evaluations)
    figures = [
        {"accuracy": float(0.5 + 0.3 * y[i]), "loss": float(2 - y[i]), "latency_ms": float(1 + x[i])} for i in order
    ]
    found = [Evaluation(arch, one, 1e-3) for arch, one in zip(archs, figures, strict=True)]
    front = ParetoFront.of(
        SPACE,
        objectives(),
        [
            Point(
                e.arch,
                {n: e.metrics[n] for n in OBJECTIVES},
                dict.fromkeys(OBJECTIVES, "measured"),
                {"latency_ms": 0.001},
            )
            for e in found
        ],
    )
    assert len(front.points) == points
    front.save(folder / "front.json")
    write_evaluations(folder / "evaluations.parquet", found, figures, {p.arch.id for p in front.points})
    (folder / "search.log").write_text("made up\n")
    page = folder / "report.html"
    start, clock = cpu_s(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "vitnas.cli", "report", str(folder), "--out", str(page)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return {
        "report.seconds": cpu_s() - start,
        "report.wall_s": time.perf_counter() - clock,
        "report.megabytes": page.stat().st_size / 1e6,
    }


def measure(quick: bool) -> Results:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = searches((200, 1000) if quick else (1000, 10_000, 30_000), folder)
        show("search", ("key", "value"), [(key, f"{value:.3f}") for key, value in found.items()])
        found |= storages(quick, folder)
        (folder / "report").mkdir()
        found |= report(5000 if quick else 100_000, 500 if quick else 5000, folder / "report")
    return found


if __name__ == "__main__":
    run(__doc__, measure)
