"""A class name means one thing: a reader who looks for it finds one class."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1] / "vitnas"

ONE_TOOL = ("LiteRT", "OpenVino", "OpenVinoInt8", "Torch")
"""An exporter, a device and a runtime of the same tool, each in its own registry under the tool's name."""

OF_A_LAYER = ("Attrs",)
"""The attributes of a kind of layer, declared inside its class and read as ``Attention.Attrs``."""


def test_no_two_classes_share_a_name():
    places = defaultdict(list)
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.relative_to(ROOT)}:{node.lineno}")
    shared = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in shared.items() if name not in (*ONE_TOOL, *OF_A_LAYER)} == {}
    rooms = {name: {place.split("/")[1] for place in shared.get(name, ())} for name in ONE_TOOL}
    assert all(found <= {"exporters", "devices", "runtimes"} for found in rooms.values())
    assert all(place.startswith("supernets/") for name in OF_A_LAYER for place in shared.get(name, ()))
