"""What names, paths and nothing at all stand for."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

import vitnas
from vitnas.api.loading import source_of


def test_a_space_is_for_the_task_that_was_asked_for() -> None:
    published = vitnas.load_space("deit")
    assert published.task == vitnas.Task(224, 1000, 3)
    task = vitnas.Task(8, 10, 1)
    digits = vitnas.load_space("autoformer-mini", data="digits")
    assert digits.task == vitnas.load_space("autoformer-mini", task=task).task == task
    assert vitnas.load_space("deit", num_classes=7).task == vitnas.Task(224, 7, 3)
    assert vitnas.load_space(published) is published
    assert (
        vitnas.load_space(published, num_classes=7).fingerprint == vitnas.load_space("deit", num_classes=7).fingerprint
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_classes": 0}, "num_classes = 0: must be at least 1"),
        ({"data": "digits", "image_size": 8}, "give one of the three"),
        ({"data": "digit"}, "Did you mean 'digits'"),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(vitnas.VitnasError, match=message):
        vitnas.load_space("deit", **given)  # type: ignore[arg-type]


def test_without_a_path_the_newest_run_is_taken_and_said(
    trained: vitnas.RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(vitnas.VitnasError, match="no trained run below runs/; name a run, or train one first"):
        vitnas.load_run()
    shutil.copytree(trained.path, tmp_path / "runs" / "mine")
    with caplog.at_level(logging.INFO, "vitnas"):
        assert vitnas.load_run().path == Path("runs/mine")
    assert caplog.messages == ["run 'runs/mine', the newest below runs/"]
    assert capsys.readouterr() == ("", "")
    vitnas.load_run(progress=True)
    assert "run 'runs/mine', the newest below runs/" in capsys.readouterr().err


def test_a_source_is_a_run_or_a_space(trained: vitnas.RunFolder, tmp_path: Path) -> None:
    for source in (trained, trained.path, str(trained.path)):
        run, space = source_of(source, print)
        assert run == trained
        assert space.fingerprint == trained.space.fingerprint
    run, space = source_of("deit", print)
    assert run is None
    assert space.name == "deit"
    assert source_of(space, print) == (None, space)
    with pytest.raises(vitnas.VitnasError, match="'runs/none' is no run folder"):
        source_of("runs/none", print)
    with pytest.raises(vitnas.VitnasError, match="Did you mean 'deit'"):
        source_of("deitt", print)


def test_archs_by_name_file_and_size(tmp_path: Path) -> None:
    space = vitnas.load_space("deit")
    (tmp_path / "mine.json").write_text('{"space": "deit", "genes": {"width": 192, "depth": 12, ')
    with pytest.raises(vitnas.VitnasError, match=r"mine\.json"):
        vitnas.load_arch(space, tmp_path / "mine.json")
    assert vitnas.load_arch(space, "DeiT-S") == space.named("DeiT-S")
    assert vitnas.load_arch(space, "smallest") == space.smallest()
    with pytest.raises(vitnas.VitnasError, match=r"no published arch of 'deit' \(have DeiT-Ti"):
        vitnas.load_arch(space, "DeiT-XL")
    other = vitnas.load_space("autoformer-mini").smallest()
    with pytest.raises(vitnas.VitnasError, match="belongs to space 'autoformer-mini'"):
        vitnas.load_arch(space, other)


def test_a_table_that_misses_its_promise_warns(
    trained: vitnas.RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from dataclasses import replace

    table = vitnas.load_table(trained.latency_file("cpu"))
    assert not table.warnings
    fidelity = table.header.fidelity
    assert fidelity is not None
    bad = replace(table, header=replace(table.header, fidelity=replace(fidelity, mape=0.5)))
    bad.write(tmp_path / "bad.parquet")
    caplog.clear()
    vitnas.load_table(tmp_path / "bad.parquet")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    vitnas.load_table(tmp_path / "bad.parquet", progress=True)
    assert f"warning: {bad.warnings[0]}" in capsys.readouterr().err


def test_lists_are_those_of_the_tables() -> None:
    assert "deit" in vitnas.list_spaces()
    assert "digits" in vitnas.list_datasets()
    assert {"cpu", "iphone12"} <= set(vitnas.list_devices())
    assert {"aggregate", "naswot"} <= set(vitnas.list_proxies())
    for name in vitnas.list_searchers():
        assert vitnas.SearchSettings(searcher=name).searcher == name
    for name in vitnas.list_predictors():
        assert vitnas.SearchSettings(predictor=name).predictor == name
    for name in vitnas.list_exporters():
        assert vitnas.ExportSettings(formats=(name,)).formats == (name,)
    assert "sandwich" in vitnas.list_samplers()
    assert "attention" in vitnas.list_layers()
