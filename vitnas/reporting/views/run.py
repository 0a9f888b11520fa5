"""A run in a notebook: what was trained, how it went, and what lies in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from vitnas.display import View
from vitnas.files import read_lines
from vitnas.image_size import in_words
from vitnas.reporting.plots.picture import Picture
from vitnas.reporting.plots.training_plot import plot_training
from vitnas.reporting.views.page import pairs
from vitnas.run import RunFolder
from vitnas.search_spaces.answers import metric_of


def to_frame(run: RunFolder) -> pd.DataFrame:
    """A row a step that was recorded: loss, learning rate, and accuracies of the subnets looked at."""
    lines = read_lines(run.metrics_file) if run.metrics_file.is_file() else []
    steps: dict[int, dict[str, float]] = {}
    for line in lines:
        if isinstance(line.get("step"), int):
            steps.setdefault(line["step"], {}).update(_numbers(line))
    table = pd.DataFrame(steps.values(), index=pd.Index(steps, name="step", dtype="int64"))
    return table.drop(columns="step", errors="ignore")


def _numbers(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}_")
        elif isinstance(value, int | float):
            yield prefix + name, value


def to_html(run: RunFolder) -> str:
    tables = run.config
    task, metric = run.space.task, metric_of(run.space.task.answer)
    table = to_frame(run)
    saved = sorted(run.checkpoints.glob("step-*"))
    facts = [
        ("space", run.space.name),
        ("data", str(tables.get("data", {}).get("name", "not recorded"))),
        ("task", f"{in_words(task.image_size)}x{task.in_channels}, {task.num_classes} classes"),
        ("newest weights", f"step {int(saved[-1].name.removeprefix('step-'))}" if saved else "none yet"),
        *((f"{metric} of the {end} arch", f"{value:.2%}") for end, value in _last_judged(table, metric)),
        ("latency tables", _names([file.stem for file in run.path.glob("latency/*.parquet")])),
        ("searches", _names([file.parent.name for file in run.path.glob("*/front.json")])),
    ]
    return pairs(f"Run {run.path}", facts)


def plot(run: RunFolder) -> Picture:
    """Loss and metric over the steps."""
    return plot_training(to_frame(run), run.path.name)


def _last_judged(table: pd.DataFrame, metric: str) -> Iterator[tuple[str, float]]:
    for end in ("smallest", "largest"):
        column = table.get(f"{end}_{metric}")
        if column is not None and column.notna().any():
            yield end, float(column.dropna().iloc[-1])


def _names(names: list[str]) -> str:
    return ", ".join(sorted(names)) or "none"


VIEW = View(to_frame, plot, to_html)
