"""What every benchmark shares: its flags, its table and the file of its results."""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from vitnas.files import read_json, write_json
from vitnas.run import environment

Results = Mapping[str, float]


def run(
    about: str | None, measure: Callable[..., Results], options: Mapping[str, Mapping[str, Any]] | None = None
) -> None:
    """The main function of a benchmark.

    Args:
        about: the docstring of its file.
        measure: told whether to be quick (a smaller sample, under 50 s on 2 cores), gives a number a key.
        options: flags of its own, such as ``{"--space": {"help": ...}}``, whose values `measure` gets by name; with one
            named ``--only`` a part is measured alone, and its results join those that the file has.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="a smaller sample, in under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    for flag, about_it in (options or {}).items():
        parser.add_argument(flag, **about_it)
    given = parser.parse_args()
    own = {name: value for name, value in vars(given).items() if name not in ("quick", "json")}
    start = time.perf_counter()
    results = {key: float(value) for key, value in measure(given.quick, **own).items()}
    show("results", ("key", "value"), [(key, f"{value:,.4g}") for key, value in results.items()])
    print(f"{time.perf_counter() - start:.0f} s")
    if given.json is not None:
        flags = [f"--{name} {value}" for name, value in own.items() if value != parser.get_default(name)]
        command = " ".join(
            [f"python benchmarks/{Path(sys.argv[0]).name}", *(["--quick"] if given.quick else []), *flags]
        )
        stamp = {"date": datetime.date.today().isoformat(), "machine": _machine(), "command": command}
        part = own.get("only")
        write_json(
            given.json,
            _with_part(given.json, str(part), stamp, results) if part else {**stamp, "results": results},
            seal=False,  # read by eye and by other programs
        )


def _with_part(file: Path, part: str, stamp: Mapping[str, Any], results: Results) -> dict[str, Any]:
    """A file of results with those of one part in the place of its earlier ones, and when and how they were measured."""
    old = read_json(file) if file.is_file() else {"results": {}}
    parts = {**old.get("parts", {}), part: stamp}
    return {**old, "results": {**old["results"], **results}, "parts": parts}


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table; the first column is text, the others are figures."""
    print(f"\n{title}")
    table = Table()
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(width=max(80, Console().width)).print(table)


def interleaved_s(
    calls: Sequence[Callable[[], object]], rounds: int, now: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Median seconds of each call, measured in turns so that a busy moment of the machine meets all of them.

    A call that does all its work in this thread is timed by `time.thread_time` as if nothing else were running.
    """
    for call in calls:
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    for i in range(rounds):
        # Each round starts with another call, so that none is always the one after the same other.
        for j in range(len(calls)):
            k = (i + j) % len(calls)
            start = now()
            calls[k]()
            seconds[k].append(now() - start)
    return [statistics.median(s) for s in seconds]


def _machine() -> dict[str, Any]:
    found = environment()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {**found, "load": load, "threads": os.environ.get("OMP_NUM_THREADS", "all")}
