"""Settings: strict keys and types, messages with the place and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vitnas.errors import SettingsError
from vitnas.settings import make_settings, read_settings


@dataclass(frozen=True)
class Baking:
    """A settings dataclass with a rule of its own."""

    minutes: int = 40
    heat: float = 180.0
    tins: tuple[int, ...] = (1,)
    note: str | None = None

    def __post_init__(self) -> None:
        if self.minutes < 1:
            raise ValueError(f"minutes must be at least 1, got {self.minutes}")


def _file(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_what_is_left_out_takes_its_default() -> None:
    assert make_settings(Baking, {}, "here") == Baking()
    assert make_settings(Baking, {"minutes": 5, "tins": [1, 2]}, "here") == Baking(5, tins=(1, 2))


def test_a_file_is_read_and_flags_win(tmp_path: Path) -> None:
    path = _file(tmp_path, "[train]\nminutes = 5\nheat = 100\n[search]\nother = 1\n")
    flags = {"minutes": 7, "heat": None}
    assert read_settings(Baking, path, "train", flags) == Baking(7, 100.0)
    assert read_settings(Baking, None, "train", flags) == Baking(7)
    assert read_settings(Baking, path, "export", {}) == Baking()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"minuts": 5}, r"here: unknown key 'minuts'; have \[minutes, heat, tins, note\]. Did you mean 'minutes'\?"),
        ({"minutes": "5"}, r"here: Expected `int`, got `str` - at `\$.minutes`"),
        ({"minutes": 5.5}, "Expected `int`"),
        ({"tins": [1, "a"]}, r"Expected `int`, got `str` - at `\$.tins\[1\]`"),
        ({"minutes": 0}, "here: minutes must be at least 1, got 0"),
        ([1], r"here: expected a table of settings, got \[1\]"),
    ],
)
def test_wrong_values_are_refused_with_their_place(values: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_settings(Baking, values, "here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trian]\n", r"settings.toml: unknown table \[trian\]; have .* Did you mean 'train'\?"),
        ("[train]\nminuts = 1\n", r"settings.toml, \[train\]: unknown key 'minuts'"),
        ("train = 1\n", r"settings.toml: 'train' must be a table, \[train\], got 1"),
        ("[train\n", "settings.toml' is not valid TOML"),
    ],
)
def test_wrong_files_are_refused_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_settings(Baking, _file(tmp_path, text), "train", {})


def test_a_missing_file_and_one_in_another_encoding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist; check the path"):
        read_settings(Baking, tmp_path / "none.toml", "train", {})
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe4'")
    with pytest.raises(SettingsError, match="is not valid TOML"):
        read_settings(Baking, tmp_path / "latin.toml", "train", {})
    with pytest.raises(SettingsError, match="cannot be read: Is a directory; name a TOML file"):
        read_settings(Baking, tmp_path, "train", {})
