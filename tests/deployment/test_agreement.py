"""Predicted and measured latency side by side, on a device whose speed is moved between sittings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.latency_lut.pretended import MovingDevice, network_ms
from vitnas.deployment import latency
from vitnas.deployment.agreement import Agreement, Predicted
from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.latency import Then, compare_latencies
from vitnas.deployment.latency_report import COLUMNS, describe, latency_rows, shown_latencies, told_by
from vitnas.deployment.verify import verify
from vitnas.errors import ExportError
from vitnas.files import read_json, write_json
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.sitting import BETWEEN, Sitting
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import load_space
from vitnas.supernets.data import Dataset, load_dataset
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.exported import read_report

SPACE = load_space("autoformer-mini")
ARCH = SPACE.sample(1, np.random.default_rng(8))[0]
BLUEPRINT = SPACE.lower(ARCH)
TRUE_MS = network_ms(BLUEPRINT)
REFERENCE = SPACE.lower(SPACE.largest())
FINGERPRINT: dict[str, str | int] = {"runtime": "none", "tag": "one"}
THEN = Sitting(network_ms(REFERENCE), REFERENCE, FINGERPRINT, "2026-11-22T10:00:00+00:00")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(latency.time, "sleep", found.append)
    return found


def compare(device: MovingDevice, predicted: Predicted | None, sitting: Sitting | None = THEN) -> Agreement:
    told = {} if predicted is None else {device.name: predicted}
    return compare_latencies(BLUEPRINT, [device], told, {device.name: Then(sitting)})[device.name]


def test_on_a_quiet_machine_there_is_nothing_to_remark(pauses: list[float]) -> None:
    found = compare(MovingDevice(1.0), Predicted(TRUE_MS, 0.02 * TRUE_MS, limit_ms=2 * TRUE_MS))
    assert list(found.remarks()) == []
    assert (found.agrees, found.limit_kept, found.tries, pauses) == (True, True, 1, [])
    assert found.reading is not None
    assert found.reading.std_ms > BETWEEN * TRUE_MS


def test_a_busy_machine_is_measured_again_until_it_is_quiet(pauses: list[float]) -> None:
    device = MovingDevice(1.9, 1.6, 1.0)
    found = compare(device, Predicted(TRUE_MS, 0.02 * TRUE_MS))
    assert (device.sittings, len(pauses), found.tries) == (3, 2, 3)
    assert found.reading is not None
    assert found.reading.raw_ms == pytest.approx(TRUE_MS)
    assert (found.reading.busy, found.agrees, list(found.remarks())) == (False, True, [])


def test_one_that_stays_busy_is_marked_and_its_figure_agrees_at_the_speed_then() -> None:
    device = MovingDevice(1.9, 1.6, 1.7)
    found = compare(device, Predicted(TRUE_MS, 0.02 * TRUE_MS, limit_ms=1.2 * TRUE_MS))
    assert device.sittings == 3
    assert found.reading is not None
    assert found.reading.raw_ms == pytest.approx(1.6 * TRUE_MS)  # the quietest
    assert found.reading.ms == pytest.approx(TRUE_MS)
    assert (found.reading.busy, found.agrees, found.limit_kept) == (True, True, True)
    busy, limit = found.remarks()
    assert busy.startswith(
        "taken on a busy machine: the reference takes 1.60 times as long as when the table of 2026-11-22"
    )
    assert "after 3 tries" in busy
    assert f"is kept at the speed then, and not by the {1.6 * TRUE_MS:.3f} ms of now" in limit


def test_what_no_error_explains_is_told_and_so_is_a_limit_that_breaks() -> None:
    found = compare(MovingDevice(1.0, drag=1.5), Predicted(TRUE_MS, 0.02 * TRUE_MS, limit_ms=1.2 * TRUE_MS))
    assert (found.agrees, found.limit_kept) == (False, False)
    differ, limit = found.remarks()
    assert "differ by more than their errors allow, at one speed of the machine" in differ
    assert f"the limit of {1.2 * TRUE_MS:g} ms is not kept: measured {1.5 * TRUE_MS:.3f}" in limit


def test_a_limit_kept_by_less_than_the_error_is_told() -> None:
    found = compare(MovingDevice(1.0), Predicted(TRUE_MS, 0.1, limit_ms=1.01 * TRUE_MS))
    assert found.limit_kept
    assert "kept by less than the error" in next(found.remarks())


def test_a_table_of_a_busy_machine_is_known_by_a_faster_one() -> None:
    (remark,) = compare(MovingDevice(0.5), Predicted(TRUE_MS, 0.1)).remarks()
    assert (
        "the machine is faster than when the table of 2026-11-22 was measured, whose reference took 2.00 times"
        in remark
    )


@pytest.mark.parametrize(
    ("sitting", "why"),
    [
        (None, "nothing was timed beside"),
        (replace(THEN, fingerprint={"tag": "two"}), "of another machine or runtime: tag 'two'"),
    ],
)
def test_where_nothing_tells_the_speed_that_is_said(sitting: Sitting | None, why: str) -> None:
    device = MovingDevice(1.9)
    found = compare(device, Predicted(TRUE_MS, 0.0), sitting)
    assert device.sittings == 1  # whether the machine is busy cannot be known, so waiting is no use
    assert found.reading is not None
    assert found.reading.pace is None
    remark = next(found.remarks())
    assert "how fast the machine is now is not known" in remark
    assert why in remark


def test_a_device_that_is_not_here_is_told_with_what_its_table_is_worth() -> None:
    then = {"iphone12": Then(caveats=("the table is an estimate",))}
    found = compare_latencies(BLUEPRINT, [], {"iphone12": Predicted(1.5, 0.2, "estimated")}, then)["iphone12"]
    assert list(found.remarks()) == ["not timed here: the device is not here", "the table is an estimate"]
    assert (found.agrees, found.limit_kept) == (None, None)


def test_a_prediction_of_an_earlier_table_is_told() -> None:
    found = compare(MovingDevice(1.0), Predicted(TRUE_MS, 0.1, table="2026-11-20T00:00:00+00:00"))
    assert "the prediction rests on a table of 2026-11-20" in next(found.remarks())


def as_report(found: Agreement) -> dict[str, Any]:
    predicted = {} if found.predicted is None else {"cpu": found.predicted.ms}
    measured = {} if found.reading is None else {"cpu": found.reading.raw_ms}
    return {"predicted_latency_ms": predicted, "measured_latency_ms": measured, "latency": {"cpu": describe(found)}}


def test_what_a_report_holds_is_read_again() -> None:
    found = compare(MovingDevice(1.6), Predicted(TRUE_MS, 0.02, "measured", 99.0))
    report = as_report(found)
    told, sitting = told_by(report, "cpu")
    assert (told, sitting) == (Predicted(TRUE_MS, 0.02, "measured", 99.0), THEN)
    (row,) = latency_rows(report)
    assert dict(zip(COLUMNS, row, strict=True)) == {
        "device": "cpu",
        "predicted": f"{TRUE_MS:.3f} ± 0.02",
        "measured": f"{1.6 * TRUE_MS:.3f}",
        "machine": "60 % slower, busy",
        "at the speed then": f"{TRUE_MS:.3f} ± {found.reading.std_ms:.2g}" if found.reading else "",
        "limit": "99 kept",
    }


def test_an_export_without_a_prediction_is_what_the_next_is_held_against() -> None:
    found = compare(MovingDevice(1.0), None, None)
    told, sitting = told_by(as_report(found), "cpu")
    assert told is not None
    assert (told.ms, told.how) == (pytest.approx(TRUE_MS), "measured by the export")
    assert sitting is not None
    assert (sitting.of, sitting.took_ms, sitting.reference) == ("export", 0.05, None)
    assert compare(MovingDevice(1.05), told, sitting).agrees


def test_an_old_report_has_figures_and_no_more() -> None:
    old = {"predicted_latency_ms": {"cpu": 1.0}, "measured_latency_ms": {"cpu": 1.2, "cpu-int8": 0.5}}
    assert told_by(old, "cpu") == (Predicted(1.0), None)
    assert told_by(old, "cpu-int8") == (Predicted(0.5, how="measured by the export"), None)
    assert [row[:4] for row in latency_rows(old)] == [
        ("cpu", "1.000", "1.200", "not known"),
        ("cpu-int8", "-", "0.500", "not known"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"predicted_ms": -1.0},
        {"predicted_std_ms": "much"},
        {"limit_ms": float("nan")},
        {"sitting": {"took_ms": 0.0}},
        {"sitting": {"took_ms": float("inf")}},
        {"sitting": {"took_ms": 1.0, "reference": [{"site": "stem"}]}},
        {"sitting": {"took_ms": 1.0, "reference": [7]}},
    ],
)
def test_a_report_that_was_tampered_with_is_refused(change: dict[str, Any]) -> None:
    report = as_report(compare(MovingDevice(1.0), Predicted(TRUE_MS)))
    report["latency"]["cpu"] |= change
    with pytest.raises(ExportError, match=r"report.json, latency on 'cpu': .*; export the network anew"):
        told_by(report, "cpu")


# -- whole exports -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MovingDevice]:
    """Puts a machine of these paces in the place of every device."""

    def put(*paces: float) -> MovingDevice:
        device = MovingDevice(*paces)
        monkeypatch.setattr(latency, "load_device", lambda name: device)
        return device

    return put


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("latency") / "pretended.parquet"
    few = ProfileSettings(fit_networks=8, test_networks=8)
    found = profile(SPACE, MovingDevice(1.0), path, few, progress=False)
    assert LatencyTable.read(path).header.beside == found.header.beside
    return path


def test_an_export_and_its_verification_tell_a_busy_machine(
    machine: Callable[..., MovingDevice], table: Path, digits: Dataset, tmp_path: Path
) -> None:
    machine(1.8)
    settings = ExportSettings(verify_images=20)
    told = {"pretended": Predicted(TRUE_MS, 0.05 * TRUE_MS, "measured", 1.3 * TRUE_MS)}
    folder = tmp_path / "out"
    report = export(
        SPACE, Supernet(SPACE), ARCH, digits, folder, settings, latency_ms=told, tables={"pretended": table}
    )
    one = report["latency"]["pretended"]
    assert report["measured_latency_ms"]["pretended"] == one["measured_ms"] == pytest.approx(1.8 * TRUE_MS)
    assert (one["pace"], one["busy"], one["agrees"], one["limit_kept"]) == (pytest.approx(1.8), True, True, True)
    assert one["then_ms"] == pytest.approx(TRUE_MS)
    card = (folder / "README.md").read_text()
    assert "| 80 % slower, busy |" in card
    assert "- pretended: taken on a busy machine" in card
    shown = shown_latencies(folder / "report.json")
    assert shown is not None
    assert shown["remarks"] == [f"pretended: {text}" for text in one["remarks"]]

    machine(1.02)
    again = verify(folder, digits)["latency"]["pretended"]
    assert (again["busy"], again["agrees"]) == (False, True)
    assert again["measured_ms"] == pytest.approx(1.02 * TRUE_MS)
    assert again["then_ms"] == pytest.approx(TRUE_MS)
    assert again["predicted_ms"] == TRUE_MS

    device = machine(1.0)
    device.drag = 1.6  # another runtime, say
    changed = verify(folder, digits)["latency"]["pretended"]
    assert (changed["agrees"], changed["limit_kept"]) == (False, False)


def test_an_export_of_an_older_vitnas_is_verified_without_its_speed(
    machine: Callable[..., MovingDevice], digits: Dataset, tmp_path: Path
) -> None:
    machine(1.0)
    folder = tmp_path / "out"
    export(
        SPACE,
        Supernet(SPACE),
        ARCH,
        digits,
        folder,
        ExportSettings(verify_images=20),
        latency_ms={"pretended": TRUE_MS},
    )
    report = read_json(folder / "report.json")
    del report["latency"]
    write_json(folder / "report.json", report)
    assert "latency" not in read_report(folder)
    found = verify(folder, digits)["latency"]["pretended"]
    assert found["pace"] is None
    assert "of an older vitnas" in found["remarks"][0]
