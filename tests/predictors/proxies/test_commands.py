"""`vitnas score` and `vitnas grow`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from vitnas.cli import app
from vitnas.errors import SettingsError
from vitnas.files import write_json
from vitnas.search_spaces import load_space

MINI = load_space("autoformer-mini")


def vitnas(*words: object) -> str:
    done = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_sampled_archs_are_listed_best_first():
    found = json.loads(
        vitnas("score", "--space", "autoformer-mini", "--sample", 4, "--proxy", "params", "--proxy", "naswot", "--json")
    )
    assert [set(one["scores"]) for one in found] == [{"params", "naswot"}] * 4
    params = [one["scores"]["params"] for one in found]
    assert params == sorted(params, reverse=True)


def test_archs_of_files_stand_in_a_table(tmp_path):
    for name, arch in (("small", MINI.smallest()), ("large", MINI.largest())):
        write_json(tmp_path / f"{name}.json", arch.to_json())
    files = [word for name in ("small", "large") for word in ("--arch", tmp_path / f"{name}.json")]
    out = vitnas("score", "--space", "autoformer-mini", *files, "--proxy", "macs")
    assert out.index(MINI.largest().id) < out.index(MINI.smallest().id)
    assert "7.761M" in out


def test_exactly_one_way_to_name_archs():
    for words in ([], ["--sample", "2", "--arch", "x"]):
        with pytest.raises(SettingsError, match="either --arch, as often as you like, or --sample"):
            vitnas("score", "--space", "autoformer-mini", *words)


def test_a_family_grows_to_a_budget():
    words = ("grow", "--space", "autoformer-mini", "--params", "150k", "--proxy", "params")
    found = json.loads(vitnas(*words, "--json"))
    assert found[0]["arch"] == MINI.smallest().to_json()
    assert found[0]["cost"] < found[-1]["cost"] <= 150_000
    assert found[-1]["id"] in vitnas(*words)


def test_one_budget_and_a_table_for_latency():
    for words in ([], ["--params", "1M", "--macs", "1G"], ["--latency", "3ms"], ["--params", "1M", "--table", "t"]):
        with pytest.raises(SettingsError, match="say how far to grow"):
            vitnas("grow", *words)
