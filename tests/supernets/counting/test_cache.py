"""Counts kept on disk: the same as fresh ones, never from other code, never in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec, load_space
from vitnas.supernets.counting import cache as count_cache
from vitnas.supernets.counting.cache import count_specs, counting_version
from vitnas.supernets.counting.counts import FloatCounts, count_in_float, count_layer

SPACE = load_space("autoformer-mini").restrict(width=(48,), depth=(3,))
OWN = (Path(__file__).parents[3] / "docs" / "examples" / "own_space.toml").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "counts"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[LayerSpec]:
    """The layers that were counted rather than read."""
    found: list[LayerSpec] = []

    def counting(spec: LayerSpec) -> FloatCounts:
        found.append(spec)
        return count_in_float(spec)

    monkeypatch.setattr(count_cache, "count_in_float", counting)
    return found


def test_the_second_time_nothing_is_counted(folder: Path, counted: list[LayerSpec]) -> None:
    fresh = [count_layer(spec) for spec in SPACE.lowering.specs]
    assert count_specs(SPACE) == fresh
    assert counted == list(SPACE.lowering.specs)
    assert count_specs(SPACE) == fresh
    assert len(counted) == len(fresh)
    (file,) = folder.iterdir()
    assert file.name == f"autoformer-mini-{SPACE.fingerprint}-{counting_version()}.json"


def test_a_layer_is_counted_once_for_all_precisions_and_for_the_space_without(
    folder: Path, counted: list[LayerSpec]
) -> None:
    compressed = SPACE.compressed(["w8a8", "p4"])
    assert count_specs(compressed) == [count_layer(spec) for spec in compressed.lowering.specs]
    assert sorted(spec.key for spec in counted) == sorted(spec.key for spec in SPACE.lowering.specs)
    count_specs(SPACE)
    assert len(counted) == len(SPACE.lowering.specs)


def test_what_is_missing_is_added(folder: Path, counted: list[LayerSpec]) -> None:
    first, *rest = SPACE.lowering.specs
    assert count_specs(SPACE, [first, first]) == [count_layer(first)] * 2
    assert counted == [first]
    count_specs(SPACE, rest)
    count_specs(SPACE)
    assert counted == [first, *rest]


def test_other_spaces_and_other_code_have_files_of_their_own(
    folder: Path, counted: list[LayerSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    count_specs(SPACE)
    count_specs(SPACE.restrict(heads=(2,)))
    monkeypatch.setattr(count_cache, "counting_version", lambda: "changed")
    before = len(counted)
    count_specs(SPACE)
    assert len(counted) == before + len(SPACE.lowering.specs)
    assert len(list(folder.iterdir())) == 3


def test_the_version_changes_with_the_source_of_any_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "counting/counts.py",
        "precision/products.py",
        "layers/ffn.py",
        "mixers/softmax.py",
        "mixers/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(count_cache.vitnas.supernets, "__path__", [str(tmp_path)])
    versions = [counting_version.__wrapped__()]
    for name in ("counting/counts.py", "precision/products.py", "layers/ffn.py", "mixers/softmax.py"):
        (tmp_path / name).write_text("changed")
        versions.append(counting_version.__wrapped__())
    assert len(set(versions)) == 5
    (tmp_path / "mixers/notes.txt").write_text("changed")
    assert counting_version.__wrapped__() == versions[-1]


@pytest.mark.parametrize("damage", ["cut", "number", "empty", "list", "text", "nested", "folder"])
def test_a_damaged_file_is_made_anew(damage: str, folder: Path, counted: list[LayerSpec]) -> None:
    fresh = count_specs(SPACE)
    (file,) = folder.iterdir()
    good = file.read_text()
    data = json.loads(good)
    first = next(iter(data["counts"]))
    if damage == "folder":
        file.unlink()
        file.mkdir()
    else:
        texts = {"cut": good[: len(good) // 2], "empty": "", "list": "[]", "text": '{"sha256": 1, "counts": 2}'}
        texts["number"] = json.dumps({**data, "counts": {**data["counts"], first: [1, 2, 3, 4]}})
        texts["nested"] = json.dumps({**data, "counts": {first: 3}})
        file.write_text(texts[damage])
    del counted[:]
    assert count_specs(SPACE) == fresh
    assert len(counted) == len(fresh)
    if damage != "folder":
        assert file.read_text() == good


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path / "file" / "below"))
    assert count_specs(SPACE) == [count_layer(spec) for spec in SPACE.lowering.specs]
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_an_account_without_a_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("VITNAS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.chdir(tmp_path)
    assert count_specs(SPACE) == [count_layer(spec) for spec in SPACE.lowering.specs]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"feed_forward"', '"feed_foward"', r"site 'block0_ffn': no layer kind named 'feed_foward'.*mean 'feed_forward'"),
        ("hidden =", "hiden =", "site 'block0_ffn': layer kind 'feed_forward' has no attribute 'hiden'.*mean 'hidden'"),
        ("reach = 0", "reach = 0, shift = true", "site 'block0_attention': layer kind 'attention' has no attribute 'shift'; "),
        ("reach = 0", "reach = -1", "site 'block0_attention': layer kind 'attention': reach must be a whole number of at least 0, got -1"),
        ("reach = 0", "reach = 0.5", "site 'block0_attention': layer kind 'attention': reach must be .*, got 0.5"),
        (", reach = 0", "", "site 'block0_attention': layer kind 'attention' needs the attribute 'reach', a whole number of at least 0"),
        ('"patch_embedding"', '"classifier"', "site 'stem': layer kind 'classifier' has no attribute 'patch'"),
        ("grid * grid + 1", "grid * grid + 2", "site 'stem': no layer 'patch_embedding 1x8x8>18x32 patch=2' can be built: .*gives"),
        (
            '"attention"\nin_shape = ["tokens", "width"]\nattrs = { heads = "= heads", head_width = 16, reach = 0 }',
            '"global_query_attention"\nin_shape = ["tokens", "width"]\nattrs = { heads = "= heads" }',
            "site 'block0_attention': ",
        ),
    ],
)  # fmt: skip
def test_layers_of_an_own_space_that_cannot_be_built(
    old: str, new: str, message: str, folder: Path, tmp_path: Path
) -> None:
    assert old in OWN
    path = tmp_path / "mine.toml"
    path.write_text(OWN.replace(old, new))
    with pytest.raises(SpaceError, match=message) as caught:
        count_specs(load_space(str(path)))
    assert str(caught.value).startswith(str(path))
