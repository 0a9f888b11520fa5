"""The main function of a Core ML package, one operator after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitnas.deployment.coreml_interpreter.operations import OPERATIONS
from vitnas.errors import ExportError
from vitnas.latency_lut.runtimes.coreml import quiet

LARGEST_HALF = 65504.0
GROWING = ("add", "sub", "mul", "real_div", "pow", "exp", "square", "conv", "linear", "matmul", "reduce_sum", "cast")
"""Operators whose results may be far larger than what they take."""


class MilProgram:
    """The main function of a package."""

    def __init__(self, path: Path) -> None:
        with quiet():
            from coremltools.converters.mil.frontend.milproto.load import load
            from coremltools.models.utils import load_spec

            self.spec = load_spec(str(path))
            weights = path / "Data" / "com.apple.CoreML" / "weights"
            program = load(self.spec, self.spec.specificationVersion, str(weights))
        (self.function,) = program.functions.values()
        self.facts = dict(self.spec.description.metadata.userDefined)
        self._constants: dict[Any, Any] = {}
        for op in self.function.operations:
            if op.op_type == "const":
                self._constants[op.outputs[0]] = _plain(op.outputs[0].val)
            elif op.op_type.startswith("constexpr"):
                self._constants[op.outputs[0]] = _plain(op.materialized_val_inference())
            elif op.op_type not in OPERATIONS and op.op_type != "classify":
                raise ExportError(
                    f"'{path.name}' has the operator '{op.op_type}' of Core ML, which cannot be checked without a Mac; "
                    "check the package there, or leave the layer that needs it out of the space"
                )

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (N, classes) for inputs (N, ...) as the package takes them."""
        return torch.vmap(self._one, chunk_size=64)(x[:, None])[:, 0]

    def all_outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Everything that the function gives, by name, for inputs (N, ...)."""
        found = torch.vmap(self._each, chunk_size=64)(x[:, None])
        return {var.name: value[:, 0] for var, value in zip(self.function.outputs, found, strict=True)}

    def _one(self, x: Tensor) -> Tensor:
        (answer,) = self._each(x)
        return answer

    def _each(self, x: Tensor) -> tuple[Tensor, ...]:
        (image,) = self.function.inputs.values()
        values: dict[Any, Any] = {**self._constants, image: x}
        before_softmax = x
        largest = x.new_zeros(())
        for op in self.function.operations:
            if op.op_type == "classify":
                return (_unless_beyond_half(before_softmax, largest),)
            if op.op_type.startswith("const"):
                continue
            given = {name: self._value(given, values) for name, given in op.inputs.items() if given is not None}
            found = OPERATIONS[op.op_type](**given)
            if op.op_type == "softmax":
                before_softmax = given["x"]
            for var, value in zip(op.outputs, found if isinstance(found, tuple | list) else (found,), strict=True):
                values[var] = value
                if op.op_type in GROWING and var.is_tensor_or_scalar_of("fp16"):
                    largest = torch.maximum(largest, torch.linalg.vector_norm(value, torch.inf))
        return tuple(_unless_beyond_half(values[answer], largest) for answer in self.function.outputs)

    def _value(self, given: Any, values: dict[Any, Any]) -> Any:
        if isinstance(given, list | tuple):
            return [values[var] for var in given]
        return values[given]


def _plain(value: Any) -> Any:
    """A constant as torch or Python takes it."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        tensor = torch.from_numpy(np.ascontiguousarray(value))
        return tensor.float() if tensor.is_floating_point() else tensor
    return value.item() if isinstance(value, np.generic) else value


def _unless_beyond_half(answer: Tensor, largest: Tensor) -> Tensor:
    """An answer, or infinity where a value on the way to it has no place in half precision."""
    return torch.where(largest > LARGEST_HALF, torch.inf, answer)
