"""Turns exported programs into ``.tflite`` files, in a Python that has litert-torch; vitnas need not be there.

Each line of standard input is a job in JSON, each line on what standard output was its answer.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the converter prints joins standard error
    sys.path.pop(0)  # beside this file lies an onnx.py that is not the package
    try:
        torch: Any = importlib.import_module("torch")
        litert: Any = importlib.import_module("litert_torch")
    except ImportError as error:
        answers.write(json.dumps({"error": str(error)}) + "\n")
        return
    answers.write(json.dumps({"error": ""}) + "\n")
    for line in sys.stdin:
        job = json.loads(line)
        try:
            module = torch.export.load(job["program"]).module()
            litert.convert(module, (torch.zeros(job["shape"]),)).export(job["file"])
            answer = ""
        except Exception as error:  # the converter raises bare exceptions of many types
            answer = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        answers.write(json.dumps({"error": answer}) + "\n")


if __name__ == "__main__":
    main()
