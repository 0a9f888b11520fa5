"""Writes and runs ``.pte`` files, in a Python that has executorch; vitnas need not be there.

Arguments: ``write PROGRAM FILE`` or ``run FILE INPUTS OUTPUTS``; inputs and outputs are .npy files.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any


def write(program: str, file: str) -> None:
    torch: Any = importlib.import_module("torch")
    xnnpack: Any = importlib.import_module("executorch.backends.xnnpack.partition.xnnpack_partitioner")
    exir: Any = importlib.import_module("executorch.exir")
    exported = torch.export.load(program)
    lowered = exir.to_edge_transform_and_lower(exported, partitioner=[xnnpack.XnnpackPartitioner()]).to_executorch()
    with open(file, "wb") as out:
        lowered.write_to_file(out)


def run(file: str, inputs: str, outputs: str) -> None:
    numpy: Any = importlib.import_module("numpy")
    torch: Any = importlib.import_module("torch")
    runtime: Any = importlib.import_module("executorch.runtime")
    method = runtime.Runtime.get().load_program(file).load_method("forward")
    images = torch.from_numpy(numpy.load(inputs))
    answers = [method.execute([image[None].contiguous()])[0].clone() for image in images]
    numpy.save(outputs, torch.cat(answers).numpy())


if __name__ == "__main__":
    sys.path.pop(0)  # beside this file lie a torch.py and an onnx.py that are not the packages
    work: Any = {"write": write, "run": run}[sys.argv[1]]
    work(*sys.argv[2:])
