"""The runner that an export of a cascade holds: it needs numpy and ONNX Runtime, and not vitnas."""

from __future__ import annotations

NAME = "cascade.py"

RUNNER = '''"""Runs the parts of this cascade until one is sure; needs numpy and onnxruntime."""

import json
from pathlib import Path

import onnxruntime


class Cascade:
    def __init__(self, folder=Path(__file__).parent, format="{format}"):
        rule = json.loads((Path(folder) / "rule.json").read_text())["formats"][format]
        self.thresholds = [*rule["thresholds"], 0.0]
        self.parts = [onnxruntime.InferenceSession(str(Path(folder) / name)) for name in rule["files"]]

    def __call__(self, image):
        """Logits of one image (1, C, H, W), normalised as rule.json says, and the number of the part that answered."""
        given = {{"image": image}}
        for number, (part, threshold) in enumerate(zip(self.parts, self.thresholds)):
            source, names = part.get_inputs()[0].name, [output.name for output in part.get_outputs()]
            found = dict(zip(names, part.run(None, {{source: given[source]}})))
            if float(found.get("sure", [1.0])[0]) >= threshold:
                return found["logits"], number
            given["state"] = found.get("next_state", given.get("state"))
'''


def runner(format_name: str) -> str:
    """The source of the runner for the parts of one format."""
    return RUNNER.format(format=format_name)
