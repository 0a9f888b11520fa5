"""The finder of circles finds those that are there, and none is left in vitnas."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("circles", Path(__file__).parents[1] / "tools" / "circles.py")
assert spec is not None
assert spec.loader is not None
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def _found(folder: Path, files: dict[str, str]) -> list[set[str]]:
    for name, text in files.items():
        path = folder / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return [set(group) for group in tool.circles(tool.imports_of(folder / "pack"))]


def test_no_circle_is_new_and_none_that_is_gone_is_listed(capsys):
    assert tool.main() == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "imported", ["import pack.b", "from pack import b", "from pack.b import x", "import pack.b as c"]
)
@pytest.mark.parametrize("place", ["{}", "def f():\n    {}", "try:\n    {}\nfinally:\n    pass"])
def test_a_circle_of_two_is_found_wherever_the_import_stands(tmp_path, imported, place):
    files = {"a.py": place.format(imported), "b.py": "from pack.a import f\nx = 1", "c.py": "import pack.a, json"}
    assert _found(tmp_path, files) == [{"pack.a", "pack.b"}]


def test_the_longer_way_round_is_told_in_the_order_of_imports(tmp_path):
    files = {f"{here}.py": f"import pack.{there}" for here, there in ("ab", "bc", "ca", "da")}
    (group,) = _found(tmp_path, files)
    imports = tool.imports_of(tmp_path / "pack")
    way = tool.one_way_round(frozenset(group), imports)
    assert len(way) == 4
    assert way[0] == way[-1]
    assert all(there in imports[here] for here, there in pairwise(way))


def test_two_circles_that_share_no_file_are_two(tmp_path):
    files = {"a.py": "import pack.b", "b.py": "import pack.a", "c.py": "import pack.d, pack.a", "d.py": "import pack.c"}
    assert _found(tmp_path, files) == [{"pack.a", "pack.b"}, {"pack.c", "pack.d"}]


def test_annotations_make_no_circle(tmp_path):
    hint = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.b import x\n"
    assert _found(tmp_path, {"a.py": hint, "b.py": "import pack.a"}) == []
    assert _found(tmp_path, {"a.py": hint + "else:\n    import pack.b"}) == [{"pack.a", "pack.b"}]


def test_a_face_that_hands_on_a_name_is_part_of_the_circle(tmp_path):
    files = {"room/__init__.py": "from pack.room.a import f", "room/a.py": "from pack.room import f"}
    assert _found(tmp_path, files) == [{"pack.room", "pack.room.a"}]
    files = {"room/__init__.py": "from pack.room.a import f", "room/a.py": "from pack.room import b", "room/b.py": ""}
    assert _found(tmp_path, files) == []
