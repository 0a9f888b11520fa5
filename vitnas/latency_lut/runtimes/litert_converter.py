"""Converts one network to .tflite; runs in the environment that has litert-torch. See `litert.py`."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import torch

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.supernet import build_network


def main() -> None:
    converter: Any = importlib.import_module("litert_torch")
    request = json.loads(sys.stdin.read())
    specs = tuple(LayerSpec.from_json(entry) for entry in request["network"])
    blueprint = Blueprint(tuple(entry["site"] for entry in request["network"]), specs)
    torch.manual_seed(0)
    network = build_network(blueprint).eval()
    example = torch.zeros(request["batch"], *blueprint.in_shape)
    converter.convert(network, (example,)).export(request["path"])


if __name__ == "__main__":
    main()
