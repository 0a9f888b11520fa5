"""What the report page shows, as data: the page itself draws it."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from vitnas import __version__
from vitnas.deployment.latency_report import shown_latencies
from vitnas.errors import DeviceError
from vitnas.files import is_locked, read_json, read_lines
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.quantity import Quantity, std_of
from vitnas.reporting.growth import Box
from vitnas.reporting.picks import describe_picks
from vitnas.reporting.plots.fidelity import compared_networks
from vitnas.reporting.plots.scale import Scale, scale_of
from vitnas.reporting.results import Result, find_results, results_below
from vitnas.reporting.sittings import front_notes
from vitnas.reporting.terminal.estimates import estimated_factor
from vitnas.run import RunFolder
from vitnas.search_spaces.answers import CLASS, metric_of, metrics
from vitnas.supernets.judgement import ACCURACY
from vitnas.supernets.tested import keeps_test, read_tested

MOST_BYTES = 1_500_000
"""Of evaluated archs in one page; those beyond the front are thinned evenly to fit."""
MOST_STEPS = 400
"""Points of one training curve."""


def describe_page(path: Path, live: bool = False) -> dict[str, Any]:
    """Everything that is known below a run or a search folder.

    Args:
        path: a run, a search folder, a folder of searches or a front.json.
        live: whether the page may ask for this again.
    """
    is_run = (path / "config.toml").is_file()
    # A run that trains has curves to show before there is a front.
    results = results_below(path) if is_run or live else find_results(path)
    run_path = path if is_run else next((r.run for r in results if r.run is not None), None)
    run = RunFolder(run_path) if run_path is not None else None
    room = MOST_BYTES // max(1, len(results))
    return {
        "title": path.resolve().name if path.is_dir() else path.resolve().parent.name,
        "live": live,
        "links": {},
        "at_work": any(is_locked(each) for each in {path, *(r.folder for r in results)} if each.is_dir()),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "vitnas": __version__,
        "results": [_describe_result(result, run, room) for result in results],
        "test": _describe_test(run) if run is not None else None,
        "training": training_curves(run.metrics_file) if run is not None else None,
        "tables": [_describe_table(file) for file in sorted(run.path.glob("latency/*.parquet"))] if run else [],
        "exports": _describe_exports(path),
        "predictor": _describe_predictor(run.path / "predictor") if run is not None else None,
        "run": {"config": run.config, "environment": _read(run.path / "environment.json")} if run is not None else None,
    }


def _describe_result(result: Result, run: RunFolder | None, room: int) -> dict[str, Any]:
    front, evaluated = result.front, result.evaluated
    names = list(dict.fromkeys([*(o.name for o in front.objectives), *evaluated.quantities]))
    rows = _rows(result, names)
    ids = [point.arch.id for point in front.points]
    kept = _thin(rows, set(ids), room)
    good = len(evaluated) - evaluated.failed
    # A supernet that judged and lies elsewhere is for the reader to name.
    judged = run is not None or "supernet" in front.config.get("origin", {})
    export = ["vitnas", "export", "--run", str(run.path) if run is not None else "RUN"] if judged else None
    return {
        "name": result.name,
        "device": result.device,
        "space": front.space,
        "fingerprint": front.fingerprint,
        "seed": front.seed if result.so_far is None else None,  # told when the search ends
        "at_work": result.so_far is not None,
        "config": dict(front.config),
        "versions": dict(front.versions),
        "objectives": [asdict(o) for o in front.objectives],
        "quantities": [_quantity(name, scale_of(name), estimated_factor(front, name)) for name in names],
        "rows": kept,
        "left_out": len(rows) - len(kept),
        "evaluations": len(evaluated),
        "failed": evaluated.failed,
        "front": ids,
        "picks": describe_picks(front),
        "groups": [[p.arch.id for p in group.points] for group in front.groups() if len(group.points) > 1],
        "notes": front_notes(front),
        "provenance": {p.arch.id: [p.provenance.get(name) for name in names] for p in front.points},
        "growth": Box.around([result]).growth(result) if good > 1 else [],
        "export_front": shlex.join([*export, "--front", str(result.file)])
        if export and result.file.is_file()
        else None,
        "export_arch": shlex.join(export) if export else None,
    }


def _rows(result: Result, names: Sequence[str]) -> list[list[Any]]:
    """``[id, genes, values, errors]`` of every arch that was evaluated well, each once; the front by its own figures."""
    evaluated, objectives = result.evaluated, {o.name for o in result.front.objectives}
    empty = np.full(len(evaluated), np.nan)
    values = [evaluated.figures.get(name, empty) for name in names]
    spreads = [evaluated.figures.get(std_of(name), empty) if name in objectives else empty for name in names]
    found: dict[str, list[Any]] = {}
    for i, (arch_id, arch) in enumerate(zip(evaluated.ids, evaluated.archs, strict=True)):
        figures = [_short(column[i]) for column in values]
        if any(figure is not None for figure in figures):
            found[arch_id] = [arch_id, arch["genes"], figures, [_short(column[i]) for column in spreads]]
    for point in result.front.points:
        arch_id = point.arch.id
        row = found.setdefault(arch_id, [arch_id, point.arch.to_json()["genes"], [None] * len(names), []])
        row[2] = [
            _short(point.objectives.get(name)) if name in objectives else row[2][i] for i, name in enumerate(names)
        ]
        row[3] = [_short(point.errors.get(name)) for name in names]
    return list(found.values())


def _thin(rows: list[list[Any]], front: set[str], room: int) -> list[list[Any]]:
    """The rows that fit into some bytes: the front, and of the others every so many."""
    size = len(json.dumps(rows, separators=(",", ":")))
    if size <= room:
        return rows
    others = [i for i, row in enumerate(rows) if row[0] not in front]
    share = max(0.0, room / size - len(front) / len(rows))
    stay = set(np.linspace(0, len(others) - 1, int(share * len(rows))).astype(int)) if others else set()
    chosen = {others[i] for i in stay}
    return [row for i, row in enumerate(rows) if row[0] in front or i in chosen]


def _quantity(name: str, scale: Scale, factor_90: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "title": scale.title,
        "unit": scale.unit,
        "factor": scale.factor,
        "decimals": int(scale.digits[1:-1]) if scale.digits.endswith("f") else None,
        "more_is_better": Quantity.parse(name).direction == "maximise",
        "factor_90": factor_90,  # of estimates: nine in ten true values lie within it
    }


def training_curves(file: Path) -> dict[str, Any] | None:
    """The curves of metrics.jsonl, each a list of ``[step, value]``: losses, and the metric of subnets."""
    if not file.is_file():
        return None
    curves: dict[str, dict[str, list[list[float]]]] = {"loss": {}, **{name: {} for name in metrics()}}
    for entry in read_lines(file):
        step = entry.pop("step", None)
        if not isinstance(step, int):
            continue
        for name, value in entry.items():
            if isinstance(value, dict):
                for metric in metrics().keys() & value.keys():
                    if _short(value[metric]) is not None:
                        curves[metric].setdefault(f"{name} subnet", []).append([step, float(value[metric])])
            elif name in ("loss", "label_loss") and _short(value) is not None:
                curves["loss"].setdefault(name.replace("_", " "), []).append([step, float(value)])
    return {
        kind: {name: curve[:: -(-len(curve) // MOST_STEPS)] for name, curve in each.items()}
        for kind, each in curves.items()
        if each or kind in ("loss", ACCURACY)
    }


def _describe_test(run: RunFolder) -> dict[str, Any]:
    """Networks on the test images of a run, and whether it keeps any."""
    return {"kept": keeps_test(run), "networks": [asdict(one) for one in read_tested(run)], "metric": _title(run)}


def _title(run: RunFolder) -> str:
    """What the networks of a run are judged by, on an axis."""
    return scale_of(metric_of(run.config.get("space", {}).get("answer", CLASS))).title


def _describe_table(file: Path) -> dict[str, Any]:
    try:
        table = LatencyTable.read(file)
    except DeviceError as error:
        return {"device": file.stem, "text": str(error), "warnings": [], "networks": []}
    header = table.header
    return {
        "device": header.device,
        "text": str(header.fidelity) if header.fidelity is not None else "not compared with whole networks",
        "layers": table.provenances,
        "created": header.created,
        "fingerprint": dict(header.fingerprint),
        "warnings": table.warnings,
        "networks": [
            [n.arch, _short(n.measured_ms), _short(n.predicted_ms), _short(n.std_ms)] for n in compared_networks(table)
        ],
    }


def _describe_exports(path: Path) -> list[dict[str, Any]]:
    """The latencies of exported networks below a folder, predicted and measured side by side."""
    files = [file for depth in ("*", "*/*") for file in path.glob(f"{depth}/report.json")] if path.is_dir() else []
    found = []
    for file in sorted(files):
        shown = shown_latencies(file)
        if shown is not None:
            found.append({"folder": str(file.parent.relative_to(path)), **shown})
    return found


def _describe_predictor(folder: Path) -> dict[str, Any] | None:
    from vitnas.nas.fit_predictor import REPORT_FILE, PredictorFit

    if not (folder / REPORT_FILE).is_file():
        return None
    fit = PredictorFit.load(folder)
    return {
        "name": fit.predictor,
        "quantity": fit.quantity,
        "report": asdict(fit.report),
        "warning": fit.report.warning,
        "archs": [
            [i, *map(_short, one)] for i, *one in zip(fit.archs, fit.scores, fit.predicted, fit.std, strict=True)
        ],
    }


def _read(file: Path) -> Any:
    return read_json(file) if file.is_file() else None


def _short(value: Any) -> float | None:
    """Six digits, which no picture and no reader needs more than; None for what is no finite number."""
    if not isinstance(value, int | float | np.floating) or not math.isfinite(value):
        return None
    number = float(f"{value:.6g}")
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def plain(data: Any) -> Any:
    """The same with None for numbers that JSON does not know, and text for what is none of its kinds."""
    if isinstance(data, Mapping):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data if isinstance(data, str | int | float | bool) or data is None else str(data)
